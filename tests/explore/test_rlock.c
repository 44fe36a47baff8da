/* The recursive lock, and conditions with one, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_rlock rlock;
static cheng_condition changed;
static int inside;
static bool ready;

static void enter_and_leave(void)
{
    cheng_rlock_acquire(&rlock);
    inside++;
    assert_int_equal(inside, 1);
    inside--;
    assert_int_equal(cheng_rlock_release(&rlock), 0);
}

static int enter_twice(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH_RLOCK(&rlock)
    {
        enter_and_leave();
        inside++;
        assert_int_equal(inside, 1);
        inside--;
    }
    return cheng_rlock_release(&rlock);
}

static int enter_until(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_rlock_acquire_until(&rlock, cheng_after(*(const long *)arg));
    if (rc == -ETIMEDOUT)
        return 0;
    assert_int_equal(rc, 0);
    enter_and_leave();
    return cheng_rlock_release(&rlock);
}

EXPLORED(two_threads)
{
    cheng_task *a = start(CHENG_THREAD, enter_twice, 0), *b = start(CHENG_THREAD, enter_twice, 0);
    assert_int_equal(finish(a), -EPERM);
    assert_int_equal(finish(b), -EPERM);
    assert_false(cheng_rlock_locked(&rlock));
}

EXPLORED(a_deadline)
{
    cheng_task *a = start(CHENG_THREAD, enter_twice, 0), *b = start(CHENG_COROUTINE, enter_until, 1000000);
    assert_int_equal(finish(a), -EPERM);
    assert_int_equal(finish(b), 0);
    assert_false(cheng_rlock_locked(&rlock));
}

static bool is_ready(void *unused)
{
    (void)unused;
    return ready;
}

static int wait_deep(const void *arg, void *result)
{
    long ns = *(const long *)arg;
    (void)result;
    cheng_rlock_acquire(&rlock);
    cheng_rlock_acquire(&rlock);
    int rc = cheng_condition_wait_for_rlock(&changed, &rlock, is_ready, NULL,
                                            ns == 0 ? CHENG_FOREVER : cheng_after(ns));
    assert_true(rc == 0 ? ready : !ready);
    assert_int_equal(cheng_rlock_release(&rlock), 0);
    assert_int_equal(cheng_rlock_release(&rlock), 0);
    assert_int_equal(cheng_rlock_release(&rlock), -EPERM);
    return rc;
}

static void make_ready(void)
{
    CHENG_WITH_RLOCK(&rlock)
    CHENG_WITH_RLOCK(&rlock)
    ready = true;
    cheng_condition_notify(&changed, 1);
}

EXPLORED(a_condition)
{
    ready = false;
    cheng_task *a = start(CHENG_THREAD, wait_deep, 0);
    make_ready();
    assert_int_equal(finish(a), 0);
}

EXPLORED(a_condition_with_a_deadline)
{
    ready = false;
    cheng_task *a = start(CHENG_THREAD, wait_deep, 1000000);
    make_ready();
    int rc = finish(a);
    assert_true(rc == 0 || rc == -ETIMEDOUT);
    assert_false(cheng_rlock_locked(&rlock));
}

EXPLORED(a_condition_cancelled)
{
    ready = false;
    cheng_task *a = start(CHENG_COROUTINE, wait_deep, 0);
    cheng_cancel(a);
    make_ready();
    int rc = finish(a);
    assert_true(rc == 0 || rc == -ECANCELED);
    assert_false(cheng_rlock_locked(&rlock));
}
