/* The scopes of a task that bound its waits: cheng/timeout.h. */
#ifndef CHENG_PARK_TIMEOUT_H
#define CHENG_PARK_TIMEOUT_H

#include <cheng/timeout.h>

#include <errno.h>

#include "run/runner.h"

/* Until when the calling task may wait, if the wait can be cancelled. */
static inline int64_t chengi_timeout_bound(const struct cheng_task *self, int64_t deadline_ns,
                                           bool cancellable)
{
    const cheng_timeout *scope = self->timeouts;
    if (__builtin_expect(scope == NULL, 1) || !cancellable || scope->until_ns == 0)
        return deadline_ns;
    return deadline_ns != 0 && deadline_ns <= scope->until_ns ? deadline_ns : scope->until_ns;
}

/* Notes whose time was up: -ECANCELED. */
int chengi_timeout_ended(struct cheng_task *self);

/* What a wait that ended with `rc` returns, where `until_ns` was its bound and `deadline_ns` its own deadline. */
static inline int chengi_timeout_outcome(struct cheng_task *self, int rc, int64_t until_ns,
                                         int64_t deadline_ns)
{
    return __builtin_expect(until_ns == deadline_ns, 1) || rc != -ETIMEDOUT ? rc : chengi_timeout_ended(self);
}

/* Whether the time of a scope is up; notes whose. */
bool chengi_timeout_passed(struct cheng_task *self);

#endif
