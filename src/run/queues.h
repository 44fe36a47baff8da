/* The queues of a worker, which worker.h lists: how tasks come to be run. What only the worker does at each pick is inline. */
#ifndef CHENG_RUN_QUEUES_H
#define CHENG_RUN_QUEUES_H

#include "base/compiler.h"
#include "run/worker.h"

static inline void run_queue_push(struct worker *worker, struct cheng_task *task)
{
    task->next = NULL;
    if (worker->head == NULL)
        worker->head = task;
    else
        worker->tail->next = task;
    worker->tail = task;
}

static inline struct cheng_task *run_queue_pop(struct worker *worker)
{
    struct cheng_task *task = worker->head;
    if (task != NULL)
        worker->head = task->next;
    return task;
}

static inline struct cheng_task *fresh_pop(struct fresh *fresh)
{
    struct cheng_task *task;
    if (load_relaxed(&fresh->count) == 0) /* who must not miss one looks again after a fence */
        return NULL;
    chengi_latch_acquire(&fresh->latch);
    task = fresh->head;
    if (task != NULL) {
        fresh->head = task->next;
        store_relaxed(&fresh->count, fresh->count - 1);
    }
    chengi_latch_release(&fresh->latch);
    return task;
}

/* The oldest task first. */
static inline struct cheng_task *take_fresh(struct worker *worker)
{
    struct cheng_task *task = fresh_pop(&worker->fresh);
    /* acq_rel: a thief that takes it reads what we wrote; relaxed look: only we set it */
    if (task == NULL && load_relaxed(&worker->newest) != NULL)
        task = __atomic_exchange_n(&worker->newest, NULL, __ATOMIC_ACQ_REL);
    return task;
}

/* Moves what others have woken to the run queue, the first woken first; whether there was any. */
bool chengi_worker_drain_inbox(struct worker *worker);

/* With a policy: those that have come to the run queue go to it, and it puts the next one there. The root's turn comes after
 * all who were there before it. */
void chengi_worker_choose(struct worker *worker);

/* Any worker may begin the task; one that sleeps is woken for it. */
void chengi_worker_offer(struct runtime *runtime, struct fresh *fresh, struct cheng_task *task);

/* Wakes one that sleeps, if any does. */
void chengi_worker_wake_one(struct runtime *runtime);

#endif
