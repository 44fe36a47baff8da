/* The life of a task, from within: its end against joins, frees and a second use of its slot. */
#include "explore/explored.h"

#include <errno.h>
#include <string.h>

static int started, ended;

static int note_end(const void *arg, void *result)
{
    (void)result;
    ended = (int)*(const long *)arg;
    return 5;
}

static int do_nothing(const void *arg, void *result)
{
    (void)arg, (void)result;
    return 5;
}

static int square(const void *arg, void *result)
{
    long number = *(const long *)arg;
    *(long *)result = number * number;
    return 0;
}

static cheng_task *shared_task;

static int join_it(const void *arg, void *result)
{
    int status;
    (void)arg, (void)result;
    assert_int_equal(cheng_join(shared_task, &status), 0);
    assert_int_equal(status, 5);
    assert_int_equal(ended, 3);
    return 0;
}

static void joined_by_two(enum cheng_kind task, enum cheng_kind joiner)
{
    shared_task = start(task, note_end, 3);
    cheng_task *b = start(joiner, join_it, 0);
    join_it(NULL, NULL);
    finish(b);
    assert_int_equal(finish(shared_task), 5);
}

EXPLORED(a_thread_joined_by_two)
{
    joined_by_two(CHENG_THREAD, CHENG_COROUTINE);
}

EXPLORED(a_coroutine_joined_by_two)
{
    joined_by_two(CHENG_COROUTINE, CHENG_THREAD);
}

EXPLORED(a_join_with_a_deadline)
{
    cheng_task *a = start(CHENG_THREAD, note_end, 3), *b = start(CHENG_COROUTINE, do_nothing, 0);
    int status, rc = cheng_join_until(a, &status, cheng_after(CHENG_MILLISECOND));
    assert_true(rc == 0 || rc == -ETIMEDOUT);
    if (rc == 0)
        assert_int_equal(ended, 3);
    rc = cheng_join_until(b, &status, cheng_after(CHENG_MILLISECOND));
    assert_true(rc == 0 || rc == -ETIMEDOUT);
    assert_int_equal(finish(a), 5);
    assert_int_equal(finish(b), 5);
}

/* The slot is given back by the last of the two, and used again meanwhile. */
EXPLORED(freed_while_it_ends)
{
    cheng_task *a = start(CHENG_THREAD, do_nothing, 0), *b = start(CHENG_COROUTINE, do_nothing, 0);
    cheng_task_free(a);
    cheng_task_free(b);
    cheng_task *c = start(CHENG_THREAD, do_nothing, 0), *d = start(CHENG_COROUTINE, do_nothing, 0);
    assert_int_equal(finish(c), 5);
    assert_int_equal(finish(d), 5);
}

static cheng_event first, second;

static int wait_for_first(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_event_wait(&first);
}

static int wait_for_second(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_event_wait(&second), 0);
    return started;
}

static int set_first(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_event_set(&first);
    return 0;
}

/* Who has woken a thread may come to its slot when it is a coroutine's. */
EXPLORED(woken_late)
{
    cheng_task *a = start(CHENG_THREAD, wait_for_first, 0), *b = start(CHENG_THREAD, set_first, 0);
    finish(a);
    cheng_task *c = start(CHENG_COROUTINE, wait_for_second, 0);
    finish(b);
    started = 1;
    cheng_event_set(&second);
    assert_int_equal(finish(c), 1);
}

static int start_without_a_handle(const void *arg, void *result)
{
    (void)result;
    __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
    if (*(const long *)arg > 0) {
        long less = *(const long *)arg - 1;
        assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, start_without_a_handle, &less, sizeof less, NULL),
                         0);
    }
    return 0;
}

EXPLORED(without_a_handle)
{
    long one = 1;
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, start_without_a_handle, &one, sizeof one, NULL), 0);
    while (__atomic_load_n(&started, __ATOMIC_RELAXED) != 2)
        cheng_yield();
    cheng_task *a = start(CHENG_COROUTINE, do_nothing, 0);
    assert_int_equal(finish(a), 5);
}

/* Argument and result too large for the slot; any allocation of it may fail. */
EXPLORED_WITH(no_memory, .inside = true, .failures = 1)
{
    long in[16] = { 12 }, out[16];
    cheng_task *tasks[2];
    for (int i = 0; i < 2; i++) {
        int rc = cheng_start(&tasks[i], i == 0 ? CHENG_THREAD : CHENG_COROUTINE, square, in, sizeof in,
                             &(cheng_task_options){ .result_size = sizeof out });
        assert_true(rc == 0 || rc == -ENOMEM);
        if (rc < 0)
            tasks[i] = NULL;
    }
    for (int i = 0; i < 2; i++)
        if (tasks[i] != NULL) {
            int status;
            assert_int_equal(cheng_join(tasks[i], &status), 0);
            if (status == 0) {
                assert_int_equal(cheng_task_result(tasks[i], out, sizeof out), 0);
                assert_int_equal(out[0], 144);
            } else {
                assert_int_equal(status, -ENOMEM);
            }
            cheng_task_free(tasks[i]);
        }
    assert_false(tasks[0] == NULL && tasks[1] == NULL);
}

static int began;
static cheng_deadline its_time;

static int note_begin(const void *arg, void *result)
{
    (void)arg, (void)result;
    began++;
    assert_true(cheng_clock_ns() >= its_time.at_ns);
    return 5;
}

/* Its function is called, or it was cancelled before its time: never both, never neither. */
static void cancelled_about_its_time(enum cheng_kind kind)
{
    cheng_task *a;
    began = 0;
    its_time = cheng_after(1000000);
    assert_int_equal(cheng_start_later(&a, kind, its_time, note_begin, NULL, 0, NULL), 0);
    cheng_sleep(500000);
    cheng_cancel(a);
    int status = finish(a);
    assert_true(status == 5 || status == -ECANCELED);
    assert_int_equal(began, status == 5 ? 1 : 0);
}

EXPLORED(a_thread_started_later)
{
    cancelled_about_its_time(CHENG_THREAD);
}

EXPLORED(a_coroutine_started_later)
{
    cancelled_about_its_time(CHENG_COROUTINE);
}

static int join_both(const void *arg, void *result)
{
    cheng_task *const *both = *(cheng_task *const *const *)arg;
    (void)result;
    int rc = cheng_join_all_until(both, 2, cheng_after(20000));
    if (rc == 0)
        assert_true(!cheng_task_is_alive(both[0]) && !cheng_task_is_alive(both[1]));
    else
        assert_int_equal(rc, -ETIMEDOUT);
    return 0;
}

EXPLORED(two_joined_at_once)
{
    cheng_task *both[] = { start(CHENG_THREAD, do_nothing, 0), start(CHENG_COROUTINE, do_nothing, 0) };
    cheng_task *a = start(CHENG_COROUTINE, join_both, (long)(intptr_t)both);
    assert_int_equal(cheng_join_all(both, 2), 0);
    finish(a); /* before the handles go */
    assert_int_equal(finish(both[0]), 5);
    assert_int_equal(finish(both[1]), 5);
}
