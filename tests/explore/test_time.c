/* Sleeping and deadlines, from within: the wheel of a worker, and who wakes it. */
#include "explore/explored.h"

#include <errno.h>

static int64_t began;
static cheng_event event;

static int sleep_for(const void *arg, void *result)
{
    int64_t before = cheng_clock_ns();
    (void)result;
    assert_int_equal(cheng_sleep(*(const long *)arg), 0);
    assert_true(cheng_clock_ns() - before >= *(const long *)arg);
    return 0;
}

/* Two timers of one wheel, the later one first. */
EXPLORED(two_coroutines_sleep)
{
    cheng_task *a = start(CHENG_COROUTINE, sleep_for, 3000000),
               *b = start(CHENG_COROUTINE, sleep_for, 1000000);
    finish(a);
    finish(b);
}

EXPLORED(a_thread_and_a_coroutine_sleep)
{
    cheng_task *a = start(CHENG_THREAD, sleep_for, 1000000), *b = start(CHENG_COROUTINE, sleep_for, 1000000);
    assert_int_equal(cheng_sleep(1000000), 0);
    finish(a);
    finish(b);
}

/* Its timer is taken off again, and set anew. */
static int wait_then_sleep(const void *arg, void *result)
{
    (void)arg, (void)result;
    int rc = cheng_event_wait_until(&event, cheng_after(2000000));
    assert_true(rc == 0 || rc == -ETIMEDOUT);
    if (rc == -ETIMEDOUT)
        assert_true(cheng_clock_ns() - began >= 2000000);
    return sleep_for(&(long){ 1000000 }, NULL);
}

EXPLORED_WITH(a_timer_is_set_again, .inside = true, .spurious = 1)
{
    began = cheng_clock_ns();
    cheng_task *a = start(CHENG_COROUTINE, wait_then_sleep, 0),
               *b = start(CHENG_COROUTINE, sleep_for, 1500000);
    cheng_event_set(&event);
    finish(a);
    finish(b);
}
