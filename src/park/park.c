#include "park/park.h"

#include <errno.h>

#include "base/compiler.h"
#include "host/host.h"
#include "park/any.h"
#include "park/ferry.h"
#include "park/graph.h"
#include "park/lot.h"
#include "park/post.h"
#include "park/timeout.h"
#include "park/wake.h"
#include "run/upcalls.h"
#include "run/worker.h"

enum { BATCH = 16 };

/* Publishes the wait, for a private word if there is a waiter. The reader of `why` and `word` compares `wake` before
 * and after. So each store to them is a release (partners: the fence in edge_of, the load in chengi_wait_end): who
 * reads the new wait's sees that the old wait has ended. */
static uint32_t begin_wait(struct cheng_task *self, struct waiter *waiter, const struct why *why,
                           int64_t deadline_ns, bool cancellable)
{
    self->waiter = waiter; /* the bucket's latch orders */
    store_release(&self->word, waiter == NULL ? NULL : waiter->word);
    store_release(&self->why.kind, why->kind);
    store_release(&self->why.object, why->object);
    store_release(&self->why.site, why->site);
    store_relaxed(&self->wait_deadline_ns, deadline_ns);
    uint32_t wake = (load_relaxed(&self->wake) | 7) + 1; /* only we change it outside of a wait */
    if (cancellable)
        wake |= CHENGI_CANCELLABLE;
    store_release(&self->wake, wake | CHENGI_WAITING);
    return wake;
}

static void end_wait(struct cheng_task *self)
{
    store_relaxed(&self->why.kind, CHENGI_WAIT_NONE);
}

bool chengi_wait_end(struct cheng_task *runner, uint32_t wake, uint32_t outcome)
{
    /* partner: begin_wait. If it is a later wait's, `wake` has changed */
    uint32_t *word = load_acquire(&runner->word);
    if (word == NULL)
        return cas_acq_rel(&runner->wake, &wake, wake | outcome);
    struct bucket *bucket = chengi_lot_lock(word);
    /* the first look says that the waiter is still there to be looked at: it cannot go but by this latch */
    bool on = load_relaxed(&runner->wake) == wake && runner->waiter->next != NULL;
    if (on) {
        chengi_lot_leave(bucket, runner->waiter);
        store_release(&runner->wake, wake | outcome); /* partner: the waiter's look after it slept */
    }
    chengi_lot_unlock(bucket);
    return on;
}

bool chengi_park_time_out(struct cheng_task *task)
{
    uint32_t wake = load_relaxed(&task->wake); /* its own kernel thread's: not of a wait to come */
    return (wake & CHENGI_OUTCOME) == CHENGI_WAITING && chengi_wait_end(task, wake, CHENGI_TIMED_OUT);
}

static int error_of(uint32_t wake)
{
    switch (wake & CHENGI_OUTCOME) {
    case CHENGI_TIMED_OUT:
        return -ETIMEDOUT;
    case CHENGI_CANCELLED:
        return -ECANCELED;
    default:
        return 0;
    }
}

/* A thread sleeps on its own wake word. */
static void sleep_thread(struct cheng_task *self, uint32_t wake, int64_t deadline_ns)
{
    /* acquire: partner is the change by who ends the wait */
    while (load_acquire(&self->wake) == wake)
        if (chengi_host_wait(&self->wake, wake, deadline_ns, false) == -ETIMEDOUT)
            chengi_wait_end(self, wake, CHENGI_TIMED_OUT);
}

/* A coroutine lets its worker go on; the worker's wheel keeps its time. */
static void sleep_coroutine(struct cheng_task *self, int64_t deadline_ns)
{
    if (deadline_ns != 0)
        chengi_wheel_set(&self->worker->wheel, &self->timer, deadline_ns);
    chengi_worker_block();
    if (chengi_timer_is_set(&self->timer))
        chengi_wheel_cancel(&self->worker->wheel, &self->timer);
}

static void sleep_until_woken(struct cheng_task *self, uint32_t wake, int64_t deadline_ns)
{
    if (self->worker != NULL)
        sleep_coroutine(self, deadline_ns);
    else
        sleep_thread(self, wake, deadline_ns);
}

static bool passed(int64_t deadline_ns)
{
    return deadline_ns != 0 && chengi_host_now() >= deadline_ns;
}

/* A lock whose owner has ended: nobody will release it, and who wakes its waiters may have passed already. */
static bool orphaned(const struct cheng_task *self, uint32_t value)
{
    return self->why.kind == CHENGI_WAIT_LOCK && (value & (uint32_t)CHENGI_OWNER) != 0 &&
           !chengi_runner_alive(value);
}

/* Joins the word's queue. 1: joined; else how the wait has ended. It ends with the bucket still latched: who has
 * latched it and sees the wait may look at the word. */
static int join_queue(struct cheng_task *self, struct waiter *waiter, uint32_t wake, uint32_t value,
                      bool front)
{
    struct bucket *bucket = chengi_lot_lock(waiter->word);
    int rc = 1;
    /* partner: cheng_cancel sets `cancelled`, then looks at `wake`; we wrote `wake`, now look at `cancelled` */
    chengi_host_fence_after_rmw();
    if (load_relaxed(waiter->word) != value || orphaned(self, value)) /* ordered by the latch, see lot.h */
        rc = 0;
    else if ((wake & CHENGI_CANCELLABLE) && load_relaxed(&self->cancelled))
        rc = -ECANCELED;
    if (rc == 1)
        chengi_lot_join(bucket, waiter, front);
    else
        store_relaxed(&self->wake, wake | CHENGI_WOKEN); /* nobody else can, with the bucket latched */
    chengi_lot_unlock(bucket);
    if (rc == 1)
        chengi_lot_grow(bucket);
    return rc;
}

int chengi_park(uint32_t *word, uint32_t value, int64_t deadline_ns, const struct why *why, unsigned flags)
{
    struct cheng_task *self = chengi_runner_self();
    struct waiter waiter = { .word = word, .runner = self };
    bool cancellable = !(flags & CHENGI_PARK_UNCANCELLABLE) && self->shields == 0;
    int64_t until = chengi_timeout_bound(self, deadline_ns, cancellable);
    if (passed(until))
        return chengi_timeout_outcome(self, -ETIMEDOUT, until, deadline_ns);
    uint32_t wake = begin_wait(self, &waiter, why, until, cancellable);
    int rc = join_queue(self, &waiter, wake, value, flags & CHENGI_PARK_FRONT);
    if (rc == 1) {
        if (chengi_graph_may_close(self) && chengi_graph_closes_cycle(self, wake)) {
            rc = -EDEADLK;
        } else {
            sleep_until_woken(self, wake, until);
            rc = error_of(load_relaxed(&self->wake));
        }
    }
    end_wait(self);
    return chengi_timeout_outcome(self, rc, until, deadline_ns);
}

int chengi_park_sleep(int64_t deadline_ns, const struct why *why)
{
    struct cheng_task *self = chengi_runner_self();
    int64_t until = chengi_timeout_bound(self, deadline_ns, self->shields == 0);
    if (passed(until))
        return -EAGAIN;
    uint32_t wake = begin_wait(self, NULL, why, until, self->shields == 0);
    fence_seq_cst(); /* as in join_queue, with no latch to do it */
    if (self->shields == 0 && load_relaxed(&self->cancelled) &&
        chengi_wait_end(self, wake, CHENGI_CANCELLED)) {
        end_wait(self);
        return -ECANCELED;
    }
    sleep_until_woken(self, wake, until);
    end_wait(self);
    return chengi_timeout_outcome(self, error_of(load_relaxed(&self->wake)), until, deadline_ns);
}

/* A thread's wake descriptor; it keeps it. */
static int need_wake_fd(struct cheng_task *self)
{
    if (self->wake_fd == 0) {
        int made = chengi_host_wake_fd_open();
        if (made < 0)
            return made;
        self->wake_fd = made + 1;
    }
    return 0;
}

/* A thread sleeps on a descriptor and on its wake descriptor. > 0: what is ready of the first. */
static int sleep_polling(struct cheng_task *self, uint32_t wake, int fd, unsigned events, int64_t deadline_ns)
{
    int ready = 0;
    while (load_acquire(&self->wake) == wake) { /* partner: the change by who ends the wait */
        ready = chengi_host_poll_pair(fd, events, self->wake_fd - 1, deadline_ns);
        if (ready != 0 && !chengi_wait_end(self, wake, ready == -ETIMEDOUT ? CHENGI_TIMED_OUT : CHENGI_WOKEN))
            ready = 0; /* somebody else was first */
    }
    return ready;
}

int chengi_park_fd(uint32_t *word, uint32_t value, int fd, unsigned events, int64_t deadline_ns,
                   const struct why *why)
{
    struct cheng_task *self = chengi_runner_self();
    if (self->worker != NULL)
        return chengi_park(word, value, deadline_ns, why, 0);
    int rc = need_wake_fd(self);
    if (rc < 0)
        return rc;
    int64_t until = chengi_timeout_bound(self, deadline_ns, self->shields == 0);
    struct waiter waiter = { .word = word, .runner = self };
    /* before `wake` says WAITING: a waker reads it after it has changed that */
    store_relaxed(&self->polling, 1);
    uint32_t wake = begin_wait(self, &waiter, why, until, self->shields == 0);
    rc = join_queue(self, &waiter, wake, value, false);
    if (rc == 1) {
        int ready = sleep_polling(self, wake, fd, events, until);
        rc = ready != 0 ? ready : error_of(load_relaxed(&self->wake));
    }
    store_relaxed(&self->polling, 0);
    end_wait(self);
    return chengi_timeout_outcome(self, rc, until, deadline_ns);
}

/* ---- several words ---- */

/* What a thread sleeps on beside its wake descriptor: a poller of the points' descriptors, if there are any (id 0). */
static int watch_points(struct host_poller *poller, const struct park_point *points, size_t n)
{
    int rc = 0;
    poller->id = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        unsigned events = 0;
        for (size_t k = 0; k < n && points[i].events != 0; k++) /* both directions are armed at once */
            events |= points[k].fd == points[i].fd ? points[k].events : 0;
        if (events != 0 && poller->id == 0)
            rc = chengi_host_poller_open_nested(poller);
        if (events != 0 && rc == 0)
            rc = chengi_host_poller_arm(poller, points[i].fd, events, 0);
    }
    return rc;
}

static bool join_point(struct cheng_task *self, struct park_point *point)
{
    point->waiter = (struct waiter){ .word = point->word, .runner = self, .several = true };
    if (point->word == NULL)
        return true;
    struct bucket *bucket = chengi_lot_lock(point->word);
    bool same = load_relaxed(point->word) == point->value; /* ordered by the latch, see lot.h */
    if (same)
        chengi_lot_join(bucket, &point->waiter, point->front);
    chengi_lot_unlock(bucket);
    if (same)
        chengi_lot_grow(bucket);
    return same;
}

/* Whether this point has ended the wait. */
static bool leave_point(struct park_point *point)
{
    if (point->word == NULL)
        return false;
    struct bucket *bucket = chengi_lot_lock(point->word);
    if (point->waiter.next != NULL)
        chengi_lot_leave(bucket, &point->waiter);
    chengi_lot_unlock(bucket);
    return point->waiter.woken;
}

/* Joins all queues, unless a word differs or the task was cancelled: then the wait ends, if nobody else has ended it.
 * Else it sleeps, if only for the delivery by who has. Returns which point has ended it, or `n`. */
static size_t wait_at(struct cheng_task *self, struct park_point *points, size_t n, uint32_t wake,
                      int64_t until_ns, const struct host_poller *poller)
{
    uint32_t outcome = CHENGI_WAITING;
    size_t joined = 0, by = n;
    while (joined < n && outcome == CHENGI_WAITING)
        if (!join_point(self, &points[joined++]))
            outcome = CHENGI_WOKEN;
    fence_seq_cst(); /* as in join_queue */
    if (outcome == CHENGI_WAITING && (wake & CHENGI_CANCELLABLE) && load_relaxed(&self->cancelled))
        outcome = CHENGI_CANCELLED;
    if (outcome != CHENGI_WAITING && chengi_wait_end(self, wake, outcome))
        by = outcome == CHENGI_WOKEN ? joined - 1 : n;
    else if (poller->id != 0)
        sleep_polling(self, wake, poller->epoll, CHENGI_HOST_READABLE, until_ns);
    else
        sleep_until_woken(self, wake, until_ns);
    for (size_t i = 0; i < joined; i++)
        if (leave_point(&points[i]))
            by = i;
    return by;
}

int chengi_park_any(struct park_point *points, size_t n, int64_t deadline_ns, const struct why *why)
{
    struct cheng_task *self = chengi_runner_self();
    struct host_poller poller = { .id = 0 };
    int64_t until = chengi_timeout_bound(self, deadline_ns, self->shields == 0);
    if (passed(until))
        return chengi_timeout_outcome(self, -ETIMEDOUT, until, deadline_ns);
    int rc = self->worker == NULL ? watch_points(&poller, points, n) : 0;
    if (rc == 0 && poller.id != 0)
        rc = need_wake_fd(self);
    if (rc == 0) {
        store_relaxed(&self->polling, poller.id != 0); /* as in chengi_park_fd */
        uint32_t wake = begin_wait(self, NULL, why, until, self->shields == 0);
        size_t by = wait_at(self, points, n, wake, until, &poller);
        store_relaxed(&self->polling, 0);
        end_wait(self);
        rc = error_of(load_relaxed(&self->wake));
        if (rc == 0)
            rc = (int)by;
    }
    if (poller.id != 0)
        chengi_host_poller_close(&poller);
    return chengi_timeout_outcome(self, rc, until, deadline_ns);
}

/* ---- shared words ---- */

/* The kernel does the waiting. A thread sleeps on its own wake word too, so that a cancel reaches it. */
static void sleep_thread_shared(struct cheng_task *self, uint32_t wake, uint32_t *word, uint32_t value,
                                int64_t until_ns)
{
    struct host_word words[2] = { { &self->wake, wake, false }, { word, value, true } };
    if (chengi_host_wait_many(words, 2, until_ns) == -ENOSYS) {
        /* an old kernel: look for a cancel now and then */
        int64_t soon = chengi_host_now() + 20000000;
        chengi_host_wait(word, value, until_ns < soon ? until_ns : soon, true);
    }
    chengi_wait_end(self, wake, CHENGI_WOKEN);
}

int chengi_park_shared(uint32_t *word, uint32_t value, int64_t deadline_ns, int64_t bound_ns,
                       const struct why *why, unsigned flags)
{
    struct cheng_task *self = chengi_runner_self();
    bool cancellable = !(flags & CHENGI_PARK_UNCANCELLABLE) && self->shields == 0;
    int64_t until = chengi_timeout_bound(self, deadline_ns, cancellable);
    int64_t now = chengi_host_now(), look = now + bound_ns; /* when to look again */
    if (until != 0 && now >= until)
        return chengi_timeout_outcome(self, -ETIMEDOUT, until, deadline_ns);
    if (until != 0 && until < look)
        look = until;
    if (self->worker != NULL) {
        int rc = chengi_ferry_wait(word, value, look, why, flags);
        return rc == -ETIMEDOUT && look != deadline_ns ? 0 : rc;
    }
    uint32_t wake = begin_wait(self, NULL, why, until, cancellable);
    fence_seq_cst(); /* as in join_queue */
    if (cancellable && load_relaxed(&self->cancelled))
        chengi_wait_end(self, wake, CHENGI_CANCELLED);
    else
        sleep_thread_shared(self, wake, word, value, look);
    end_wait(self);
    return error_of(load_relaxed(&self->wake));
}

void chengi_unpark_shared(uint32_t *word, unsigned n)
{
    chengi_host_wake(word, n, true);
}

/* ---- wakers ---- */

/* Whose wait has ended, and how it goes on. Found out before `wake` changes: after it a thread may go on, end, and leave
 * its slot to a coroutine; and after a look at `wake` that says WAITING: before it, a coroutine may not have begun, and
 * look like a thread. */
struct wakee {
    struct cheng_task *runner;
    bool coroutine;
};

static struct wakee wakee_of(struct cheng_task *runner)
{
    return (struct wakee){ runner, load_relaxed(&runner->worker) != NULL };
}

static void deliver(const struct wakee *wakee)
{
    struct cheng_task *runner = wakee->runner;
    if (wakee->coroutine)
        chengi_worker_ready(runner);
    else if (load_relaxed(&runner->polling)) /* a late one wakes the slot's next user for nothing, no more */
        chengi_host_wake_fd_signal(runner->wake_fd - 1);
    else
        chengi_host_wake(&runner->wake, 1, false);
}

/* A cancel ends only a wait that allows it: the bit and the sequence number are one word. If the wait has ended by
 * itself, those to come look at `cancelled`. */
void chengi_park_cancel(struct cheng_task *task)
{
    /* seq_cst, with a full fence: partner is the waiter's look at `cancelled` after it wrote `wake` */
    __atomic_store_n(&task->cancelled, 1, __ATOMIC_SEQ_CST);
    fence_seq_cst();
    uint32_t wake = load_acquire(&task->wake); /* partner: begin_wait. `worker` is no older than the wait */
    struct wakee wakee = wakee_of(task);
    if ((wake & CHENGI_OUTCOME) == CHENGI_WAITING && (wake & CHENGI_CANCELLABLE) &&
        chengi_wait_end(task, wake, CHENGI_CANCELLED))
        deliver(&wakee);
}

/* With the bucket locked, and the waiter off its queue: nobody else can end the wait. Or it is for several words, and
 * false: somebody has. Then it still leaves this word, so the latch keeps the waiter and its runner as they are.
 * The releases' partner: the waiter's look after it slept. */
static bool wake_waiter(struct waiter *waiter, struct wakee *wakee)
{
    *wakee = wakee_of(waiter->runner);
    uint32_t wake = load_relaxed(&wakee->runner->wake);
    if (likely(!waiter->several)) {
        store_release(&wakee->runner->wake, wake | CHENGI_WOKEN);
        return true;
    }
    waiter->next = NULL; /* it is off */
    waiter->woken = (wake & CHENGI_OUTCOME) == CHENGI_WAITING &&
                    cas_acq_rel(&wakee->runner->wake, &wake, wake | CHENGI_WOKEN);
    return waiter->woken;
}

unsigned chengi_unpark(uint32_t *word, unsigned n)
{
    unsigned woken = 0, batch;
    struct wakee wakees[BATCH];
    if (unlikely(chengi_in_handler != 0)) {
        chengi_post(word);
        return 0;
    }
    do {
        struct bucket *bucket = chengi_lot_lock(word);
        struct waiter *first;
        bool more;
        for (batch = 0;
             batch < BATCH && woken + batch < n && (first = chengi_lot_take(bucket, word, &more)) != NULL;)
            batch += wake_waiter(first, &wakees[batch]);
        chengi_lot_unlock(bucket);
        for (unsigned i = 0; i < batch; i++) /* system calls with nothing latched */
            deliver(&wakees[i]);
        woken += batch;
    } while (batch == BATCH);
    return woken;
}

unsigned chengi_unpark_one(uint32_t *word, chengi_decide *decide, void *context)
{
    struct wakee wakee;
    bool more;
    if (unlikely(chengi_in_handler != 0)) {
        chengi_post(word);
        return 0;
    }
    struct bucket *bucket = chengi_lot_lock(word);
    struct waiter *first;
    do
        first = chengi_lot_take(bucket, word, &more);
    while (first != NULL && !wake_waiter(first, &wakee));
    decide(context, first != NULL, more);
    chengi_lot_unlock(bucket);
    if (first != NULL)
        deliver(&wakee);
    return first != NULL;
}

/* System calls with a bucket latched: rarely done. A table that replaces the one it walks through has those who came meanwhile. */
void chengi_unpark_everybody(void)
{
    struct table *seen;
    do {
        seen = load_acquire(&chengi_lot); /* partner: chengi_lot_grow */
        for (size_t i = 0; i < (size_t)1 << (64 - seen->shift); i++) {
            struct bucket *bucket = &seen->buckets[i];
            struct wakee wakee;
            bool more;
            chengi_latch_acquire(&bucket->latch);
            while (bucket->first != NULL)
                if (wake_waiter(chengi_lot_take(bucket, bucket->first->word, &more), &wakee))
                    deliver(&wakee);
            chengi_latch_release(&bucket->latch);
        }
    } while (seen != load_acquire(&chengi_lot));
}

void chengi_park_after_fork(void)
{
    chengi_post_after_fork();
    chengi_lot_after_fork();
    chengi_graph_after_fork();
    chengi_ferry_after_fork();
}
