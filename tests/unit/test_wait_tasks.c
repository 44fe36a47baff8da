/* cheng_wait_tasks: until some of many have ended. */
#include "unit/sockets.h"

static int until_set(const void *arg, void *result)
{
    (void)result;
    return cheng_event_wait(*(cheng_event *const *)arg);
}

TEST_EVERYWHERE(some_of_many)
{
    enum { N = 12 };
    cheng_task *tasks[N];
    cheng_event events[N] = { 0 };
    for (int i = 0; i < N; i++) {
        cheng_event *event = &events[i];
        enum cheng_kind kind = i % 2 == 0 ? CHENG_THREAD : CHENG_COROUTINE;
        assert_int_equal(cheng_start(&tasks[i], kind, until_set, &event, sizeof event, NULL), 0);
    }
    assert_int_equal(cheng_wait_tasks(tasks, N, 0), 0);
    assert_int_equal(cheng_wait_tasks_until(tasks, N, 1, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_wait_tasks_until(tasks, N, 1, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_wait_tasks(tasks, N, N + 1), -EINVAL);
    cheng_event_set(&events[3]);
    cheng_event_set(&events[8]);
    assert_int_equal(cheng_wait_tasks(tasks, N, 2), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(cheng_join_until(tasks[i], NULL, CHENG_NOW), i == 3 || i == 8 ? 0 : -EAGAIN);
    assert_int_equal(cheng_wait_tasks_until(tasks, N, 3, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    for (int i = 0; i < N; i++)
        cheng_event_set(&events[i]);
    assert_int_equal(cheng_wait_tasks(tasks, N, N), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(cheng_join_until(tasks[i], NULL, CHENG_NOW), 0);
        cheng_task_free(tasks[i]);
    }
    cheng_task *self = cheng_current();
    assert_int_equal(cheng_wait_tasks(&self, 1, 1), -EDEADLK);
}
