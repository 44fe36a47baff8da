/* The graph of waits: who waits for what whom holds. Walked only by a task that is about to sleep for a lock
 * or a join, after it has published its wait, so that of the tasks of a cycle the last one finds it.
 *
 * A cycle counts only if no other participant's wait has a deadline, and if a second walk finds the sequence
 * number of every wait unchanged. One walker at a time decides, so that a cycle is broken in one place. */
#ifndef CHENG_PARK_GRAPH_H
#define CHENG_PARK_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/why.h"
#include "run/runner.h"

static inline bool chengi_graph_edge(enum wait_kind kind)
{
    return kind == CHENGI_WAIT_LOCK || kind == CHENGI_WAIT_JOIN;
}

/* Whether the caller's published wait closes a cycle; then its report is made, and the wait has ended, as
 * CHENGI_CANCELLED: before another walker looks. */
bool chengi_graph_closes_cycle(struct cheng_task *self, uint32_t wake);

/* The usual case, told at a glance: whom the caller would join does not wait itself. */
static inline bool chengi_graph_may_close(const struct cheng_task *self)
{
    const struct cheng_task *joined = self->why.object;
    return self->why.kind == CHENGI_WAIT_LOCK ||
           (self->why.kind == CHENGI_WAIT_JOIN &&
            (__atomic_load_n(&joined->wake, __ATOMIC_ACQUIRE) & CHENGI_OUTCOME) == CHENGI_WAITING);
}

/* For who would wait for itself: nothing to wait for, the report is made. `held_since`: where it took the lock, or
 * NULL. */
void chengi_graph_report_self(struct cheng_task *self, const struct why *why, const char *held_since);

void chengi_graph_after_fork(void);

#endif
