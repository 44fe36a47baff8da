#include "park/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "park/lot.h"
#include "park/park.h"
#include "park/wake.h"

enum { MOST = 256 }; /* participants of a cycle: a longer one is not found */

struct edge {
    struct cheng_task *waiter, *owner;
    uint32_t wake; /* the waiter's, with its sequence number */
    enum wait_kind kind;
    const void *object;
    const char *site, *held_since; /* where it waits; where the owner took the lock */
};

static struct latch deciding; /* protects the two cycles below, and that one walker decides */
static struct edge found[MOST], again[MOST];

void chengi_graph_after_fork(void)
{
    deciding = (struct latch){ 0 };
}

/* Who must act for this lock to come free. The lock is looked at with its bucket latched and the wait still
 * on, so it exists: to leave, the waiter would need the latch. */
static struct cheng_task *lock_owner(struct edge *edge)
{
    cheng_lock *lock = (cheng_lock *)(uintptr_t)edge->object;
    struct cheng_task *owner = NULL;
    struct bucket *bucket = chengi_lot_lock(&lock->word);
    if (load_acquire(&edge->waiter->wake) == edge->wake) {
        owner = chengi_runner_of(load_relaxed(&lock->word) & (uint32_t)CHENGI_OWNER);
        edge->held_since = (const char *)(uintptr_t)load_relaxed(&lock->holder);
    }
    chengi_lot_unlock(bucket);
    return owner;
}

/* The edge that leaves a task, if it waits for a lock or a join. */
static bool edge_of(struct cheng_task *task, struct edge *edge)
{
    edge->waiter = task;
    edge->wake = load_acquire(&task->wake); /* partner: the release in begin_wait */
    edge->kind = load_relaxed(&task->why.kind);
    edge->object = load_relaxed(&task->why.object);
    edge->site = load_relaxed(&task->why.site);
    edge->held_since = NULL;
    edge->owner = NULL;
    if ((edge->wake & CHENGI_OUTCOME) != CHENGI_WAITING || !chengi_graph_edge(edge->kind))
        return false;
    /* about to leave, or to be made to */
    if ((edge->wake & CHENGI_CANCELLABLE) && load_relaxed(&task->cancelled))
        return false;
    __atomic_thread_fence(__ATOMIC_ACQUIRE); /* the look at `wake` comes after those at `why` */
    if (load_relaxed(&task->wake) != edge->wake)
        return false;
    if (edge->kind == CHENGI_WAIT_LOCK)
        edge->owner = lock_owner(edge);
    else if (!(load_relaxed(&((const struct cheng_task *)edge->object)->life) & CHENGI_ENDED))
        edge->owner = (struct cheng_task *)(uintptr_t)edge->object;
    return edge->owner != NULL;
}

/* The edges from `self` back to it; 0: there is no cycle. */
static unsigned walk(struct cheng_task *self, struct edge *edges)
{
    struct cheng_task *task = self;
    for (unsigned n = 0; n < MOST; n++) {
        if (!edge_of(task, &edges[n]))
            return 0;
        if (task != self && load_relaxed(&task->wait_deadline_ns) != 0)
            return 0;
        task = edges[n].owner;
        if (task == self)
            return n + 1;
    }
    return 0;
}

static void describe(FILE *out, const struct edge *edge)
{
    char waiter[CHENG_NAME_SIZE], owner[CHENG_NAME_SIZE];
    chengi_runner_copy_name(edge->waiter, waiter);
    chengi_runner_copy_name(edge->owner, owner);
    const char *site = edge->site == NULL ? "an unknown line" : edge->site;
    if (edge->kind == CHENGI_WAIT_JOIN)
        fprintf(out, "  %s joins %s at %s\n", waiter, owner, site);
    else
        fprintf(out, "  %s waits for lock %p at %s, which %s holds since %s\n", waiter, edge->object, site,
                owner, edge->held_since == NULL ? "an unknown line" : edge->held_since);
}

static void report(struct cheng_task *self, const struct edge *edges, unsigned n)
{
    char *text = NULL;
    size_t size;
    free(self->report); /* an earlier deadlock's: rather none than that */
    self->report = NULL;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return; /* the error is told all the same */
    if (n == 1)
        fprintf(out, "deadlock: %s waits for itself\n", chengi_runner_name(self));
    else
        fprintf(out, "deadlock: %u tasks wait for one another\n", n);
    for (unsigned i = 0; i < n; i++)
        describe(out, &edges[i]);
    if (fclose(out) == 0)
        self->report = text;
    else
        free(text);
}

bool chengi_graph_closes_cycle(struct cheng_task *self, uint32_t wake)
{
    struct edge first;
    bool cycle = false;
    /* Our wait is published, and the bucket's latch, taken after, was a full barrier (join_queue): of the tasks
     * of a cycle the last to come so far sees the waits of all. */
    if (!edge_of(self, &first) || (load_acquire(&first.owner->wake) & CHENGI_OUTCOME) != CHENGI_WAITING)
        return false; /* the usual case: the owner runs */
    chengi_latch_acquire(&deciding);
    unsigned n = walk(self, found);
    if (n != 0 && walk(self, again) == n && memcmp(found, again, n * sizeof *found) == 0) {
        report(self, found, n);
        cycle = chengi_wait_end(self, wake, CHENGI_CANCELLED);
    }
    chengi_latch_release(&deciding);
    return cycle;
}

void chengi_graph_report_self(struct cheng_task *self, const struct why *why, const char *held_since)
{
    struct edge edge = { self, self, 0, why->kind, why->object, why->site, held_since };
    report(self, &edge, 1);
}

const char *chengi_deadlock_report(void)
{
    const char *text = chengi_runner_self()->report;
    return text == NULL ? "" : text;
}
