/* The public life of tasks. A cheng_task is a runner (run/runner.h); its `life` is explained there. */
#include <cheng/task.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "base/incident.h"
#include "host/host.h"
#include "host/sanitize.h"
#include "park/graph.h"
#include "park/lot.h"
#include "park/park.h"
#include "park/timeout.h"
#include "queue/ring.h"
#include "run/runner.h"
#include "run/runtime.h"
#include "run/upcalls.h"
#include "run/watchdog.h"
#include "run/worker.h"
#include "task/coroutine.h"
#include "task/link.h"
#include "task/local.h"
#include "task/offload.h"
#include "task/start.h"
#include "task/timer.h"

enum {
    RESULT_MOST = 64 << 10,
    RESULT_AT = 16 /* in the slot, behind a small argument; aligned for any type */
};

/* ---- the end ---- */

static void release_bytes(struct cheng_task *task)
{
    if (task->argument_size != 0 && task->argument != task->bytes)
        free((void *)(uintptr_t)task->argument);
    if (task->result != NULL && task->result != task->bytes && task->result != task->bytes + RESULT_AT)
        free(task->result);
}

/* Who was told to end, and did, has not failed. */
static bool failed(const struct cheng_task *task)
{
    return task->status < 0 && !(task->status == -ECANCELED && load_relaxed(&task->cancelled));
}

static void reclaim(struct cheng_task *task)
{
    if (failed(task) && !(load_relaxed(&task->life) & CHENGI_JOINED)) {
        char text[160];
        snprintf(text, sizeof text, "%s failed and nobody joined it: %s (%d)\n", chengi_runner_name(task),
                 cheng_strerror(task->status), task->status);
        chengi_incident(CHENG_FAILURE, task->status, task, text);
    }
    release_bytes(task);
    chengi_runner_recycle(task);
}

/* Coroutines may set locals on their way out, and destructors of locals make coroutines. */
static void leave(struct cheng_task *task)
{
    while (task->leaves & (CHENGI_LEAVES_COROUTINES | CHENGI_LEAVES_LOCALS)) {
        if (task->leaves & CHENGI_LEAVES_COROUTINES)
            chengi_coroutines_end(task);
        if (task->leaves & CHENGI_LEAVES_LOCALS)
            chengi_locals_end(task);
    }
}

/* What a task still does before it says that it has ended; its words become stale. Returns the one it had. */
static uint32_t wind_up(struct cheng_task *task)
{
    if (unlikely(load_relaxed(&task->life) & CHENGI_LINKED))
        chengi_links_call(task);
    if (unlikely(task->leaves != 0))
        leave(task);
    uint32_t word = task->self.word;
    chengi_runner_retire(task);
    return word;
}

/* The last act of a task, by itself: joiners are told; then it is the handle's, or nobody's. */
static void end(struct cheng_task *task)
{
    uint32_t word = wind_up(task), before = load_relaxed(&task->life);
    /* release: joiners see all that the task did; acquire: and we what the handle's owner did */
    while (unlikely(before & CHENGI_LINKED) || !cas_acq_rel(&task->life, &before, before | CHENGI_ENDED)) {
        if (!(before & CHENGI_LINKED))
            continue;
        if (before & CHENGI_WANTED) /* somebody has linked since we looked: what they call may take locks */
            chengi_lot_wake_orphans(word);
        word = wind_up(task);
        before = load_relaxed(&task->life);
    }
    if (unlikely(before & CHENGI_WANTED)) /* partner: tell in sync/lock.c */
        chengi_lot_wake_orphans(word);
    if (before & CHENGI_JOINERS) /* the slot may be another's by now: it is only an address here */
        chengi_unpark(&task->life, UINT32_MAX);
    if (before & CHENGI_DROPPED)
        reclaim(task);
}

static struct {
    cheng_task_hook *start, *end;
    uint32_t used; /* set once: a task in a program without hooks looks at nothing else */
} hooks;

/* acq_rel: what the program did before it set the hook is seen by its calls */
static cheng_task_hook *replace(cheng_task_hook **hook, cheng_task_hook *by)
{
    cheng_task_hook *former = __atomic_exchange_n(hook, by, __ATOMIC_ACQ_REL);
    store_relaxed(&hooks.used, 1); /* stale is harmless: the task may as well have begun before */
    return former;
}

cheng_task_hook *cheng_set_start_hook(cheng_task_hook *hook)
{
    return replace(&hooks.start, hook);
}

cheng_task_hook *cheng_set_end_hook(cheng_task_hook *hook)
{
    return replace(&hooks.end, hook);
}

static void call(cheng_task_hook **hook)
{
    cheng_task_hook *set = load_acquire(hook);
    if (set != NULL)
        set();
}

/* A task that was cancelled before never runs its function. Acquire: what was done before the cancel is seen. */
static inline int status_of(struct cheng_task *task)
{
    return unlikely(load_acquire(&task->cancelled)) ? -ECANCELED
                                                    : task->function(task->argument, task->result);
}

static CHENGI_NOINLINE void perform_with_hooks(struct cheng_task *task)
{
    call(&hooks.start);
    task->status = status_of(task);
    call(&hooks.end);
}

static inline void perform(struct cheng_task *task)
{
    if (unlikely(load_relaxed(&hooks.used)))
        perform_with_hooks(task);
    else
        task->status = status_of(task);
}

void chengi_task_run(struct cheng_task *task)
{
    CHENGI_SANITIZE_NAME(chengi_runner_name(task));
    perform(task);
    end(task);
    CHENGI_SANITIZE_NAME("");
}

void chengi_task_refuse(struct cheng_task *task, int error)
{
    task->status = error;
    end(task);
}

static void *thread_main(void *argument)
{
    struct cheng_task *task = argument;
    bool watched = chengi_runner_enter_thread(task) == 0;
    char name[CHENG_NAME_SIZE];
    store_relaxed(&task->thread_id, chengi_host_thread_id());
    chengi_runner_copy_name(task, name);
    chengi_host_set_thread_name(name);
    perform(task);
    if (!watched) /* no memory for a thread-specific value */
        chengi_task_thread_ended(task);
    return NULL; /* else chengi_task_thread_ended comes after the destructors of thread_locals: a join waits for them too */
}

void chengi_task_thread_ended(struct cheng_task *task)
{
    chengi_runner_become(task); /* a destructor that runs later adopts the thread anew */
    end(task);
    chengi_runner_become(NULL);
}

void chengi_task_in_child(void)
{
    chengi_stack_after_fork();
    chengi_park_after_fork();
    chengi_watchdog_after_fork();
    chengi_runtime_after_fork();
    chengi_offload_after_fork();
    chengi_locals_after_fork();
    chengi_timers_after_fork();
    chengi_rings_after_fork();
}

/* ---- the beginning ---- */

/* Where argument and result lie: in the slot if both are small. */
static int make_room(struct cheng_task *task, const void *arg, size_t arg_size, size_t result_size)
{
    if (arg_size == 0 && result_size == 0) {
        task->argument = arg;
        task->result = NULL;
        task->argument_size = task->result_size = 0;
        return 0;
    }
    bool fits = arg_size <= (result_size == 0 ? CHENGI_INLINE_BYTES : RESULT_AT);
    void *argument = fits ? task->bytes : malloc(arg_size);
    void *result = NULL;
    if (result_size != 0) {
        bool alone = arg_size == 0 && result_size <= CHENGI_INLINE_BYTES;
        bool beside = fits && result_size <= CHENGI_INLINE_BYTES - RESULT_AT;
        result = alone ? task->bytes : beside ? task->bytes + RESULT_AT : malloc(result_size);
        if (result != NULL)
            memset(result, 0, result_size);
    }
    task->argument = arg_size == 0 ? arg : argument;
    task->argument_size = (uint32_t)arg_size;
    task->result = result;
    task->result_size = (uint32_t)result_size;
    if (argument == NULL || (result_size != 0 && result == NULL))
        return -ENOMEM;
    if (arg_size != 0)
        memcpy(argument, arg, arg_size);
    return 0;
}

static const cheng_task_options no_options;

static bool fit(enum cheng_kind kind, const cheng_task_options *options)
{
    if (options->result_size > RESULT_MOST)
        return false;
    if (options->stack_size != 0 &&
        (options->stack_size < CHENGI_STACK_LEAST || options->stack_size > CHENGI_STACK_MOST))
        return false;
    if (options->loop != NULL && kind != CHENG_COROUTINE)
        return false;
    if (options->cpus == NULL)
        return options->cpu_count == 0;
    return options->cpu_count != 0 && kind == CHENG_THREAD;
}

static int check(enum cheng_kind kind, cheng_fn *function, const void *arg, size_t arg_size,
                 const cheng_task_options *options)
{
    int rc = chengi_start_check(kind, function, arg, arg_size);
    return rc < 0 || options == &no_options || fit(kind, options) ? rc : -EINVAL;
}

/* Of a task that cannot be started. Who has walked the table may wait for its end already: exit. */
static void unmake(struct cheng_task *task)
{
    if (__atomic_exchange_n(&task->life, 0, __ATOMIC_ACQ_REL) & CHENGI_JOINERS)
        chengi_unpark(&task->life, UINT32_MAX);
    release_bytes(task);
    chengi_runner_recycle(task);
}

static int make(struct cheng_task **out, enum cheng_kind kind, cheng_fn *function, const void *arg,
                size_t arg_size, const cheng_task_options *options)
{
    int rc = check(kind, function, arg, arg_size, options);
    if (rc < 0)
        return rc;
    struct cheng_task *task = chengi_runner_new(kind, false);
    if (task == NULL)
        return -ENOMEM;
    task->function = function;
    task->stack_size = (uint32_t)options->stack_size;
    if (kind == CHENG_COROUTINE && task->stack_size == 0)
        task->stack_size = CHENGI_STACK_DEFAULT;
    if (unlikely(options->rank != 0)) {
        task->rank = options->rank;
        task->leaves = CHENGI_LEAVES_RANK;
    }
    if (unlikely(options->name != NULL))
        chengi_runner_give_name(task, options->name);
    rc = make_room(task, arg, arg_size, options->result_size);
    if (rc < 0) {
        unmake(task);
        return rc;
    }
    *out = task;
    return 0;
}

static int start_thread(struct cheng_task *task, const cheng_task_options *options)
{
    store_relaxed(&task->thread_id, 0);
    return options->cpus == NULL
               ? chengi_host_start(thread_main, task, task->stack_size)
               : chengi_host_start_on(options->cpus, options->cpu_count, thread_main, task, task->stack_size);
}

/* Whether it will run in a loop: it is started in one, or by a coroutine that runs in one. */
static inline uint32_t of_loop(enum cheng_kind kind, const cheng_task_options *options)
{
    const struct cheng_task *self = (const struct cheng_task *)(const void *)chengi_self;
    if (kind != CHENG_COROUTINE)
        return 0;
    if (options->loop != NULL)
        return CHENGI_OF_LOOP;
    return self == NULL ? 0 : load_relaxed(&self->life) & CHENGI_OF_LOOP; /* set at its start, for good */
}

int cheng_start(cheng_task **out, enum cheng_kind kind, cheng_fn *function, const void *arg, size_t arg_size,
                const cheng_task_options *options)
{
    struct cheng_task *task;
    if (options == NULL)
        options = &no_options;
    int rc = make(&task, kind, function, arg, arg_size, options);
    if (rc < 0)
        return rc;
    /* release: who walks the table finds a task that is complete */
    store_release(&task->life, (uint32_t)kind << CHENGI_KIND_SHIFT | (out == NULL ? CHENGI_DROPPED : 0) |
                                   (options->daemon ? CHENGI_DAEMON : 0) | of_loop(kind, options));
    rc = kind == CHENG_COROUTINE ? chengi_runtime_start(task, options->loop) : start_thread(task, options);
    if (rc < 0) {
        unmake(task);
    } else if (out != NULL) {
        *out = task;
    }
    return rc;
}

int cheng_run(int *status, cheng_fn *function, const void *arg, size_t arg_size)
{
    struct cheng_task *task;
    int rc = make(&task, CHENG_COROUTINE, function, arg, arg_size, &no_options);
    if (rc < 0)
        return rc;
    store_release(&task->life, CHENG_COROUTINE << CHENGI_KIND_SHIFT); /* as in cheng_start */
    rc = chengi_runtime_run(task);
    if (rc < 0) {
        unmake(task);
        return rc;
    }
    if (status != NULL)
        *status = task->status;
    __atomic_fetch_or(&task->life, CHENGI_JOINED, __ATOMIC_RELAXED); /* the caller has the status */
    cheng_task_free(task);
    return 0;
}

/* ---- the handle ---- */

/* A handle that was freed: this shows as long as no other task has the slot. */
static CHENGI_NOINLINE void tell_misuse(struct cheng_task *task, const char *call)
{
    char text[80];
    snprintf(text, sizeof text, "%s: the task's handle was freed before\n", call);
    chengi_incident(CHENG_MISUSE, -EINVAL, task, text);
}

void cheng_task_free(cheng_task *task)
{
    if (task == NULL)
        return;
    /* acquire: partner is the release in end; it needs no read-modify-write when the task has ended */
    uint32_t life = load_acquire(&task->life);
    if (!(life & CHENGI_ENDED) && !chengi_runner_free(life))
        life = __atomic_fetch_or(&task->life, CHENGI_DROPPED, __ATOMIC_ACQ_REL);
    if (unlikely((life & CHENGI_DROPPED) || chengi_runner_free(life)))
        tell_misuse(task, "cheng_task_free");
    else if (life & CHENGI_ENDED)
        reclaim(task);
}

/* ---- joining ---- */

static int wait_for_end(struct cheng_task *task, cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_JOIN, task, NULL };
    int rc = 0;
    uint32_t life;
    /* acquire: partner is the release in end */
    while (rc == 0 && !((life = load_acquire(&task->life)) & CHENGI_ENDED)) {
        if (chengi_runner_free(life))
            return -EINVAL;
        if (chengi_is_now(deadline))
            return -EAGAIN;
        if (task == chengi_runner_self()) {
            chengi_graph_report_self(task, &why, NULL);
            return -EDEADLK;
        }
        if ((life & CHENGI_JOINERS) || cas_relaxed(&task->life, &life, life | CHENGI_JOINERS))
            rc = chengi_park(&task->life, life | CHENGI_JOINERS, deadline.at_ns, &why, 0);
    }
    return rc;
}

int cheng_join_until(cheng_task *task, int *status, cheng_deadline deadline)
{
    int rc = wait_for_end(task, deadline);
    if (rc < 0)
        return rc;
    if (task->status < 0) /* relaxed: read again by whoever frees the handle, after us */
        __atomic_fetch_or(&task->life, CHENGI_JOINED, __ATOMIC_RELAXED);
    if (status != NULL)
        *status = task->status;
    return 0;
}

int cheng_join(cheng_task *task, int *status)
{
    return cheng_join_until(task, status, CHENG_FOREVER);
}

int cheng_join_all_until(cheng_task *const *tasks, size_t count, cheng_deadline deadline)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (tasks[i] != NULL)
            rc = wait_for_end(tasks[i], deadline);
    return rc;
}

int cheng_join_all(cheng_task *const *tasks, size_t count)
{
    return cheng_join_all_until(tasks, count, CHENG_FOREVER);
}

int cheng_task_result(cheng_task *task, void *out, size_t size)
{
    if (!(load_acquire(&task->life) & CHENGI_ENDED) && task != chengi_runner_self())
        return -EBUSY;
    if (task->result_size == 0)
        return -ENODATA;
    if (size > task->result_size)
        return -EINVAL;
    memcpy(out, task->result, size);
    return 0;
}

/* ---- cancelling ---- */

void cheng_cancel(cheng_task *task)
{
    if (unlikely(chengi_runner_free(load_relaxed(&task->life))))
        tell_misuse(task, "cheng_cancel"); /* or it would end the slot's next task */
    else
        chengi_park_cancel(task);
}

void cheng_cancel_all(cheng_task *const *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tasks[i] != NULL)
            cheng_cancel(tasks[i]);
}

void cheng_shield(bool on)
{
    struct cheng_task *self = chengi_runner_self();
    if (on)
        self->shields++;
    else if (self->shields > 0)
        self->shields--;
}

bool cheng_cancelled(void)
{
    struct cheng_task *self = chengi_runner_self();
    return self->shields == 0 && (load_acquire(&self->cancelled) || chengi_timeout_passed(self));
}

/* ---- time ---- */

void cheng_yield(void)
{
    if (chengi_runner_self()->worker != NULL)
        chengi_worker_yield();
    else
        chengi_host_yield();
}

int cheng_sleep_until(cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_SLEEP, NULL, NULL };
    if (chengi_is_now(deadline)) {
        cheng_yield();
        return 0;
    }
    int rc = chengi_park_sleep(deadline.at_ns, &why);
    if (rc == -EAGAIN) { /* who is late each time must not keep its worker for itself, nor outlive a cancel */
        cheng_yield();
        return cheng_cancelled() ? -ECANCELED : 0;
    }
    return rc == -ETIMEDOUT ? 0 : rc;
}

int cheng_sleep(cheng_duration duration)
{
    return cheng_sleep_until(duration <= 0 ? CHENG_NOW : cheng_after(duration));
}
