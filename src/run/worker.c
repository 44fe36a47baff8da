#include "run/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "host/switch.h"
#include "run/overflow.h"
#include "run/queues.h"
#include "run/upcalls.h"
#include "run/watchdog.h"

enum { PICKS_FIRST = 8, PICKS_MOST = 128, SPIN_MOST = 2000, HOT_STACKS = 64 };
static const int64_t look_period_ns = 200000, discard_period_ns = 10000000, no_stack_most_ns = 1000000000;
static const int64_t patience_least_ns = 1000000, patience_most_ns = 64000000;

__thread struct worker *chengi_worker __attribute__((tls_model("initial-exec")));

/* ---- looking for work ---- */

static bool expire_timers(struct worker *worker)
{
    struct timer *timer;
    bool any = false;
    if (chengi_wheel_next(&worker->wheel) == 0)
        return false;
    int64_t now = chengi_host_now();
    while ((timer = chengi_wheel_expire(&worker->wheel, now)) != NULL) {
        struct cheng_task *task = CHENGI_CONTAINER(timer, struct cheng_task, timer);
        if (chengi_park_time_out(task)) {
            run_queue_push(worker, task);
            any = true;
        }
    }
    return any;
}

static void poll_events(struct worker *worker, int64_t deadline_ns)
{
    int n = chengi_host_poller_wait(&worker->poller, worker->events, CHENGI_EVENTS, deadline_ns);
    for (int i = 0; i < n; i++) {
        struct watch *watch = (struct watch *)(uintptr_t)worker->events[i].data;
        watch->ready(watch, worker->events[i].ready);
    }
}

/* Another's newest task, if it is the one that we saw when we looked last. Each look at a new one goes to the next
 * worker that has any, so that each gets its turn. */
static struct cheng_task *steal_newest(struct worker *worker)
{
    struct runtime *runtime = worker->runtime;
    uint32_t *from = &worker->suspect_of;
    struct cheng_task *task = worker->suspect;
    worker->suspect = NULL;
    if (task != NULL && load_relaxed(&runtime->workers[*from].newest) == task) { /* a hint, never followed */
        if (cas_acq_rel(&runtime->workers[*from].newest, &task, NULL)) /* acquire: the task's content */
            return task;
    }
    for (unsigned i = 0; i < runtime->count && worker->suspect == NULL; i++) {
        *from = (*from + 1) % runtime->count;
        if (*from != worker->index)
            worker->suspect = load_relaxed(&runtime->workers[*from].newest);
    }
    return NULL;
}

/* Another's oldest task, or a newest one that has grown old. */
static struct cheng_task *steal(struct worker *worker)
{
    struct runtime *runtime = worker->runtime;
    struct cheng_task *task = fresh_pop(&runtime->injected);
    for (unsigned i = 1; task == NULL && i < runtime->count; i++)
        task = fresh_pop(&runtime->workers[(worker->index + i) % runtime->count].fresh);
    return task != NULL ? task : steal_newest(worker);
}

static bool anybody_busy(const struct worker *worker)
{
    for (unsigned i = 0; i < worker->runtime->count; i++)
        if (i != worker->index && !load_relaxed(&worker->runtime->workers[i].sleeping) &&
            load_relaxed(&worker->runtime->workers[i].root) != NULL) /* its thread has come */
            return true;
    return false;
}

static bool fresh_in_sight(const struct runtime *runtime)
{
    if (load_relaxed(&runtime->injected.count) != 0)
        return true;
    for (unsigned i = 0; i < runtime->count; i++)
        if (load_relaxed(&runtime->workers[i].fresh.count) != 0)
            return true;
    return false;
}

static bool work_in_sight(const struct worker *worker)
{
    return load_relaxed(&worker->inbox) != NULL || load_relaxed(&worker->told) ||
           fresh_in_sight(worker->runtime);
}

/* Who was looking for others' work, or was woken for it, but goes on with its own, wakes another to do it. */
static void hand_on(struct worker *worker)
{
    struct runtime *runtime = worker->runtime;
    bool suspects = worker->suspect != NULL &&
                    load_relaxed(&runtime->workers[worker->suspect_of].newest) == worker->suspect;
    if (load_relaxed(&runtime->sleepers) != 0 && (suspects || fresh_in_sight(runtime)))
        chengi_worker_wake_one(runtime);
}

/* While another is busy, its newest task may grow old: when to look. Told of one by submit, or seeing one, soon;
 * seeing none, later and later: submit may have missed that we fall asleep, since it has no fence. */
static int64_t when_to_look(struct worker *worker)
{
    struct runtime *runtime = worker->runtime;
    if (worker->suspect != NULL)
        worker->patience_ns = patience_least_ns;
    if (worker->patience_ns == patience_least_ns)
        store_relaxed(&runtime->sentinel, 1); /* the spawns of the next millisecond need wake nobody */
    int64_t until = chengi_host_now() + worker->patience_ns;
    worker->patience_ns =
        worker->patience_ns * 2 < patience_most_ns ? worker->patience_ns * 2 : patience_most_ns;
    return until;
}

/* The diagram is in worker.h. */
static void sleep_in_poller(struct worker *worker)
{
    struct runtime *runtime = worker->runtime;
    int64_t deadline = chengi_wheel_next(&worker->wheel);
    if (worker->root_waits && worker->until_ns > 0 && (deadline == 0 || worker->until_ns < deadline))
        deadline = worker->until_ns;
    __atomic_fetch_add(&runtime->sleepers, 1, __ATOMIC_RELAXED);
    store_relaxed(&worker->sleeping, 1);
    fence_seq_cst(); /* partners: the fences after each push */
    if (work_in_sight(worker)) {
        deadline = -1;
    } else if (anybody_busy(worker)) {
        int64_t look = when_to_look(worker);
        deadline = deadline == 0 || look < deadline ? look : deadline;
    }
    poll_events(worker, deadline);
    if (!__atomic_exchange_n(&worker->sleeping, 0, __ATOMIC_SEQ_CST)) /* woken by another */
        worker->patience_ns = patience_least_ns;
    store_relaxed(&runtime->sentinel, 0); /* until it, or another, sleeps so again */
    __atomic_fetch_sub(&runtime->sleepers, 1, __ATOMIC_RELAXED);
}

/* Bounded by worker->spin rounds, at most SPIN_MOST of some 20 ns. */
static bool spin_for_work(struct worker *worker)
{
    unsigned limit = worker->spin;
    for (unsigned i = 0; i < limit; i++) {
        chengi_host_relax();
        if (work_in_sight(worker)) {
            worker->spin = limit * 2 < SPIN_MOST ? limit * 2 : SPIN_MOST;
            return true;
        }
    }
    worker->spin = limit / 2 + 1;
    return false;
}

/* Whether a loop's root is to go on although tasks are left. */
static bool root_is_due(const struct worker *worker, int64_t now)
{
    return worker->root_waits &&
           (load_relaxed(&worker->told) || (worker->until_ns > 0 && now >= worker->until_ns));
}

/* A worker that is never idle looks at its inbox, its timers and its descriptors all the same: at every PICKS_MOST-th
 * pick, or sooner if its tasks run long. */
static struct cheng_task *look(struct worker *worker)
{
    int64_t now = chengi_host_now(), took = worker->looked_ns == 0 ? look_period_ns : now - worker->looked_ns;
    uint32_t picks = worker->look_every;
    if (took < look_period_ns / 2 && picks < PICKS_MOST)
        worker->look_every = picks * 2;
    else if (took > look_period_ns)
        worker->look_every = (uint32_t)((int64_t)picks * look_period_ns / took) + 1;
    worker->looked_ns = now;
    worker->look_at = worker->tick + worker->look_every;
    chengi_worker_drain_inbox(worker);
    expire_timers(worker);
    if (worker->polls)
        poll_events(worker, -1);
    if (now - worker->discarded_ns > discard_period_ns) {
        worker->discarded_ns = now;
        chengi_stacks_discard();
    }
    if (worker->alone)
        return root_is_due(worker, now) ? worker->root : NULL;
    return fresh_pop(&worker->runtime->injected);
}

/* One that has a policy comes here at each pick. */
static CHENGI_NOINLINE struct cheng_task *look_around(struct worker *worker)
{
    struct ordered *ordered = worker->ordered;
    struct cheng_task *task = NULL;
    if (ordered == NULL)
        return look(worker);
    if (worker->tick - ordered->looked_at >= worker->look_every) {
        ordered->looked_at = worker->tick;
        task = look(worker);
    }
    worker->look_at = worker->tick + 1;
    if (task == NULL)
        chengi_worker_choose(worker);
    return task;
}

/* Nobody can go on: who has waited for that does, or a loop's root. */
static struct cheng_task *when_idle(struct worker *worker)
{
    if (worker->idle == NULL && !worker->root_waits)
        return NULL;
    if (worker->polls) {
        poll_events(worker, -1);
        chengi_worker_choose(worker);
        if (worker->head != NULL)
            return run_queue_pop(worker);
    }
    struct cheng_task *task = worker->idle;
    if (task != NULL) {
        worker->idle = task->next;
        if (worker->idle == NULL)
            worker->idle_end = &worker->idle;
        return task;
    }
    return worker->until_ns == INT64_MIN || root_is_due(worker, chengi_host_now()) ? worker->root : NULL;
}

/* The next task: a started coroutine, one to begin, or the root when the runtime ends. */
static CHENGI_NOINLINE struct cheng_task *pick_with_care(struct worker *worker)
{
    struct cheng_task *task;
    if (unlikely(worker->tick == worker->look_at) && (task = look_around(worker)) != NULL)
        return task;
    for (;;) {
        if (worker->alone) {
            if (likely((task = run_queue_pop(worker)) != NULL))
                return task;
            if (worker->live == 0)
                return worker->root;
        } else {
            /* by turns, so that neither kind starves the other */
            if (worker->tick & 1 && (task = take_fresh(worker)) != NULL)
                return task;
            if (likely((task = run_queue_pop(worker)) != NULL))
                return task;
            if ((task = take_fresh(worker)) != NULL)
                return task;
        }
        if (chengi_worker_drain_inbox(worker) || expire_timers(worker)) {
            chengi_worker_choose(worker);
            continue;
        }
        if (!worker->alone && (task = steal(worker)) != NULL)
            return task;
        if ((task = when_idle(worker)) != NULL)
            return task;
        /* one region at a time: somebody may be woken meanwhile */
        if ((worker->alone || !spin_for_work(worker)) && !chengi_stacks_discard()) {
            sleep_in_poller(worker);
            worker->look_at = worker->tick + (worker->ordered == NULL ? worker->look_every : 1);
            worker->looked_ns = 0;
        }
        chengi_worker_drain_inbox(worker);
        expire_timers(worker);
        chengi_worker_choose(worker);
        if (worker->head != NULL && !worker->alone)
            hand_on(worker);
    }
}

/* The same, where most often the run queue has it. */
static inline struct cheng_task *pick(struct worker *worker)
{
    struct cheng_task *task;
    store_relaxed(&worker->tick, worker->tick + 1); /* the watchdog looks */
    if (likely(worker->tick != worker->look_at && (worker->alone || !(worker->tick & 1))) &&
        (task = run_queue_pop(worker)) != NULL)
        return task;
    return pick_with_care(worker);
}

/* ---- switching ---- */

static void stack_main(void *argument, void *value);

static struct stack *take_stack(struct worker *worker, struct cheng_task *task)
{
    struct stack *stack = worker->hot;
    if (likely(stack != NULL && task->stack_size == CHENGI_STACK_DEFAULT)) {
        worker->hot = stack->next;
        worker->hot_count--;
        return stack;
    }
    return chengi_stack_new(task->stack_size, stack_main);
}

/* A hot stack may be listed while it is still run on: only this worker takes it, after it has switched. */
static void retire_stack(struct worker *worker, struct stack *stack)
{
    if (stack->size == CHENGI_STACK_DEFAULT && worker->hot_count < HOT_STACKS) {
        stack->next = worker->hot;
        worker->hot = stack;
        worker->hot_count++;
    } else {
        worker->retired = stack; /* freed on arrival on the next one */
    }
}

/* What each side of a switch keeps on its own stack. */
struct departure {
    void *fake_stack;
    void *exceptions[2];
};

static inline void depart(struct worker *worker, struct departure *departure, struct sanitize *to)
{
    if (worker->exceptions != NULL) {
        memcpy(departure->exceptions, worker->exceptions, sizeof departure->exceptions);
        memset(worker->exceptions, 0, sizeof departure->exceptions);
    }
    departure->fake_stack = chengi_sanitize_leave(to);
}

static inline void arrive(struct worker *worker, const struct departure *departure)
{
    chengi_sanitize_arrive(departure->fake_stack, &worker->sanitize);
    if (unlikely(worker->retired != NULL)) {
        chengi_stack_free(worker->retired);
        worker->retired = NULL;
    }
    if (worker->exceptions != NULL)
        memcpy(worker->exceptions, departure->exceptions, sizeof departure->exceptions);
}

static struct sanitize *sanitize_of(struct worker *worker, struct stack *stack)
{
    return stack == NULL ? &worker->sanitize : &stack->sanitize;
}

/* Readies the task to be switched to; false: it has no stack and cannot get one. */
static bool board(struct worker *worker, struct cheng_task *task)
{
    if (task->stack == NULL && task != worker->root) {
        struct stack *stack = take_stack(worker, task);
        if (unlikely(stack == NULL))
            return false;
        task->stack = stack;
        store_relaxed(&task->worker, worker);
        task->context = stack->context;
    }
    worker->stack = task->stack;
    chengi_runner_become(task);
    return true;
}

/* A task that finds no stack waits among the fresh ones until somebody ends and leaves one, or another worker has one;
 * after a second it ends with -ENOMEM. Its timer, in no wheel yet, keeps the time. */
static void wait_for_stack(struct worker *worker, struct cheng_task *task)
{
    int64_t now = chengi_host_now();
    if (task->timer.deadline_ns == 0)
        task->timer.deadline_ns = now + no_stack_most_ns;
    if (now > task->timer.deadline_ns) {
        struct cheng_task *self = chengi_runner_self();
        worker->live--;
        chengi_runner_become(worker->root); /* for the incident hook may wait, and `self` does already */
        chengi_task_refuse(task, -ENOMEM);
        chengi_runner_become(self);
        return;
    }
    if (worker->alone)
        run_queue_push(worker, task);
    else
        chengi_worker_offer(worker->runtime, &worker->fresh, task);
    poll_events(worker, now + 1000000);
}

static void switch_away(struct worker *worker, struct cheng_task *self)
{
    struct departure departure = { 0 };
    struct stack *stack = worker->stack;
    int saved_errno = *worker->error;
    struct cheng_task *next = pick(worker);
    worker->streak = 0;
    while (unlikely(!board(worker, next))) {
        wait_for_stack(worker, next);
        next = pick(worker);
    }
    if (next != self) {
        depart(worker, &departure, sanitize_of(worker, next->stack));
        chengi_switch(&self->context, next->context, next);
        arrive(worker, &departure);
    }
    worker->stack = stack;
    *worker->error = saved_errno;
}

void chengi_worker_block(void)
{
    switch_away(chengi_worker, chengi_runner_self());
}

void chengi_worker_yield(void)
{
    struct cheng_task *self = chengi_runner_self();
    run_queue_push(chengi_worker, self);
    switch_away(chengi_worker, self);
}

void chengi_worker_idle(void)
{
    struct worker *worker = chengi_worker;
    struct cheng_task *self = chengi_runner_self();
    self->next = NULL;
    *worker->idle_end = self;
    worker->idle_end = &self->next;
    switch_away(worker, self);
}

bool chengi_worker_look(struct worker *worker)
{
    chengi_worker_drain_inbox(worker);
    expire_timers(worker);
    if (worker->polls)
        poll_events(worker, -1);
    return worker->head != NULL || (worker->ordered != NULL && worker->ordered->count != 0);
}

/* A task that has not begun and wants a stack like the one that has just come free goes on right here. */
static inline bool begin_here(struct worker *worker, struct stack *stack, struct cheng_task *task)
{
    if (task->stack != NULL || task->stack_size != CHENGI_STACK_DEFAULT ||
        stack->size != CHENGI_STACK_DEFAULT)
        return false;
    task->stack = stack;
    store_relaxed(&task->worker, worker);
    chengi_runner_become(task);
    return true;
}

/* The life of a stack: it runs one task after the other. */
static void stack_main(void *argument, void *value)
{
    struct stack *stack = argument;
    struct cheng_task *task = value;
    struct worker *worker = chengi_worker;
    struct departure departure = { 0 };
    arrive(worker, &departure);
    for (;;) {
        chengi_task_run(task);                 /* it may be recycled by now */
        if (unlikely(chengi_worker == NULL)) { /* the child of a fork, whose one task has ended */
            chengi_runner_become(NULL);
            exit(EXIT_SUCCESS);
        }
        worker->live--;
        chengi_runner_become(worker->root);
        while (!begin_here(worker, stack, task = pick(worker))) {
            if (unlikely(!board(worker, task))) {
                wait_for_stack(worker, task);
                continue;
            }
            /* not before: the next that we pick would be given the stack we run on */
            retire_stack(worker, stack);
            depart(worker, &departure, sanitize_of(worker, task->stack));
            task = chengi_switch(&stack->context, task->context, task);
            arrive(worker, &departure);
            break;
        }
    }
}

void chengi_worker_work(struct worker *worker)
{
    switch_away(worker, worker->root);
}

/* ---- beginning ---- */

/* C++'s state of exceptions being handled, per thread; NULL in a program without C++. */
extern void *__cxa_get_globals(void) __attribute__((weak));

int chengi_worker_open(struct worker *worker, struct runtime *runtime, unsigned index, bool alone)
{
    memset(worker, 0, sizeof *worker);
    worker->runtime = runtime;
    worker->alone = alone;
    worker->look_at = worker->look_every = PICKS_FIRST;
    worker->index = index;
    worker->idle_end = &worker->idle;
    worker->spin = chengi_host_spin_limit();
    worker->patience_ns = patience_least_ns;
    chengi_wheel_init(&worker->wheel, chengi_host_now());
    return chengi_host_poller_open(&worker->poller);
}

void chengi_worker_enter(struct worker *worker)
{
    store_relaxed(&worker->root, chengi_runner_self());
    /* so that stack_main, which looks at the size alone, never begins it as a task */
    worker->root->stack_size = 0;
    worker->error = &errno;
    worker->fault_stack = chengi_overflow_enter();
    worker->exceptions = &__cxa_get_globals == NULL ? NULL : __cxa_get_globals();
    chengi_sanitize_thread(&worker->sanitize);
    chengi_worker = worker;
    worker->watched.self = &chengi_self;
    chengi_watchdog_enter(worker);
}

void chengi_worker_leave(struct worker *worker)
{
    chengi_watchdog_leave(worker);
    chengi_worker = NULL;
    chengi_overflow_leave(worker->fault_stack);
}

void chengi_worker_close(struct worker *worker)
{
    while (load_acquire(&worker->visitors) != 0) /* bounded: a system call is before them at the most */
        chengi_host_yield();
    while (worker->hot != NULL) {
        struct stack *stack = worker->hot;
        worker->hot = stack->next;
        chengi_stack_free(stack);
    }
    while (chengi_stacks_discard())
        ;
    chengi_host_poller_close(&worker->poller);
    chengi_descriptors_free(worker->descriptors);
    free(worker->ordered);
}
