/* Why somebody waits: what reports print. */
#ifndef CHENG_BASE_WHY_H
#define CHENG_BASE_WHY_H

enum wait_kind {
    CHENGI_WAIT_NONE,
    CHENGI_WAIT_LOCK, /* object: a private cheng_lock, whose word names the owner */
    CHENGI_WAIT_JOIN, /* object: a cheng_task */
    CHENGI_WAIT_CONDITION,
    CHENGI_WAIT_EVENT,
    CHENGI_WAIT_SEMAPHORE,
    CHENGI_WAIT_PUT,
    CHENGI_WAIT_GET,
    CHENGI_WAIT_READ,
    CHENGI_WAIT_WRITE,
    CHENGI_WAIT_SLEEP,
    CHENGI_WAIT_SHARED_LOCK,
    CHENGI_WAIT_OFFLOAD,
    CHENGI_WAIT_READERS,
    CHENGI_WAIT_BARRIER,
    CHENGI_WAIT_GROUP,
    CHENGI_WAIT_DONE, /* all items of a queue */
    CHENGI_WAIT_SELECT
};

struct why {
    enum wait_kind kind;
    const void *object;
    const char *site; /* "file:line", or NULL */
};

#endif
