/* The private semaphore, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_semaphore semaphore;
static int given, taken; /* given before its release, so seen by who takes a unit */

static int take(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_semaphore_acquire(&semaphore), 0);
    assert_true(given > 0);
    __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
    return 0;
}

/* Returns how many units it has. */
static int take_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg;
    (void)result;
    int rc = cheng_semaphore_acquire_until(&semaphore, patience == 0 ? CHENG_FOREVER : cheng_after(patience));
    if (rc == 0)
        return 1;
    assert_int_equal(rc, patience == 0 ? -ECANCELED : -ETIMEDOUT);
    return 0;
}

static void both_take(enum cheng_kind one, enum cheng_kind other)
{
    cheng_task *a = start(one, take, 0), *b = start(other, take, 0);
    given = 1;
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    finish(a);
    finish(b);
    assert_int_equal(taken, 2);
    assert_int_equal(cheng_semaphore_value(&semaphore), 0);
    assert_int_equal(semaphore.waiters, 0);
}

/* Whoever leaves, the other one gets the unit. */
static void one_leaves(enum cheng_kind leaves, enum cheng_kind stays, long patience)
{
    cheng_task *a = start(leaves, take_or_leave, patience), *b = start(stays, take, 0);
    if (patience == 0)
        cheng_cancel(a);
    given = 1;
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    if (finish_cancelled(a, 0))
        assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    finish(b);
    assert_int_equal(cheng_semaphore_value(&semaphore), 0);
    assert_int_equal(semaphore.waiters, 0);
}

EXPLORED_WITH(one_by_one, .inside = true, .spurious = 1)
{
    both_take(CHENG_THREAD, CHENG_COROUTINE);
}

EXPLORED(two_at_once)
{
    cheng_task *a = start(CHENG_THREAD, take, 0), *b = start(CHENG_THREAD, take, 0);
    given = 2;
    assert_int_equal(cheng_semaphore_release(&semaphore, 2), 0);
    finish(a);
    finish(b);
}

EXPLORED(a_deadline)
{
    one_leaves(CHENG_THREAD, CHENG_COROUTINE, 1000000);
}

EXPLORED(a_cancel)
{
    one_leaves(CHENG_COROUTINE, CHENG_THREAD, 0);
}
