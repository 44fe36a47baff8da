#include "park/timeout.h"

#include <errno.h>

#include "host/host.h"

/* A scope that never ends a wait has a bound of 0, as a deadline that never comes. */
static int64_t first_of(int64_t a, int64_t b)
{
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

void cheng_timeout_begin(cheng_timeout *timeout, cheng_deadline deadline)
{
    struct cheng_task *self = chengi_runner_self();
    *timeout =
        (cheng_timeout){ .at_ns = deadline.at_ns, .until_ns = deadline.at_ns, .outer = self->timeouts };
    if (timeout->outer != NULL)
        timeout->until_ns = first_of(timeout->at_ns, timeout->outer->until_ns);
    self->timeouts = timeout;
}

int cheng_timeout_end(cheng_timeout *timeout)
{
    struct cheng_task *self = chengi_runner_self();
    if (self->timeouts != timeout)
        return -EPERM;
    self->timeouts = timeout->outer;
    return timeout->ended ? -ETIMEDOUT : 0;
}

int chengi_timeout_ended(struct cheng_task *self)
{
    cheng_timeout *scope = self->timeouts;
    while (scope->at_ns != scope->until_ns) /* an outer one's time was up first */
        scope = scope->outer;
    scope->ended = true;
    return -ECANCELED;
}

bool chengi_timeout_passed(struct cheng_task *self)
{
    if (self->timeouts == NULL || self->timeouts->until_ns == 0 ||
        chengi_host_now() < self->timeouts->until_ns)
        return false;
    (void)chengi_timeout_ended(self); /* who is told leaves off, as from a wait */
    return true;
}
