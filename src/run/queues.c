#include "run/queues.h"

#include "host/host.h"

/* ---- the worker's side ---- */

void chengi_worker_choose(struct worker *worker)
{
    struct ordered *ordered = worker->ordered;
    struct cheng_task *task, *next = NULL;
    if (ordered == NULL)
        return;
    while ((task = run_queue_pop(worker)) != NULL) {
        if (task == worker->root) {
            ordered->picks_to_root = ordered->count + 1;
        } else {
            ordered->count++;
            ordered->policy->push(ordered->ready, task);
        }
    }
    if (ordered->picks_to_root != 0 && (--ordered->picks_to_root == 0 || ordered->count == 0)) {
        ordered->picks_to_root = 0;
        next = worker->root;
    } else if (ordered->count != 0) {
        ordered->count--;
        next = ordered->policy->pop(ordered->ready);
    }
    if (next != NULL)
        run_queue_push(worker, next);
}

bool chengi_worker_drain_inbox(struct worker *worker)
{
    struct cheng_task *task, *next, *reversed = NULL;
    if (load_relaxed(&worker->inbox) == NULL)
        return false;
    /* acquire: partner is the push in put_in_inbox */
    for (task = __atomic_exchange_n(&worker->inbox, NULL, __ATOMIC_ACQUIRE); task != NULL; task = next) {
        next = task->next;
        task->next = reversed;
        reversed = task;
    }
    for (; reversed != NULL; reversed = next) {
        next = reversed->next;
        worker->live += reversed->stack == NULL; /* chengi_worker_send's */
        run_queue_push(worker, reversed);
    }
    return true;
}

/* ---- everybody's side ---- */

static void fresh_push(struct fresh *fresh, struct cheng_task *task)
{
    task->next = NULL;
    chengi_latch_acquire(&fresh->latch);
    if (fresh->head == NULL)
        fresh->head = task;
    else
        fresh->tail->next = task;
    fresh->tail = task;
    store_relaxed(&fresh->count, fresh->count + 1); /* a hint; the latch orders the rest */
    chengi_latch_release(&fresh->latch);
}

/* After a push and a fence. */
static void wake_if_sleeping(struct worker *worker)
{
    if (load_relaxed(&worker->sleeping) && __atomic_exchange_n(&worker->sleeping, 0, __ATOMIC_ACQ_REL))
        chengi_host_poller_notify(&worker->poller);
}

void chengi_worker_wake_one(struct runtime *runtime)
{
    for (unsigned i = 0; i < runtime->count; i++) {
        struct worker *worker = &runtime->workers[i];
        if (load_relaxed(&worker->sleeping) && __atomic_exchange_n(&worker->sleeping, 0, __ATOMIC_ACQ_REL)) {
            chengi_host_poller_notify(&worker->poller);
            return;
        }
    }
}

void chengi_worker_offer(struct runtime *runtime, struct fresh *fresh, struct cheng_task *task)
{
    fresh_push(fresh, task);
    fence_seq_cst(); /* partner: the fence in sleep_in_poller */
    if (load_relaxed(&runtime->sleepers) != 0)
        chengi_worker_wake_one(runtime);
}

/* What chengi_worker_ready does from another thread. */
static void put_in_inbox(struct worker *worker, struct cheng_task *task)
{
    bool ends = worker->alone; /* cheng_run's: gone as soon as the task has run, but for a visitor */
    /* seen by who takes the task: the push orders */
    if (ends)
        __atomic_add_fetch(&worker->visitors, 1, __ATOMIC_RELAXED);
    struct cheng_task *head = load_relaxed(&worker->inbox);
    do
        task->next = head;
    while (
        !__atomic_compare_exchange_n(&worker->inbox, &head, task, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    fence_seq_cst(); /* partner: the fence in sleep_in_poller */
    wake_if_sleeping(worker);
    /* partner: chengi_worker_close; our last touch */
    if (ends)
        __atomic_sub_fetch(&worker->visitors, 1, __ATOMIC_RELEASE);
}

void chengi_worker_ready(struct cheng_task *task)
{
    struct worker *worker = task->worker;
    if (likely(worker == chengi_worker))
        run_queue_push(worker, task);
    else
        put_in_inbox(worker, task);
}

void chengi_worker_send(struct worker *worker, struct cheng_task *task)
{
    put_in_inbox(worker, task);
}

void chengi_worker_tell(struct worker *worker)
{
    store_release(&worker->told, 1); /* partner: the exchange in run/runtime.c */
    fence_seq_cst();                 /* partner: the fence in sleep_in_poller */
    wake_if_sleeping(worker);
}

void chengi_worker_submit(struct worker *worker, struct cheng_task *task)
{
    struct runtime *runtime = worker->runtime;
    if (worker->alone) { /* nobody could steal it */
        worker->live++;
        run_queue_push(worker, task);
        return;
    }
    if (load_relaxed(&worker->newest) == NULL) { /* only we set it, so a plain release will do */
        store_release(&worker->newest, task);
        if (load_relaxed(&runtime->sleepers) != 0 && !load_relaxed(&runtime->sentinel) &&
            !__atomic_exchange_n(&runtime->sentinel, 1, __ATOMIC_ACQ_REL))
            chengi_worker_wake_one(runtime);
        return;
    }
    struct cheng_task *older = __atomic_exchange_n(&worker->newest, task, __ATOMIC_ACQ_REL);
    if (older == NULL)
        return; /* stolen meanwhile */
    chengi_worker_offer(runtime, &worker->fresh, older);
}

void chengi_worker_inject(struct runtime *runtime, struct cheng_task *task)
{
    chengi_worker_offer(runtime, &runtime->injected, task);
}
