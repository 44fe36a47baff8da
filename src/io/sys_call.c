#include "io/sys_call.h"

#include <time.h>

static void only_sigpipe(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

void chengi_sys_hush(struct hush *hush)
{
    sigset_t pipe, pending;
    only_sigpipe(&pipe);
    pthread_sigmask(SIG_BLOCK, &pipe, &hush->before);
    hush->pending = false; /* what was pending before is the caller's, and kept */
    if (sigismember(&hush->before, SIGPIPE) == 1 && sigpending(&pending) == 0)
        hush->pending = sigismember(&pending, SIGPIPE) == 1;
}

void chengi_sys_unhush(const struct hush *hush, bool raised)
{
    static const struct timespec at_once = { 0, 0 };
    sigset_t pipe;
    only_sigpipe(&pipe);
    if (raised && !hush->pending)
        while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &hush->before, NULL);
}
