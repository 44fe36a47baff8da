/* Scopes of time, from within: their end against what the task waits for, and against a cancel. */
#include "explore/explored.h"

#include <errno.h>

static cheng_event event;
static cheng_semaphore units;
static int data;

/* The wait and the end of the scope agree on who was first. */
static int wait_in_scope(const void *arg, void *result)
{
    cheng_timeout scope;
    (void)arg, (void)result;
    cheng_timeout_begin(&scope, cheng_after(100000));
    int rc = cheng_event_wait(&event), ended = cheng_timeout_end(&scope);
    assert_int_equal(ended, rc == 0 ? 0 : -ETIMEDOUT);
    if (rc == 0)
        assert_int_equal(data, 42);
    else
        assert_int_equal(rc, -ECANCELED);
    assert_int_equal(cheng_event_wait(&event), 0); /* behind it, no wait ends early */
    assert_int_equal(data, 42);
    return 0;
}

EXPLORED_WITH(a_set, .inside = true, .spurious = 1)
{
    cheng_task *a = start(CHENG_THREAD, wait_in_scope, 0), *b = start(CHENG_COROUTINE, wait_in_scope, 0);
    data = 42;
    cheng_event_set(&event);
    finish(a);
    finish(b);
}

static int take_in_scope(const void *arg, void *result)
{
    cheng_timeout scope;
    (void)arg, (void)result;
    cheng_timeout_begin(&scope, cheng_after(100000));
    int rc = cheng_semaphore_acquire(&units), ended = cheng_timeout_end(&scope);
    assert_int_equal(ended, rc == 0 ? 0 : -ETIMEDOUT);
    return rc == 0;
}

static int take(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_semaphore_acquire(&units);
}

/* Who is ended has taken nothing: the other one gets the unit. */
EXPLORED(a_unit_is_not_swallowed)
{
    cheng_task *a = start(CHENG_COROUTINE, take_in_scope, 0), *b = start(CHENG_THREAD, take, 0);
    assert_int_equal(cheng_semaphore_release(&units, 1), 0);
    if (finish(a))
        assert_int_equal(cheng_semaphore_release(&units, 1), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(cheng_semaphore_value(&units), 0);
}

static int wait_for_nothing(const void *arg, void *result)
{
    cheng_timeout scope;
    (void)arg, (void)result;
    cheng_timeout_begin(&scope, cheng_after(100000));
    assert_int_equal(cheng_event_wait(&event), -ECANCELED);
    int ended = cheng_timeout_end(&scope);
    assert_int_equal(cheng_sleep_until(CHENG_FOREVER), -ECANCELED); /* the cancel comes, or is there still */
    return ended;
}

EXPLORED(a_cancel)
{
    cheng_task *a = start(CHENG_THREAD, wait_for_nothing, 0);
    cheng_cancel(a);
    int ended = finish(a);
    assert_true(ended == 0 || ended == -ETIMEDOUT || ended == -ECANCELED); /* the last: it has not begun */
}
