/* Once, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_once once;
static int runs, inside, value;
static cheng_event never;

static int run(void *wait)
{
    inside++;
    assert_int_equal(inside, 1);
    runs++;
    int rc = wait == NULL ? 0 : cheng_event_wait(&never);
    value = rc == 0 ? 5 : value; /* not atomic: who finds it done must see it */
    inside--;
    return rc;
}

static int call(const void *arg, void *result)
{
    long ns = *(const long *)arg;
    (void)result;
    int rc = cheng_once_call_until(&once, run, NULL, ns == 0 ? CHENG_FOREVER : cheng_after(ns));
    if (rc == 0)
        assert_int_equal(value, 5);
    return rc;
}

static int call_and_wait_inside(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_once_call(&once, run, &never);
}

EXPLORED(two_threads)
{
    runs = 0;
    cheng_task *a = start(CHENG_THREAD, call, 0), *b = start(CHENG_THREAD, call, 0);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(runs, 1);
}

EXPLORED(three_and_a_deadline)
{
    runs = 0;
    cheng_task *a = start(CHENG_THREAD, call, 0), *b = start(CHENG_COROUTINE, call, 0),
               *c = start(CHENG_THREAD, call, 1000000);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    int rc = finish(c);
    assert_true(rc == 0 || rc == -ETIMEDOUT);
    assert_int_equal(runs, 1);
}

/* Who runs it is cancelled inside, or finds it done: the other does it in any case. */
EXPLORED(cancelled_inside)
{
    runs = 0;
    cheng_task *a = start(CHENG_THREAD, call_and_wait_inside, 0), *b = start(CHENG_THREAD, call, 0);
    cheng_cancel(a);
    int rc = finish(a);
    assert_true(rc == 0 || rc == -ECANCELED);
    assert_int_equal(finish(b), 0);
    assert_true(cheng_once_is_done(&once));
    assert_true(runs == 1 || runs == 2);
}

EXPLORED(cancelled_while_it_waits)
{
    runs = 0;
    cheng_task *a = start(CHENG_THREAD, call, 0), *b = start(CHENG_COROUTINE, call, 0),
               *c = start(CHENG_THREAD, call, 0);
    cheng_cancel(b);
    assert_int_equal(finish(a), 0);
    int rc = finish(b);
    assert_true(rc == 0 || rc == -ECANCELED);
    assert_int_equal(finish(c), 0);
    assert_int_equal(runs, 1);
    assert_false(cheng_lock_locked(&once.lock));
}
