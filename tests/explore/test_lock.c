/* The private lock, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_lock lock;
static int inside;

static int enter_and_leave(const void *arg, void *result)
{
    (void)result;
    for (long i = *(const long *)arg; i > 0; i--) {
        cheng_lock_acquire(&lock);
        inside++;
        assert_int_equal(inside, 1);
        inside--;
        assert_int_equal(cheng_lock_release(&lock), 0);
    }
    return 0;
}

static int enter_until(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_lock_acquire_until(&lock, cheng_after(*(const long *)arg));
    if (rc == -ETIMEDOUT)
        return 0;
    assert_int_equal(rc, 0);
    inside++;
    assert_int_equal(inside, 1);
    inside--;
    return cheng_lock_release(&lock);
}

EXPLORED(two_threads)
{
    cheng_task *a = start(CHENG_THREAD, enter_and_leave, 1), *b = start(CHENG_THREAD, enter_and_leave, 1);
    finish(a);
    finish(b);
    assert_false(cheng_lock_locked(&lock));
}

EXPLORED(three_threads)
{
    cheng_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = start(CHENG_THREAD, enter_and_leave, 1);
    for (int i = 0; i < 3; i++)
        finish(tasks[i]);
}

EXPLORED(a_deadline)
{
    cheng_task *a = start(CHENG_THREAD, enter_and_leave, 2), *b = start(CHENG_THREAD, enter_until, 1000000);
    finish(a);
    assert_int_equal(finish(b), 0);
    assert_false(cheng_lock_locked(&lock));
}

EXPLORED(coroutines)
{
    cheng_task *a = start(CHENG_COROUTINE, enter_and_leave, 1),
               *b = start(CHENG_COROUTINE, enter_and_leave, 1);
    finish(a);
    finish(b);
}

EXPLORED(a_thread_and_a_coroutine)
{
    cheng_task *a = start(CHENG_THREAD, enter_and_leave, 1),
               *b = start(CHENG_COROUTINE, enter_until, 1000000);
    finish(a);
    assert_int_equal(finish(b), 0);
}
