/* Cancelling, from within: against the beginning of a wait, its other ends, and the end of the task. */
#include "explore/explored.h"

#include <errno.h>

static cheng_event never, done;

static int sleep_for_ever(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_sleep_until(CHENG_FOREVER) == -ECANCELED;
}

static int sleep_for(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_sleep(*(const long *)arg);
    assert_true(rc == 0 || rc == -ECANCELED);
    return 1;
}

/* While it is shielded no wait ends; after that the next one does. */
static int wait_shielded(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_shield(true);
    assert_int_equal(cheng_event_wait(&done), 0);
    assert_false(cheng_cancelled());
    cheng_shield(false);
    return cheng_event_wait(&never) == -ECANCELED;
}

/* Sticky: each later wait ends as well. */
static int wait_twice(const void *arg, void *result)
{
    (void)arg, (void)result;
    int ended = 0;
    for (int i = 0; i < 2; i++)
        ended += cheng_event_wait(&never) == -ECANCELED;
    return ended == 2 && cheng_cancelled();
}

static void cancel_two(cheng_fn *function, long number)
{
    cheng_task *a = start(CHENG_THREAD, function, number), *b = start(CHENG_COROUTINE, function, number);
    cheng_cancel(a);
    cheng_cancel(b);
    cheng_event_set(&done);
    assert_int_equal(finish_cancelled(a, 1), 1);
    assert_int_equal(finish_cancelled(b, 1), 1);
}

EXPLORED(a_sleep)
{
    cancel_two(sleep_for_ever, 0);
}

EXPLORED(a_sleep_that_ends)
{
    cancel_two(sleep_for, 1000000);
}

EXPLORED(a_shielded_wait)
{
    cancel_two(wait_shielded, 0);
}

EXPLORED_WITH(each_wait_of_a_task, .inside = true, .spurious = 1)
{
    cancel_two(wait_twice, 0);
}

static cheng_task *sleeper;

static int join_sleeper(const void *arg, void *result)
{
    (void)arg, (void)result;
    int rc = cheng_join(sleeper, NULL);
    assert_true(rc == 0 || rc == -ECANCELED);
    return 1;
}

/* Both the joiner and the one it joins. */
EXPLORED(a_join)
{
    sleeper = start(CHENG_COROUTINE, sleep_for_ever, 0);
    cheng_task *b = start(CHENG_THREAD, join_sleeper, 0);
    cheng_cancel(b);
    cheng_cancel(sleeper);
    assert_int_equal(finish_cancelled(b, 1), 1);
    assert_int_equal(finish_cancelled(sleeper, 1), 1);
}

static int begun;

static int say_begun(const void *arg, void *result)
{
    (void)arg, (void)result;
    begun++;
    return 1;
}

/* It runs or it does not, and its status says which. */
static void before_it_begins(enum cheng_kind kind)
{
    cheng_task *task;
    int status;
    begun = 0;
    task = start(kind, say_begun, 0);
    cheng_cancel_all(&task, 1);
    assert_int_equal(cheng_join_all(&task, 1), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, begun ? 1 : -ECANCELED);
    cheng_task_free(task);
}

EXPLORED(a_thread_before_it_begins)
{
    before_it_begins(CHENG_THREAD);
}

EXPLORED(a_coroutine_before_it_begins)
{
    before_it_begins(CHENG_COROUTINE);
}
