/* What people complain about elsewhere: each case first brings the situation about. The exit that waits for ever (PP24) is in
 * test_task_life.c. */
#include "unit/actors.h"

#include <stdatomic.h>

#define FOR_EACH_KIND(kind) for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++)

static int sleep_for_ever(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_sleep_until(CHENG_FOREVER);
}

/* PP23: no way to end a task that runs. */
TEST(a_running_task_is_cancelled)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        int status = 0;
        assert_int_equal(cheng_start(&task, kind, sleep_for_ever, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(5 * CHENG_MILLISECOND)), -ETIMEDOUT);
        cheng_cancel(task);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(5 * CHENG_SECOND)), 0);
        assert_int_equal(status, -ECANCELED);
        cheng_task_free(task);
    }
}

static atomic_int failures;

static void count_failure(const cheng_incident *incident)
{
    failures += incident->kind == CHENG_FAILURE && incident->error == -EIO;
}

static int fail_with_io(const void *argument, void *result)
{
    (void)argument, (void)result;
    return -EIO;
}

/* PP32: failures of threads are silent. */
TEST(a_failure_is_told_once)
{
    cheng_set_incident_hook(count_failure);
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        int status = 0;
        failures = 0;
        assert_int_equal(cheng_start(&task, kind, fail_with_io, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, -EIO);
        cheng_task_free(task);
        assert_int_equal(failures, 0); /* whoever joined it knows */
        assert_int_equal(cheng_start(NULL, kind, fail_with_io, NULL, 0, NULL), 0);
        while (failures == 0) /* nobody joins: the hook is told */
            cheng_yield();
        assert_int_equal(failures, 1);
    }
}

static int cleaned;

static int wait_for_more(void *argument, void *value, void **result)
{
    (void)argument, (void)value, (void)result;
    int rc = cheng_generator_yield(NULL, NULL);
    cleaned += rc == -ECANCELED;
    return rc;
}

static int leave_one_suspended(const void *argument, void *result)
{
    cheng_coroutine *coroutine;
    void *value;
    (void)argument, (void)result;
    assert_int_equal(cheng_coroutine_new(&coroutine, wait_for_more, NULL, NULL), 0);
    assert_int_equal(cheng_generator_next(coroutine, NULL, &value), 0);
    memcpy(result, &coroutine, sizeof coroutine);
    return 0;
}

/* PP37: coroutines leak when their thread ends. */
TEST(coroutines_of_a_task_that_ends)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        cheng_coroutine *left;
        cleaned = 0;
        assert_int_equal(cheng_start(&task, kind, leave_one_suspended, NULL, 0,
                                     &(cheng_task_options){ .result_size = sizeof left }),
                         0);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_int_equal(cleaned, 1);
        assert_int_equal(cheng_task_result(task, &left, sizeof left), 0);
        assert_true(cheng_coroutine_is_dead(left));
        assert_int_equal(cheng_coroutine_free(left), 0);
        cheng_task_free(task);
    }
}
