/* What a thread inherits, and what not: CPUs, signals. */
#include "unit/actors.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static cheng_event go;

static int report_cpus(const void *argument, void *result)
{
    (void)argument;
    *(cpu_set_t *)result = (cpu_set_t){ 0 };
    return sched_getaffinity(0, sizeof(cpu_set_t), result);
}

TEST(cpus) // noqemu: the emulator does as it likes
{
    cpu_set_t mine, its;
    assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mine))
            continue;
        cheng_task *task;
        cheng_task_options options = { .result_size = sizeof its, .cpus = &cpu, .cpu_count = 1 };
        int status;
        assert_int_equal(cheng_start(&task, CHENG_THREAD, report_cpus, NULL, 0, &options), 0);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 0);
        assert_int_equal(cheng_task_result(task, &its, sizeof its), 0);
        assert_int_equal(CPU_COUNT(&its), 1);
        assert_true(CPU_ISSET(cpu, &its));
        cheng_task_free(task);
    }
    assert_int_equal(sched_getaffinity(0, sizeof its, &its), 0);
    assert_memory_equal(&mine, &its, sizeof mine); /* the starter's are as they were */
}

static int start_a_coroutine(const void *argument, void *result)
{
    cheng_task *task;
    int status = -1, rc = cheng_start(&task, CHENG_COROUTINE, report_cpus, argument, 0,
                                      &(cheng_task_options){ .result_size = sizeof(cpu_set_t) });
    if (rc < 0 || cheng_join(task, &status) < 0 || status < 0)
        return -EIO;
    rc = cheng_task_result(task, result, sizeof(cpu_set_t));
    cheng_task_free(task);
    return rc;
}

/* The first that starts a coroutine, and so the workers, is bound: they are not. */
TEST(workers_are_not_bound) // noqemu: the emulator does as it likes
{
    cpu_set_t mine, its;
    unsigned cpu = 0;
    cheng_task *task;
    int status;
    cheng_task_options options = { .result_size = sizeof its, .cpus = &cpu, .cpu_count = 1 };
    assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
    if (CPU_COUNT(&mine) < 2)
        test_skip("needs two CPUs");
    while (!CPU_ISSET(cpu, &mine))
        cpu++;
    assert_int_equal(cheng_start(&task, CHENG_THREAD, start_a_coroutine, NULL, 0, &options), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, 0);
    assert_int_equal(cheng_task_result(task, &its, sizeof its), 0);
    assert_memory_equal(&mine, &its, sizeof mine);
    cheng_task_free(task);
}

static int look_at_signals(const void *argument, void *result)
{
    sigset_t held;
    (void)result;
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &held), 0);
    int rc = sigismember(&held, SIGTERM) || !sigismember(&held, SIGUSR2);
    if (argument != NULL)
        cheng_event_set((cheng_event *)(uintptr_t)argument);
    return rc ? -EIO : 0;
}

static int start_a_thread(const void *argument, void *result)
{
    cheng_task *task;
    int status = -1;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(&task, CHENG_THREAD, look_at_signals, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    cheng_task_free(task);
    return status;
}

static atomic_uint failed;

static void count_failed(const cheng_incident *incident)
{
    (void)incident;
    failed++;
}

/* Whoever starts a thread, it takes the signals that the program takes, and holds those that the program holds. */
TEST(threads_take_signals)
{
    sigset_t held_by_us;
    cheng_timer *timer;
    cheng_task *task;
    int status = -1;
    sigemptyset(&held_by_us);
    sigaddset(&held_by_us, SIGUSR2);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &held_by_us, NULL), 0);
    cheng_set_incident_hook(count_failed);
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, start_a_thread, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, 0);
    cheng_task_free(task);
    assert_int_equal(cheng_timer_new(&timer, CHENG_THREAD, look_at_signals, &go, 0, NULL), 0);
    assert_int_equal(cheng_timer_start(timer, CHENG_NOW), 0);
    cheng_event_wait(&go);
    while (cheng_enumerate(NULL, 0) > 1) /* it has ended, and told if it failed */
        cheng_yield();
    assert_int_equal(failed, 0);
    cheng_timer_free(timer);
}

TEST(cpus_that_are_not_there)
{
    static const unsigned far[] = { CPU_SETSIZE - 1 }, too_far[] = { 0, CPU_SETSIZE };
    cheng_task *task = NULL;
    const cheng_task_options none = { .cpus = far }, nowhere = { .cpu_count = 1 },
                             one = { .cpus = (const unsigned[]){ 0 }, .cpu_count = 1 },
                             unusable = { .cpus = far, .cpu_count = 1 },
                             impossible = { .cpus = too_far, .cpu_count = 2 };
    assert_int_equal(cheng_start(&task, CHENG_THREAD, report_cpus, NULL, 0, &none), -EINVAL);
    assert_int_equal(cheng_start(&task, CHENG_THREAD, report_cpus, NULL, 0, &nowhere), -EINVAL);
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, report_cpus, NULL, 0, &one), -EINVAL);
    assert_int_equal(cheng_start(&task, CHENG_THREAD, report_cpus, NULL, 0, &unusable), -EINVAL);
    assert_int_equal(cheng_start(&task, CHENG_THREAD, report_cpus, NULL, 0, &impossible), -EINVAL);
    assert_null(task);
    assert_int_equal(cheng_enumerate(NULL, 0), 1);
}
