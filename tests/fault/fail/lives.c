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

SCENARIO(timer, ENOMEM, EAGAIN)
{
    cheng_timer *timer = NULL;
    int rc = cheng_timer_new(&timer, CHENG_THREAD, run, "run", 4, NULL);
    if (rc < 0)
        return expect(timer == NULL), rc;
    rc = cheng_timer_start(timer, CHENG_NOW);
    if (rc == 0)
        rc = cheng_semaphore_acquire(&ran);
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
