/* Once: done once, failures, ends inside the function. test_matrix.c has its waits. */
#include "unit/actors.h"

#include <pthread.h>

static cheng_once once;
static unsigned runs;     /* by who holds it */
static int fail_with[16]; /* what the n-th run returns */

static int run(void *unused)
{
    (void)unused;
    cheng_yield();
    return fail_with[runs++];
}

static int call(void *unused)
{
    return cheng_once_call(&once, run, unused);
}

TEST(many_callers)
{
    struct actor actors[12];
    assert_false(cheng_once_is_done(&once));
    for (unsigned i = 0; i < 12; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), call, NULL);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    assert_int_equal(runs, 1);
    assert_true(cheng_once_is_done(&once));
    assert_int_equal(cheng_once_call_until(&once, run, NULL, CHENG_NOW), 0);
    assert_int_equal((&cheng_once_call)(&once, run, NULL), 0);
    assert_int_equal(runs, 1);
}

/* A failure is its caller's; the next runs the function again. What is not negative is no failure. */
TEST(a_failure_is_tried_again)
{
    struct actor actors[9];
    int failures = 0;
    fail_with[0] = -ENOENT, fail_with[1] = -ENOENT, fail_with[2] = 7;
    for (unsigned i = 0; i < 9; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), call, NULL);
    for (unsigned i = 0; i < 9; i++) {
        int rc = actor_join(&actors[i]);
        assert_true(rc == 0 || rc == -ENOENT);
        failures += rc < 0;
    }
    assert_int_equal(failures, 2);
    assert_int_equal(runs, 3);
    assert_true(cheng_once_is_done(&once));
}

static cheng_event started, never_set;

static int run_until_cancelled(void *unused)
{
    (void)unused;
    runs++;
    cheng_event_set(&started);
    return cheng_event_wait(&never_set);
}

static int call_until_cancelled(void *unused)
{
    return cheng_once_call(&once, run_until_cancelled, unused);
}

TEST(cancelled_inside)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor one, two;
        once = (cheng_once){ 0 };
        runs = 0;
        cheng_event_clear(&started);
        actor_start(&one, place, call_until_cancelled, NULL);
        assert_int_equal(cheng_event_wait(&started), 0);
        actor_start(&two, place, call, NULL);
        wait_until_blocked(two.self, CHENGI_WAIT_LOCK);
        cheng_cancel(one.self);
        assert_int_equal(actor_join(&one), -ECANCELED);
        assert_int_equal(actor_join(&two), 0);
        assert_int_equal(runs, 2);
    }
}

static int exit_inside(void *unused)
{
    runs++;
    pthread_exit(unused);
}

static void *call_and_exit(void *unused)
{
    int rc = cheng_once_call(&once, exit_inside, unused);
    fail_msg("returned %d", rc);
    return NULL;
}

TEST(a_thread_ends_inside)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_and_exit, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(cheng_once_is_done(&once));
    assert_int_equal(call(NULL), 0);
    assert_int_equal(runs, 2);
    assert_true(cheng_once_is_done(&once));
}

static int call_itself(void *unused)
{
    runs++;
    assert_int_equal(cheng_once_call_until(&once, run, unused, CHENG_NOW), -EAGAIN);
    int rc = cheng_once_call(&once, run, unused);
    assert_non_null(strstr(cheng_deadlock_report(), "waits for itself"));
    assert_non_null(strstr(cheng_deadlock_report(), "test_once.c:"));
    return rc;
}

TEST(a_function_that_calls_its_own_once)
{
    assert_int_equal(cheng_once_call(&once, call_itself, NULL), -EDEADLK);
    assert_int_equal(runs, 1);
    assert_false(cheng_once_is_done(&once));
}

TEST(inside_an_arena)
{
    cheng_arena *arena;
    assert_int_equal(cheng_arena_new(&arena, 1 << 16, NULL), 0);
    cheng_once *shared = cheng_arena_alloc(arena, sizeof *shared);
    assert_int_equal(cheng_once_share(arena, &once), -EINVAL);
    shared->completed = 1;
    assert_int_equal(cheng_once_share(arena, shared), 0);
    assert_int_equal(cheng_once_call(shared, run, NULL), 0);
    assert_int_equal(cheng_once_call(shared, run, NULL), 0);
    assert_int_equal(runs, 1);
    assert_int_equal(cheng_arena_free(arena), 0);
}
