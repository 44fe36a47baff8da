/* The bounded semaphore, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_semaphore bounded;
static int inside;

static int take_and_give(const void *arg, void *result)
{
    long ns = *(const long *)arg;
    (void)result;
    int rc = cheng_semaphore_acquire_until(&bounded, ns == 0 ? CHENG_FOREVER : cheng_after(ns));
    if (rc < 0)
        return rc;
    inside++; /* not atomic: there is one unit */
    assert_int_equal(inside, 1);
    inside--;
    return cheng_semaphore_release(&bounded, 1);
}

static void prepare(void)
{
    bounded = (cheng_semaphore)CHENG_SEMAPHORE_BOUNDED(1);
}

static void is_whole(void)
{
    assert_int_equal(cheng_semaphore_value(&bounded), 1);
    assert_int_equal(bounded.waiters, 0);
    assert_int_equal(cheng_semaphore_release(&bounded, 1), -EOVERFLOW);
}

EXPLORED(three)
{
    prepare();
    cheng_task *a = start(CHENG_THREAD, take_and_give, 0), *b = start(CHENG_COROUTINE, take_and_give, 0),
               *c = start(CHENG_THREAD, take_and_give, 0);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(finish(c), 0);
    is_whole();
}

EXPLORED(a_deadline_and_a_cancel)
{
    prepare();
    cheng_task *a = start(CHENG_THREAD, take_and_give, 0), *b = start(CHENG_COROUTINE, take_and_give, 0),
               *c = start(CHENG_THREAD, take_and_give, 1000000);
    cheng_cancel(b);
    assert_int_equal(finish(a), 0);
    int cancelled = finish(b), late = finish(c);
    assert_true(cancelled == 0 || cancelled == -ECANCELED);
    assert_true(late == 0 || late == -ETIMEDOUT);
    is_whole();
}

static int release_one_too_many(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_semaphore_release(&bounded, 1);
}

/* One is out, two give it back: exactly one of them is refused. */
EXPLORED(two_releases_of_one_unit)
{
    prepare();
    assert_int_equal(cheng_semaphore_acquire(&bounded), 0);
    cheng_task *a = start(CHENG_THREAD, release_one_too_many, 0),
               *b = start(CHENG_THREAD, release_one_too_many, 0);
    assert_int_equal(finish(a) + finish(b), -EOVERFLOW);
    is_whole();
}
