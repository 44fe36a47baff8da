/* Timers of the public API. A thread of the library has them in a wheel and starts the runs; all is under one latch,
 * which is held for some dozens of instructions.
 *
 *   set      a run is to come: at `when_ns`
 *   queued   (chengi_timer_is_set) it lies in the wheel, for its deadline there or, if that has been put off since, for
 *            nothing: the thread looks at `when_ns` then. So cancelling, and starting again for later, which is what
 *            happens to time-outs, leave the wheel alone
 *   active   a task has been started for a run, and has not ended. It is not queued then: the task's link does it
 *   freed    by its owner, while active: the task's link frees the memory */
#include <cheng/link.h>
#include <cheng/timer.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "host/host.h"
#include "host/latch.h"
#include "park/park.h"
#include "run/runner.h"
#include "run/wheel.h"
#include "task/start.h"
#include "task/timer.h"

static const int64_t retry_ns = 1000000;

struct cheng_timer {
    struct timer timer;
    int64_t when_ns;
    cheng_duration period;
    uint32_t forks; /* chengi_forks, for which the flags are true */
    bool set, active, freed, daemon;
    const struct cheng_task *runs; /* the function; NULL: none, or it has not begun */
    cheng_link end;                /* of the run */
    cheng_fn *function;
    const void *argument;
    enum cheng_kind kind;
    char name[CHENG_NAME_SIZE];
    _Alignas(16) unsigned char bytes[];
};

static struct {
    struct latch latch;
    bool runs;
    uint32_t news;     /* the thread parks on it */
    int64_t sleeps_ns; /* until when the thread sleeps: whatever comes before that wakes it. 0: it is awake */
    struct wheel wheel;
    const struct cheng_task *survivor; /* of the fork that made this process */
} timers;

/* What the parent of this process has done with it does not count. */
static void acquire(struct cheng_timer *timer)
{
    chengi_latch_acquire(&timers.latch);
    if (unlikely(timer->forks != chengi_forks)) {
        timer->forks = chengi_forks;
        timer->set = false;
        timer->active = timer->active && timer->runs != NULL && timer->runs == timers.survivor;
        timer->timer.link.next = NULL;
    }
}

/* True: the thread must be woken, with the latch released. */
static bool queue(struct cheng_timer *timer, int64_t at_ns)
{
    if (chengi_timer_is_set(&timer->timer)) {
        if (timer->timer.deadline_ns <= at_ns)
            return false;
        chengi_wheel_cancel(&timers.wheel, &timer->timer);
    }
    chengi_wheel_set(&timers.wheel, &timer->timer, at_ns);
    if (at_ns >= timers.sleeps_ns)
        return false;
    timers.sleeps_ns = 0;
    store_relaxed(&timers.news, timers.news + 1);
    return true;
}

static void release(bool wake)
{
    chengi_latch_release(&timers.latch);
    if (wake)
        chengi_unpark(&timers.news, 1);
}

/* ---- runs ---- */

/* Puts it off by some periods; to the end of time if that is where they lead. */
static void put_off(struct cheng_timer *timer, int64_t periods)
{
    int64_t by;
    if (__builtin_mul_overflow(periods, timer->period, &by) ||
        __builtin_add_overflow(timer->when_ns, by, &timer->when_ns))
        timer->when_ns = INT64_MAX;
}

/* False: it was cancelled, or put off, after its task had been started. */
static bool begin(struct cheng_timer *timer)
{
    int64_t now = chengi_host_now();
    acquire(timer);
    bool due = timer->set && timer->when_ns <= now;
    if (due && timer->period != 0)
        put_off(timer, 1);
    else if (due)
        timer->set = false;
    release(false);
    return due;
}

static int run(const void *argument, void *result)
{
    struct cheng_timer *timer = *(struct cheng_timer *const *)argument;
    timer->runs = chengi_runner_self(); /* read by its end, the same task; and by a child that it forks */
    return begin(timer) ? timer->function(timer->argument, result) : 0;
}

/* Also of a task that never ran: cancelled before it began, which counts as a run, or left without a stack. */
void chengi_timer_run_ended(cheng_task *task, int status, void *context)
{
    struct cheng_timer *timer = context;
    int64_t now = chengi_host_now();
    bool began = timer->runs != NULL || (status == -ECANCELED && begin(timer)), wake = false;
    (void)task;
    timer->runs = NULL;
    acquire(timer);
    if (timer->freed) {
        release(false);
        free(timer);
        return;
    }
    timer->active = false;
    if (timer->set) {
        if (began && timer->period != 0 && timer->when_ns <= now) /* leaves out what has passed */
            put_off(timer, (now - timer->when_ns) / timer->period + 1);
        wake = queue(timer, began || timer->when_ns > now ? timer->when_ns : now + retry_ns);
    }
    release(wake);
}

/* ---- the thread ---- */

/* With the latch, which is released meanwhile. */
static void fire(struct cheng_timer *timer)
{
    if (!timer->set)
        return;
    if (timer->when_ns > timer->timer.deadline_ns) {
        queue(timer, timer->when_ns);
        return;
    }
    timer->active = true;
    chengi_latch_release(&timers.latch);
    const cheng_task_options options = { .name = timer->name[0] == '\0' ? NULL : timer->name,
                                         .daemon = timer->daemon };
    cheng_task *task;
    int rc = cheng_start(&task, timer->kind, run, &timer, sizeof timer, &options);
    if (rc == 0) {
        cheng_task_link(task, &timer->end);
        cheng_task_free(task);
    }
    bool gone = false;
    chengi_latch_acquire(&timers.latch);
    if (rc < 0) {
        timer->active = false;
        gone = timer->freed;
        if (!gone)
            queue(timer, chengi_host_now() + retry_ns);
    }
    if (gone)
        free(timer);
}

static int timer_main(const void *unused, void *unused_too)
{
    const struct why why = { CHENGI_WAIT_SLEEP, &timers, NULL };
    (void)unused, (void)unused_too;
    chengi_host_enter_own_thread("cheng-timer");
    chengi_latch_acquire(&timers.latch);
    while (timers.runs) { /* for ever */
        int64_t now = chengi_host_now();
        struct timer *due;
        while ((due = chengi_wheel_expire(&timers.wheel, now)) != NULL)
            fire(CHENGI_CONTAINER(due, struct cheng_timer, timer));
        int64_t next = chengi_wheel_next(&timers.wheel);
        uint32_t news = timers.news;
        timers.sleeps_ns = next == 0 ? INT64_MAX : next;
        chengi_latch_release(&timers.latch);
        chengi_park(&timers.news, news, next, &why, 0);
        chengi_latch_acquire(&timers.latch);
        timers.sleeps_ns = 0;
    }
    chengi_latch_release(&timers.latch);
    return 0;
}

/* With the latch. */
static int set_up(void)
{
    chengi_wheel_init(&timers.wheel, chengi_host_now());
    timers.sleeps_ns = 0;
    int rc = chengi_runner_start_thread(timer_main, NULL);
    timers.runs = rc == 0;
    return rc;
}

/* ---- the owner's side ---- */

int cheng_timer_new(cheng_timer **out, enum cheng_kind kind, cheng_fn *function, const void *arg,
                    size_t arg_size, const cheng_timer_options *options)
{
    static const cheng_timer_options none;
    if (options == NULL)
        options = &none;
    int rc = chengi_start_check(kind, function, arg, arg_size);
    if (rc < 0 || options->period < 0)
        return rc < 0 ? rc : -EINVAL;
    struct cheng_timer *timer = malloc(sizeof *timer + arg_size);
    if (timer == NULL)
        return -ENOMEM;
    *timer = (struct cheng_timer){ .kind = kind,
                                   .function = function,
                                   .argument = arg_size == 0 ? arg : timer->bytes,
                                   .period = options->period,
                                   .daemon = options->daemon,
                                   .end = { .call = chengi_timer_run_ended, .context = timer },
                                   .forks = chengi_forks };
    if (arg_size != 0)
        memcpy(timer->bytes, arg, arg_size);
    if (options->name != NULL)
        snprintf(timer->name, sizeof timer->name, "%s", options->name);
    *out = timer;
    return 0;
}

int cheng_timer_start(cheng_timer *timer, cheng_deadline when)
{
    int rc = 0;
    bool wake = false;
    if (when.at_ns == 0)
        return -EINVAL;
    acquire(timer);
    if (unlikely(!timers.runs))
        rc = set_up();
    if (rc == 0) {
        timer->set = true;
        timer->when_ns = when.at_ns < 1 ? 1 : when.at_ns;
        wake = !timer->active && queue(timer, timer->when_ns);
    }
    release(wake);
    return rc;
}

bool cheng_timer_cancel(cheng_timer *timer)
{
    acquire(timer);
    bool was_set = timer->set;
    timer->set = false;
    release(false);
    return was_set;
}

bool cheng_timer_is_set(cheng_timer *timer)
{
    acquire(timer);
    bool set = timer->set;
    release(false);
    return set;
}

void cheng_timer_free(cheng_timer *timer)
{
    if (timer == NULL)
        return;
    acquire(timer);
    timer->set = false;
    timer->freed = true;
    if (chengi_timer_is_set(&timer->timer))
        chengi_wheel_cancel(&timers.wheel, &timer->timer);
    bool active = timer->active; /* its task frees it then */
    release(false);
    if (!active)
        free(timer);
}

bool chengi_timers_are_set(void)
{
    chengi_latch_acquire(&timers.latch);
    bool set = timers.runs && chengi_wheel_next(&timers.wheel) != 0;
    chengi_latch_release(&timers.latch);
    return set;
}

void chengi_timers_after_fork(void)
{
    timers.latch = (struct latch){ 0 };
    timers.runs = false;
    timers.survivor = (const struct cheng_task *)(const void *)chengi_self; /* NULL: it has no record yet */
}
