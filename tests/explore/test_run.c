/* Workers, from within: spawning, stealing, going to sleep and being woken; the runtimes of cheng_run. */
#include "explore/explored.h"

#include <errno.h>

static int count, flag;
static cheng_event event;

static int add(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    return 0;
}

static int raise_flag(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
    return 0;
}

static int wait_for_event(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_event_wait(&event);
}

/* Workers that sleep are woken for what comes from outside. */
EXPLORED(idle_workers_are_woken)
{
    for (int i = 0; i < 2; i++)
        finish(start(CHENG_COROUTINE, add, 0));
    assert_int_equal(count, 2);
}

/* The newest may be stolen as its own worker comes to it, or as the next takes its place. */
static int spawn_two(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_task *a = start(CHENG_COROUTINE, add, 0), *b = start(CHENG_COROUTINE, add, 0);
    finish(a);
    finish(b);
    return 0;
}

EXPLORED(a_coroutine_spawns_two)
{
    finish(start(CHENG_COROUTINE, spawn_two, 0));
    assert_int_equal(count, 2);
}

/* Its worker is busy, so what it has spawned must be run by another: the newest one too. */
static int spawn_and_spin(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_task *a = start(CHENG_COROUTINE, raise_flag, 0);
    while (!__atomic_load_n(&flag, __ATOMIC_ACQUIRE))
        continue;
    finish(a);
    return 0;
}

EXPLORED(the_newest_is_stolen)
{
    finish(start(CHENG_COROUTINE, spawn_and_spin, 0));
}

static int spawn_two_and_spin(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_task *a = start(CHENG_COROUTINE, raise_flag, 0), *b = start(CHENG_COROUTINE, add, 0);
    while (!__atomic_load_n(&flag, __ATOMIC_ACQUIRE) || __atomic_load_n(&count, __ATOMIC_RELAXED) == 0)
        continue;
    finish(a);
    finish(b);
    return 0;
}

EXPLORED(all_are_stolen)
{
    finish(start(CHENG_COROUTINE, spawn_two_and_spin, 0));
}

EXPLORED_WITH(two_are_woken_at_once, .inside = true, .cpus = 1)
{
    cheng_task *a = start(CHENG_COROUTINE, wait_for_event, 0), *b = start(CHENG_COROUTINE, wait_for_event, 0);
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0); /* until both wait */
    cheng_event_set(&event);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
}

/* Woken by a thread, a coroutine of cheng_run may end the runtime while the waker is still about it. */
static int set_event(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_event_set(&event);
    return 0;
}

EXPLORED(a_runtime_that_ends)
{
    int status;
    cheng_task *a = start(CHENG_THREAD, set_event, 0);
    assert_int_equal(cheng_run(&status, wait_for_event, NULL, 0), 0);
    assert_int_equal(status, 0);
    finish(a);
}

static int yield_between(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_task *a = start(CHENG_COROUTINE, set_event, 0);
    cheng_yield();
    assert_int_equal(cheng_event_wait(&event), 0);
    finish(a);
    return 0;
}

static int run_one(const void *arg, void *result)
{
    int status;
    (void)arg, (void)result;
    assert_int_equal(cheng_run(&status, yield_between, NULL, 0), 0);
    return status;
}

EXPLORED_WITH(two_runtimes, .inside = true, .spurious = 1)
{
    cheng_task *a = start(CHENG_THREAD, run_one, 0);
    run_one(NULL, NULL);
    finish(a);
}

EXPLORED_WITH(no_memory, .inside = true, .failures = 1)
{
    int status, rc = cheng_run(&status, add, NULL, 0);
    assert_true(rc == -ENOMEM || (rc == 0 && (status == 0 || status == -ENOMEM)));
}
