/* Scenarios: what tasks have beyond their start and join: CPUs, locals, timers, starting later, the scheduler. */
#include <cheng.h>

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "scenario.h"

static int nothing(const void *arg, void *result)
{
    (void)arg, (void)result;
    return 0;
}

static int first_cpu(unsigned *out)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return -errno;
    for (*out = 0; !CPU_ISSET(*out, &set); ++*out)
        ;
    return 0;
}

SCENARIO(thread_cpus, ENOMEM, EAGAIN, EINVAL)
{
    unsigned cpu;
    cheng_task *task = NULL;
    int rc = first_cpu(&cpu);
    if (rc == 0)
        rc = cheng_start(&task, CHENG_THREAD, nothing, NULL, 0,
                         &(cheng_task_options){ .cpus = &cpu, .cpu_count = 1 });
    if (rc < 0)
        return expect(task == NULL), rc;
    rc = cheng_join(task, NULL);
    cheng_task_free(task);
    return rc;
}

static int start_one(const void *arg, void *result)
{
    cheng_task *task = NULL;
    (void)result;
    enum cheng_kind kind = *(const int *)arg == CHENG_THREAD ? CHENG_THREAD : CHENG_COROUTINE;
    int status = 0, rc = cheng_start(&task, kind, nothing, NULL, 0, NULL);
    if (rc < 0)
        return expect(task == NULL), rc;
    rc = cheng_join(task, &status);
    cheng_task_free(task);
    return rc < 0 ? rc : status;
}

/* A thread that is started by a coroutine, whose worker holds the signals; workers that are started by a bound thread. */
static int start_and_let_start(enum cheng_kind kind, const cheng_task_options *options)
{
    cheng_task *task = NULL;
    int other = CHENG_THREAD + CHENG_COROUTINE - (int)kind, status = 0;
    int rc = cheng_start(&task, kind, start_one, &other, sizeof other, options);
    if (rc < 0)
        return expect(task == NULL), rc;
    rc = cheng_join(task, &status);
    cheng_task_free(task);
    return rc < 0 ? rc : status;
}

SCENARIO(thread_of_a_coroutine, ENOMEM, EAGAIN, EMFILE, ENFILE, ENOSPC)
{
    return start_and_let_start(CHENG_COROUTINE, NULL);
}

SCENARIO(workers_of_a_bound_thread, ENOMEM, EAGAIN, EINVAL, EMFILE, ENFILE, ENOSPC)
{
    unsigned cpu;
    int rc = first_cpu(&cpu);
    return rc < 0 ? rc
                  : start_and_let_start(CHENG_THREAD, &(cheng_task_options){ .cpus = &cpu, .cpu_count = 1 });
}

SCENARIO(signal_prepare, ENOMEM, EAGAIN)
{
    return cheng_signal_prepare();
}

static cheng_event told;

static void tell(const cheng_incident *incident)
{
    if (incident->kind == CHENG_ASLEEP)
        cheng_event_set(&told);
}

/* A look that fails is silent; the next one tells. */
SCENARIO(everything_sleeps, ENOMEM, EAGAIN)
{
    cheng_incident_hook *former = cheng_set_incident_hook(tell);
    cheng_event_clear(&told);
    int rc = cheng_watch(2 * CHENG_MILLISECOND);
    if (rc == 0)
        rc = cheng_event_wait(&told);
    expect(cheng_watch(0) == 0);
    cheng_set_incident_hook(former);
    return rc;
}

SCENARIO(later, ENOMEM, EAGAIN)
{
    cheng_task *task = NULL;
    int status = 0,
        rc = cheng_start_later(&task, CHENG_THREAD, cheng_after(CHENG_MILLISECOND), nothing, "x", 2, NULL);
    if (rc < 0)
        return expect(task == NULL), rc;
    rc = cheng_join(task, &status);
    cheng_task_free(task);
    return rc < 0 ? rc : status;
}

static cheng_local locals[8];
static int destroyed;

static void destroy(void *value)
{
    destroyed += *(int *)value;
}

static int set_locals(const void *arg, void *result)
{
    static int one = 1;
    (void)arg, (void)result;
    for (int i = 0; i < 8; i++) {
        int rc = cheng_local_set(&locals[i], &one);
        if (rc < 0)
            return rc;
        expect(cheng_local_get(&locals[i]) == &one);
    }
    return 0;
}

SCENARIO(local, ENOMEM, EAGAIN)
{
    cheng_task *task = NULL;
    int status = 0;
    destroyed = 0;
    for (int i = 0; i < 8; i++)
        locals[i].destroy = destroy;
    int rc = cheng_start(&task, CHENG_THREAD, set_locals, NULL, 0, NULL);
    if (rc < 0)
        return rc;
    rc = cheng_join(task, &status);
    cheng_task_free(task);
    expect(status < 0 ? destroyed < 8 : destroyed == 8);
    return rc < 0 ? rc : status;
}

static cheng_semaphore ran;

static int run(const void *arg, void *result)
{
    (void)result;
    expect(strcmp(arg, "run") == 0);
    return cheng_semaphore_release(&ran, 1);
}

/* A run that cannot be started is tried again until it can, which is never if the failure lasts. */
SCENARIO(timer, ENOMEM, EAGAIN, ETIMEDOUT)
{
    cheng_timer *timer = NULL;
    int rc = cheng_timer_new(&timer, CHENG_THREAD, run, "run", 4, NULL);
    if (rc < 0)
        return expect(timer == NULL), rc;
    rc = cheng_timer_start(timer, CHENG_NOW);
    if (rc == 0)
        rc = cheng_semaphore_acquire_until(&ran, cheng_after(CHENG_SECOND));
    cheng_timer_free(timer);
    return rc;
}

SCENARIO(sched, ENOMEM)
{
    cheng_sched *sched = NULL;
    int rc = cheng_sched_new(&sched);
    for (int i = 0; i < 40 && rc == 0; i++)
        rc = cheng_sched_enter(sched, CHENG_NOW, i, nothing, &i, sizeof i, NULL);
    if (rc == 0)
        rc = cheng_sched_run(sched);
    cheng_sched_free(sched);
    return rc;
}
