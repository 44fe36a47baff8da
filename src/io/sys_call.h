/* What the system calls of files and of sockets have in common. */
#ifndef CHENG_IO_SYS_CALL_H
#define CHENG_IO_SYS_CALL_H

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* What a call has returned, or its negative errno. */
static inline int outcome(long rc)
{
    return rc < 0 ? -errno : (int)rc;
}

/* As many bytes as an outcome can tell of. */
static inline size_t at_most(size_t size)
{
    return size > INT_MAX ? INT_MAX : size;
}

/* Holds SIGPIPE off the calling thread, and takes away the one that a write has raised. */
struct hush {
    sigset_t before;
    bool pending;
};
void chengi_sys_hush(struct hush *hush);
void chengi_sys_unhush(const struct hush *hush, bool raised);

#endif
