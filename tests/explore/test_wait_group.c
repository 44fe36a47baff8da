/* The wait group, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_wait_group group;
static int done[2]; /* not atomic: a wait that returns 0 must see them */

static int work(const void *arg, void *result)
{
    (void)result;
    done[*(const long *)arg] = 1;
    return cheng_wait_group_done(&group);
}

static int wait_for_all(const void *arg, void *result)
{
    long ns = *(const long *)arg;
    (void)result;
    int rc = cheng_wait_group_wait_until(&group, ns == 0 ? CHENG_FOREVER : cheng_after(ns));
    if (rc == 0)
        assert_int_equal(done[0] + done[1], 2);
    return rc;
}

static void prepare(void)
{
    done[0] = done[1] = 0;
    assert_int_equal(cheng_wait_group_add(&group, 2), 0);
}

EXPLORED(two_workers)
{
    prepare();
    cheng_task *a = start(CHENG_THREAD, work, 0), *b = start(CHENG_THREAD, work, 1);
    assert_int_equal(cheng_wait_group_wait(&group), 0);
    assert_int_equal(done[0] + done[1], 2);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
}

EXPLORED(two_waiters)
{
    prepare();
    cheng_task *a = start(CHENG_THREAD, wait_for_all, 0), *b = start(CHENG_COROUTINE, wait_for_all, 0),
               *c = start(CHENG_THREAD, work, 0);
    assert_int_equal(finish(c), 0);
    done[1] = 1;
    assert_int_equal(cheng_wait_group_done(&group), 0);
    assert_int_equal(cheng_wait_group_done(&group), -EPERM);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
}

EXPLORED(a_deadline_and_a_cancel)
{
    prepare();
    cheng_task *a = start(CHENG_THREAD, wait_for_all, 1000000), *b = start(CHENG_COROUTINE, wait_for_all, 0),
               *c = start(CHENG_THREAD, work, 0);
    cheng_cancel(b);
    assert_int_equal(finish(c), 0);
    done[1] = 1;
    assert_int_equal(cheng_wait_group_done(&group), 0);
    int late = finish(a), cancelled = finish(b);
    assert_true(late == 0 || late == -ETIMEDOUT);
    assert_true(cancelled == 0 || cancelled == -ECANCELED);
    assert_int_equal(cheng_wait_group_count(&group), 0);
}

static int add_and_take_off(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_wait_group_done(&group), 0);
    return cheng_wait_group_add(&group, 1); /* at once in use again */
}

/* A zero that was there for a moment ends the waits that had begun before it. */
EXPLORED(used_again_at_once)
{
    assert_int_equal(cheng_wait_group_add(&group, 1), 0);
    cheng_task *a = start(CHENG_THREAD, add_and_take_off, 0);
    int rc = cheng_wait_group_wait_until(&group, cheng_after(1000000));
    assert_true(rc == 0 || rc == -ETIMEDOUT);
    assert_int_equal(finish(a), 0);
    assert_int_equal(cheng_wait_group_done(&group), 0);
}
