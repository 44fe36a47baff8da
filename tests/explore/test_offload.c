/* The helper threads, from within. */
#include "explore/explored.h"

#include <errno.h>

static int square(const void *arg, void *result)
{
    long number = *(const long *)arg;
    *(long *)result = number * number;
    return 7;
}

static int offload(const void *arg, void *result)
{
    long out = 0;
    (void)result;
    int rc = cheng_offload(square, arg, &out);
    if (rc == 7)
        assert_int_equal(out, *(const long *)arg * *(const long *)arg);
    return rc;
}

static cheng_event event;

static int wait_in_thread(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_event_wait(&event);
}

static int set_in_thread(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_event_set(&event);
    return 0;
}

static int offload_wait(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_offload(wait_in_thread, NULL, NULL);
}

static int offload_set(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_offload(set_in_thread, NULL, NULL);
}

/* The one helper waits for what the other does: so there must be two. */
EXPLORED(each_job_has_a_helper)
{
    cheng_task *a = start(CHENG_COROUTINE, offload_wait, 0), *b = start(CHENG_COROUTINE, offload_set, 0);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
}

/* A helper that is idle is woken for the second job, and goes home as the third one comes. */
static int offload_now_and_later(const void *arg, void *result)
{
    int64_t began = cheng_clock_ns();
    assert_int_equal(offload(arg, result), 7);
    assert_int_equal(offload(arg, result), 7);
    explored_within(began, CHENG_SECOND);
    assert_int_equal(cheng_sleep(2 * CHENG_SECOND), 0);
    return offload(arg, result);
}

EXPLORED_WITH(a_helper_goes_home, .inside = true, .spurious = 1)
{
    int status;
    assert_int_equal(cheng_run(&status, offload_now_and_later, &(long){ 5 }, sizeof(long)), 0);
    assert_int_equal(status, 7);
}
