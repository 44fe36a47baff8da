/* An HTTP client for tasks: libcurl's transfers, Cheng's waits.
 *
 * libcurl's multi interface runs any number of transfers in one thread if somebody tells it when a socket is ready
 * or its timer has run out. Here that is one coroutine, the driver: the only one that ever calls into libcurl.
 *
 *   tasks that fetch            driver                             watchers, one for each socket
 *   (threads, coroutines)       waits for the event `work`,        that libcurl waits for
 *                               or libcurl's time-out
 *   client_fetch:
 *     lists the transfer,
 *     sets `work`          -->  hands it to libcurl, which
 *     waits for `done`          wants a socket watched        -->  cheng_poll
 *                               tells libcurl                 <--  lists the socket, sets `work`
 *                          <--  sets `done`                        and ends
 *
 * Connections are kept and used again. */
#ifndef FETCH_CLIENT_H
#define FETCH_CLIENT_H

#include <cheng.h>

struct client;

struct transfer {
    const char *url;
    /* Called for each piece of the page, in the driver: it must not block. 0 to go on; anything else ends the
     * transfer. What an error page says is not passed. */
    int (*receive)(void *context, const struct transfer *transfer, const char *data, size_t size);
    void *context;

    /* the answer */
    long status; /* HTTP's */
    bool is_text;
    double seconds;
    char error[256]; /* "": the page is complete */

    /* the client's */
    cheng_event done;
    void *handle;
    struct transfer *next;
};

/* The driver and the watchers run in the calling coroutine's runtime, which has one worker (cheng_run). Expects
 * SIGPIPE to be ignored (TLS libraries write without MSG_NOSIGNAL). `per_host` connections to one host, 0: as many as
 * are in flight. */
CHENG_NODISCARD int client_new(struct client **out, unsigned in_flight, unsigned per_host);

/* Fetches a page and blocks the calling task until it is there, or has failed. Any thread, any coroutine. */
void client_fetch(struct client *client, struct transfer *transfer);

/* Nobody fetches any more. */
void client_free(struct client *client);

#endif
