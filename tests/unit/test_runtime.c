/* What a coroutine may rely on: its thread, errno, its stack, its turn; and cheng_run. */
#include "unit/actors.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- cheng_run ---- */

static int return_seven(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 7;
}

static int run_within(const void *argument, void *result)
{
    int status = 5;
    (void)argument, (void)result;
    assert_int_equal(cheng_run(&status, return_seven, NULL, 0), -EDEADLK);
    assert_int_equal(status, 5);
    return 9;
}

TEST(run_does_not_nest)
{
    int status = 0;
    cheng_task *task;
    assert_int_equal(cheng_run(&status, run_within, NULL, 0), 0);
    assert_int_equal(status, 9);
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, run_within, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, 9);
    cheng_task_free(task);
}

TEST(run_checks_its_arguments)
{
    int status = 5;
    assert_int_equal(cheng_run(&status, NULL, NULL, 0), -EINVAL);
    assert_int_equal(cheng_run(&status, return_seven, NULL, 8), -EINVAL);
    assert_int_equal(status, 5);
    assert_int_equal(cheng_run(NULL, return_seven, NULL, 0), 0); /* one after the other is fine */
    assert_int_equal(cheng_run(&status, return_seven, NULL, 0), 0);
    assert_int_equal(status, 7);
}

static struct {
    pthread_t thread;
    unsigned ended;
} inside;

/* Starts two more, and so on, and ends before them. */
static int branch(const void *argument, void *result)
{
    int depth;
    (void)result;
    memcpy(&depth, argument, sizeof depth);
    assert_true(pthread_equal(pthread_self(), inside.thread)); /* no other thread takes part */
    for (int i = 0; depth > 0 && i < 2; i++) {
        int below = depth - 1;
        assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, branch, &below, sizeof below, NULL), 0);
    }
    assert_int_equal(cheng_sleep((depth % 3) * CHENG_MILLISECOND), 0);
    inside.ended++; /* one thread: no lock is needed */
    return 0;
}

TEST(run_returns_after_all_that_started_within)
{
    int depth = 7;
    inside.thread = pthread_self();
    assert_int_equal(cheng_run(NULL, branch, &depth, sizeof depth), 0);
    assert_int_equal(inside.ended, 255);
    assert_string_equal(cheng_name(), "MainThread"); /* the thread is itself again */
}

/* ---- what a coroutine may rely on ---- */

static int keep_errno(const void *argument, void *result)
{
    int mine;
    (void)result;
    memcpy(&mine, argument, sizeof mine);
    pthread_t thread = pthread_self();
    for (int i = 0; i < 200; i++) {
        errno = mine;
        if (i % 3)
            cheng_yield();
        else
            assert_int_equal(cheng_sleep(CHENG_MICROSECOND * (mine % 7)), 0);
        assert_int_equal(errno, mine);
        assert_true(pthread_equal(thread, pthread_self())); /* it stays on its kernel thread */
    }
    return 0;
}

TEST(errno_is_kept)
{
    enum { COUNT = 20 };
    cheng_task *tasks[COUNT];
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, keep_errno, &i, sizeof i, NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
}

static int fill_stack(const void *argument, void *result)
{
    size_t size;
    (void)result;
    memcpy(&size, argument, sizeof size);
    volatile char *array = __builtin_alloca(size);
    for (size_t i = 0; i < size; i += 512)
        array[i] = (char)i;
    cheng_yield();
    int sum = 0;
    for (size_t i = 0; i < size; i += 512)
        sum += array[i] == (char)i ? 0 : 1;
    return sum;
}

TEST(stack_sizes)
{
    /* 7 KiB are left to the calls, to the control block and to what sanitizers add */
    static const size_t sizes[] = { 32 << 10, 100000, 256 << 10, 1 << 20, 8 << 20 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
            if (RUNNING_ON_VALGRIND && sizes[i] > 1 << 20)
                continue; /* it takes a frame of 2 MB for a switch of stacks */
            size_t usable = sizes[i] - (14 << 10);
            int status = -1;
            cheng_task *task;
            assert_int_equal(cheng_start(&task, kind, fill_stack, &usable, sizeof usable,
                                         &(cheng_task_options){ .stack_size = sizes[i] }),
                             0);
            assert_int_equal(cheng_join(task, &status), 0);
            assert_int_equal(status, 0);
            cheng_task_free(task);
        }
}

static atomic_int order;

static int take_number(const void *argument, void *result)
{
    (void)argument;
    int mine = atomic_fetch_add(&order, 1);
    memcpy(result, &mine, sizeof mine);
    return 0;
}

/* A coroutine that yields in cheng_run lets those that wait for the processor go first. */
static int yield_after_start(const void *argument, void *result)
{
    cheng_task *tasks[3];
    int number;
    (void)argument, (void)result;
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, take_number, NULL, 0,
                                     &(cheng_task_options){ .result_size = sizeof(int) }),
                         0);
    assert_int_equal(atomic_load(&order), 0);
    cheng_yield();
    assert_int_equal(atomic_load(&order), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cheng_join_until(tasks[i], NULL, CHENG_NOW), 0);
        assert_int_equal(cheng_task_result(tasks[i], &number, sizeof number), 0);
        assert_int_equal(number, i); /* first in, first out */
        cheng_task_free(tasks[i]);
    }
    return 0;
}

TEST(yield_goes_to_the_end_of_the_queue)
{
    assert_int_equal(cheng_run(NULL, yield_after_start, NULL, 0), 0);
}
