/* Workers: kernel threads that run coroutines.
 *
 * Fresh tasks may be stolen; started coroutines stay. Compilers keep the addresses of errno and of
 * thread-locals across calls, also inside libraries, so a stack that moved to another kernel thread would be
 * silently corrupted. A task that has not begun has no stack yet: it gets one from the worker that begins it, so
 * that a chain of short tasks runs on one hot stack.
 *
 * There is no scheduler to switch to: who cannot go on picks the next coroutine itself, and looks for events,
 * timers and other workers' tasks on its own stack when there is none. A coroutine that is woken while it does
 * so just returns.
 *
 *   a worker's       who touches it
 *   run queue        the worker only: started coroutines that can go on, first in, first out
 *   inbox            all push, the worker takes all: started coroutines that others have woken
 *   fresh            the worker pushes and takes, thieves take; under its latch
 *   newest           the worker sets it from NULL and exchanges it; thieves clear it by compare-and-swap, but only
 *                    when it has lain there for a while: a chatty pair must not be split for ever
 *   wheel, poller    the worker only (poller: others may notify)
 *   sleeping         the worker sets it, others clear it: below
 *   ordered          the worker only: of a loop that has a policy, those that can go on. They come to the run queue like all
 *                    others, and are moved at each pick, which puts the policy's choice back; so a worker without one
 *                    does nothing for it
 *
 * Going to sleep and being woken:
 *
 *   worker                               waker
 *   sleeping = 1                         push to inbox (or fresh)
 *   fence (seq_cst)                      the push is a read-modify-write; fence
 *   inbox, fresh empty? (else stay)      sleeping? then clear it and notify the poller
 *   wait in the poller
 *
 * Either the worker sees what was pushed, or the waker sees that it sleeps. Rejected: one run queue for all
 * workers (its latch is what all would wait for), stealing started coroutines (above), a thread for polling
 * (each event would cost two wake-ups across cores: 65 µs each here). */
#ifndef CHENG_RUN_WORKER_H
#define CHENG_RUN_WORKER_H

#include <cheng/loop.h>

#include "base/list.h"
#include "host/host.h"
#include "host/latch.h"
#include "run/runner.h"
#include "run/stack.h"
#include "run/wheel.h"

struct runtime;

/* A queue of tasks that have not begun. */
struct fresh {
    struct latch latch;
    uint32_t count; /* read without the latch as a hint */
    struct cheng_task *head, *tail;
};

enum { CHENGI_EVENTS = 64 };

/* What the watchdog knows of a worker; under its latch. */
struct watched {
    struct link link;
    struct chengi_self **self; /* the thread's: who runs */
    uint32_t tick;             /* as it was seen last */
    int64_t since_ns;          /* when it was seen first */
    bool told;
    bool loop; /* anybody may wake it: set before it is entered */
};

struct worker {
    /* the worker's own */
    struct cheng_task *head, *tail; /* run queue */
    uint32_t tick;                  /* picks so far */
    uint32_t streak;      /* what its coroutine has done since without waiting: chengi_worker_done */
    uint32_t look_at;     /* the pick at which a busy worker looks around */
    uint32_t look_every;  /* picks from look to look: so many that about look_period_ns lie between */
    int64_t looked_ns;    /* when it did; 0: it has slept since */
    int64_t discarded_ns; /* when it last gave a region's pages back though it was busy */
    struct stack *hot;
    unsigned hot_count;
    struct stack *stack;                 /* the one it runs on; NULL: the thread's */
    struct stack *retired;               /* to be freed once nobody runs on it */
    struct cheng_task *root;             /* the thread itself */
    struct cheng_task *idle, **idle_end; /* they go on when nothing else can; as a queue */
    struct ordered *ordered;             /* NULL: first in, first out */
    bool root_waits;                     /* in a loop's run: it goes on when it is told, and */
    int64_t until_ns;       /* at this time; INT64_MIN: when nothing else can; 0: when no task is left */
    void *fault_stack;      /* run/overflow.h */
    struct watched watched; /* run/watchdog.h */
    struct sanitize sanitize;
    int *error;        /* the thread's errno */
    void **exceptions; /* the thread's __cxa_get_globals, if C++ is there */
    struct runtime *runtime;
    bool alone; /* cheng_run's, or a loop: nobody steals its tasks */
    unsigned index;
    unsigned spin;              /* rounds of looking around before it sleeps: grows when that helped */
    unsigned live;              /* tasks of a runtime that ends: cheng_run */
    struct cheng_task *suspect; /* another's newest, as seen last */
    uint32_t suspect_of;        /* whose */
    int64_t patience_ns;        /* how long it sleeps while others are busy, before it looks for such */
    struct wheel wheel;
    struct host_poller poller;
    bool polls;                      /* descriptors were added to the poller: a busy worker must look */
    struct descriptors *descriptors; /* what its coroutines wait for that is not ours: the layer io's */
    struct host_event events[CHENGI_EVENTS]; /* here, not on the coroutine's stack: one page must do */

    /* shared */
    _Alignas(CHENGI_CACHE_LINE) struct cheng_task *inbox;
    struct cheng_task *newest;
    uint32_t sleeping;
    uint32_t told;     /* cheng_loop_wake: the root goes on, and clears it */
    uint32_t visitors; /* inside chengi_worker_ready, of a runtime that ends: it must wait for them */
    struct fresh fresh;
};

struct runtime {
    unsigned count;
    struct runtime *former; /* in the list of those that forks have left */

    _Alignas(CHENGI_CACHE_LINE) uint32_t sleepers;
    uint32_t sentinel;     /* a sleeper looks now and then whether a newest task grows old */
    struct fresh injected; /* started outside */
    struct worker *workers;
};

/* Those that can go on, in a policy's order. */
struct ordered {
    const cheng_policy *policy;
    uint32_t count;
    uint32_t picks_to_root; /* the root waits for its turn, so many picks from now; 0: it does not */
    uint32_t looked_at;     /* the pick at which the worker looked around */
    _Alignas(16) unsigned char ready[];
};

/* What a poller's event belongs to: its data is the address of one of these. */
struct watch {
    void (*ready)(struct watch *watch, unsigned events);
};

extern __thread struct worker *chengi_worker __attribute__((tls_model("initial-exec")));

/* Makes a started coroutine runnable; once for each time it blocked. Any thread. */
void chengi_worker_ready(struct cheng_task *task);

/* Blocks the calling coroutine until chengi_worker_ready, which may have happened already. */
void chengi_worker_block(void);

/* Lets the others run first. By a coroutine, and a loop's root. */
void chengi_worker_yield(void);

/* The same, until no other can go on. */
void chengi_worker_idle(void);

/* The poller of the calling coroutine's worker. */
static inline struct host_poller *chengi_worker_poller(void)
{
    chengi_worker->polls = true;
    return &chengi_worker->poller;
}

/* A coroutine has done a piece of input or output without waiting. One whose socket is always ready would never let
 * the others go on: after 64 it yields. Not in a thread. */
static inline void chengi_worker_done(void)
{
    struct worker *worker = chengi_worker;
    if (worker != NULL && ++worker->streak >= 64)
        chengi_worker_yield();
}

/* What runtimes are made of. A worker is opened by whoever makes it, entered by its thread, and works until its runtime
 * has no task left, which the default one's is not taken to have. */
int chengi_worker_open(struct worker *worker, struct runtime *runtime, unsigned index, bool alone);
void chengi_worker_enter(struct worker *worker);
void chengi_worker_work(struct worker *worker);
void chengi_worker_leave(struct worker *worker);
void chengi_worker_close(struct worker *worker); /* once it has no task left: what it had goes */

/* What has happened since the last look: whether anybody can go on. Does not block. By the root. */
bool chengi_worker_look(struct worker *worker);

/* Makes a loop's root go on. Any thread, and signal handlers. */
void chengi_worker_tell(struct worker *worker);

/* Queues a task that has not begun: by the worker itself; from outside a loop; from outside a runtime. */
void chengi_worker_submit(struct worker *worker, struct cheng_task *task);
void chengi_worker_send(struct worker *worker, struct cheng_task *task);
void chengi_worker_inject(struct runtime *runtime, struct cheng_task *task);

#endif
