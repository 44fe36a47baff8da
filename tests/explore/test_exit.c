/* What the process's exit waits for, from within. */
#include "explore/explored.h"

#include "task/exit.h"

static int ended;

static int end_later(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_yield();
    __atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
    return 0;
}

static int start_another(const void *arg, void *result)
{
    (void)arg, (void)result;
    long none = 0;
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, end_later, &none, sizeof none, NULL), 0);
    __atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
    return 0;
}

EXPLORED(waits_for_a_thread_and_a_coroutine)
{
    long none = 0;
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, end_later, &none, sizeof none, NULL), 0);
    cheng_task *b = start(CHENG_COROUTINE, end_later, 0);
    assert_int_equal(chengi_tasks_wait(0), 0);
    assert_int_equal(__atomic_load_n(&ended, __ATOMIC_RELAXED), 2);
    assert_false(cheng_task_is_alive(b));
    cheng_task_free(b);
}

EXPLORED(waits_for_those_that_are_started_meanwhile)
{
    long none = 0;
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, start_another, &none, sizeof none, NULL), 0);
    assert_int_equal(chengi_tasks_wait(0), 0);
    assert_int_equal(__atomic_load_n(&ended, __ATOMIC_RELAXED), 2);
}

static cheng_event released;

static int wait_for_release(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_event_wait(&released);
}

EXPLORED(does_not_wait_for_a_daemon)
{
    cheng_task *daemon, *a = start(CHENG_THREAD, end_later, 0);
    assert_int_equal(cheng_start(&daemon, CHENG_COROUTINE, wait_for_release, NULL, 0,
                                 &(cheng_task_options){ .daemon = true }),
                     0);
    assert_int_equal(chengi_tasks_wait(0), 0);
    assert_true(cheng_task_is_alive(daemon));
    cheng_event_set(&released);
    finish(daemon);
    cheng_task_free(a);
}

/* Its slot is used again while the exit looks. */
static int free_and_start(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 2; i++)
        finish(start(CHENG_COROUTINE, end_later, 0));
    return 0;
}

EXPLORED(slots_are_used_again_meanwhile)
{
    cheng_task *a = start(CHENG_THREAD, free_and_start, 0);
    assert_int_equal(chengi_tasks_wait(0), 0);
    assert_int_equal(__atomic_load_n(&ended, __ATOMIC_RELAXED), 2);
    cheng_task_free(a);
}

/* The deadline ends the wait, and nothing else. */
EXPLORED(until_a_deadline)
{
    cheng_task *a = start(CHENG_COROUTINE, end_later, 0), *b = start(CHENG_THREAD, wait_for_release, 0);
    assert_int_equal(chengi_tasks_wait(cheng_after(CHENG_MILLISECOND).at_ns), -ETIMEDOUT);
    assert_true(cheng_task_is_alive(b));
    cheng_event_set(&released);
    assert_int_equal(chengi_tasks_wait(0), 0);
    assert_false(cheng_task_is_alive(a));
    assert_false(cheng_task_is_alive(b));
    cheng_task_free(a);
    cheng_task_free(b);
}

static int start_in_vain(const void *arg, void *result)
{
    const unsigned nowhere = 99;
    cheng_task_options options = { .cpus = &nowhere, .cpu_count = 1 };
    (void)arg, (void)result;
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, end_later, NULL, 0, &options), -EINVAL);
    return 0;
}

EXPLORED(one_that_could_not_be_started)
{
    cheng_task *a;
    assert_int_equal(
        cheng_start(&a, CHENG_THREAD, start_in_vain, NULL, 0, &(cheng_task_options){ .daemon = true }), 0);
    assert_int_equal(chengi_tasks_wait(0), 0);
    finish(a);
}
