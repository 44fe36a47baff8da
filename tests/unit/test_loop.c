/* A loop: coroutines that run when the program's own loop lets them. */
#include "unit/actors.h"

#include <pthread.h>
#include <unistd.h>

static cheng_loop *loop;
static int turns[4];
static cheng_event event;

static void in_loop(cheng_fn *function, int number)
{
    const cheng_task_options options = { .loop = loop };
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, function, &number, sizeof number, &options), 0);
}

static void new_loop(void)
{
    assert_int_equal(cheng_loop_new(&loop, NULL), 0);
}

static void free_loop(void)
{
    assert_int_equal(cheng_loop_free(loop), 0);
}

static int three_turns(const void *arg, void *result)
{
    (void)result;
    for (int i = 0; i < 3; i++) {
        turns[*(const int *)arg]++;
        cheng_yield();
    }
    return 0;
}

TEST(one_round_gives_each_a_turn)
{
    new_loop();
    in_loop(three_turns, 0);
    in_loop(three_turns, 1);
    for (int round = 1; round <= 3; round++) {
        assert_int_equal(cheng_loop_run_once(loop), -EBUSY);
        assert_int_equal(turns[0], round);
        assert_int_equal(turns[1], round);
    }
    assert_int_equal(cheng_loop_run_once(loop), 0);
    free_loop();
}

static int wait_for_event(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_event_wait(&event);
    turns[*(const int *)arg]++;
    return rc;
}

TEST(until_idle)
{
    new_loop();
    assert_int_equal(cheng_loop_run_until(loop, CHENG_NOW), 0); /* no task at all */
    in_loop(three_turns, 0);
    in_loop(wait_for_event, 1);
    assert_int_equal(cheng_loop_run_until(loop, CHENG_NOW), -EAGAIN);
    assert_int_equal(turns[0], 3);
    assert_int_equal(turns[1], 0);
    assert_int_equal(cheng_loop_run_once(loop), -EAGAIN);
    assert_int_equal(cheng_loop_free(loop), -EBUSY);
    cheng_event_set(&event); /* between two runs, by the loop's own thread */
    assert_int_equal(cheng_loop_run_until(loop, CHENG_NOW), 0);
    assert_int_equal(turns[1], 1);
    free_loop();
}

static int sleep_briefly(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_sleep(20 * CHENG_MILLISECOND);
    turns[*(const int *)arg]++;
    return rc;
}

TEST(until_a_deadline)
{
    new_loop();
    in_loop(sleep_briefly, 0);
    in_loop(wait_for_event, 1);
    int64_t begun = cheng_clock_ns();
    assert_int_equal(cheng_loop_run_until(loop, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_true(cheng_clock_ns() - begun >= CHENG_MILLISECOND);
    do /* again, if both times were up at once */
        assert_int_equal(cheng_loop_run_until(loop, cheng_after(40 * CHENG_MILLISECOND)), -ETIMEDOUT);
    while (turns[0] == 0);
    assert_true(cheng_clock_ns() - begun >= 40 * CHENG_MILLISECOND);
    assert_int_equal(turns[0], 1);
    cheng_event_set(&event);
    assert_int_equal(cheng_loop_run(loop), 0);
    free_loop();
}

static int yield_for_ever(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (!cheng_cancelled())
        cheng_yield();
    return 0;
}

/* Who never waits is interrupted all the same, where it yields. */
TEST(a_deadline_among_the_busy)
{
    cheng_task *busy;
    new_loop();
    assert_int_equal(
        cheng_start(&busy, CHENG_COROUTINE, yield_for_ever, NULL, 0, &(cheng_task_options){ .loop = loop }),
        0);
    assert_int_equal(cheng_loop_run_until(loop, cheng_after(2 * CHENG_MILLISECOND)), -ETIMEDOUT);
    cheng_loop_wake(loop);
    assert_int_equal(cheng_loop_run(loop), -EINTR);
    cheng_cancel(busy);
    assert_int_equal(cheng_loop_run(loop), 0);
    cheng_task_free(busy);
    free_loop();
}

static int wake_from_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_loop_wake(loop);
    return cheng_sleep(CHENG_MILLISECOND);
}

static int wake_later(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_sleep(10 * CHENG_MILLISECOND), 0);
    cheng_loop_wake(loop);
    return 0;
}

TEST(wake_ends_a_run)
{
    cheng_task *thread;
    new_loop();
    cheng_loop_wake(loop);
    cheng_loop_wake(loop); /* before a run: it is kept, once */
    assert_int_equal(cheng_loop_run(loop), -EINTR);
    assert_int_equal(cheng_loop_run(loop), 0);
    cheng_loop_wake(loop);
    assert_int_equal(cheng_loop_run_once(loop), -EINTR);
    in_loop(wake_from_within, 0);
    assert_int_equal(cheng_loop_run(loop), -EINTR);
    in_loop(wait_for_event, 1);
    assert_int_equal(cheng_start(&thread, CHENG_THREAD, wake_later, NULL, 0, NULL), 0);
    assert_int_equal(cheng_loop_run(loop), -EINTR); /* while it sleeps */
    cheng_join(thread, NULL);
    cheng_task_free(thread);
    cheng_event_set(&event);
    assert_int_equal(cheng_loop_run(loop), 0);
    free_loop();
}

static int start_in_loop(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 100; i++) {
        in_loop(sleep_briefly, 2);
        assert_int_equal(cheng_sleep(20 * CHENG_MICROSECOND), 0);
    }
    cheng_event_set(&event);
    return 0;
}

TEST(others_start_tasks_in_it)
{
    cheng_task *thread;
    new_loop();
    in_loop(wait_for_event, 1);
    assert_int_equal(cheng_start(&thread, CHENG_THREAD, start_in_loop, NULL, 0, NULL), 0);
    assert_int_equal(cheng_loop_run(loop), 0);
    cheng_join(thread, NULL);
    cheng_task_free(thread);
    assert_int_equal(cheng_loop_run(loop), 0);
    assert_int_equal(turns[2], 100);
    free_loop();
}

static pthread_t owner;

static int check_thread(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_true(pthread_equal(pthread_self(), owner));
    assert_int_equal(cheng_loop_run(loop), -EDEADLK);
    assert_int_equal(cheng_loop_run_once(loop), -EDEADLK);
    in_loop(three_turns, 3); /* its own runtime's */
    return 0;
}

static int run_foreign(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_loop_run(loop), -EPERM);
    assert_int_equal(cheng_loop_run_once(loop), -EPERM);
    assert_int_equal(cheng_loop_free(loop), -EPERM);
    return 0;
}

TEST(belongs_to_one_thread)
{
    cheng_task *thread;
    new_loop();
    owner = pthread_self();
    in_loop(check_thread, 0);
    assert_int_equal(cheng_loop_run(loop), 0);
    assert_int_equal(turns[3], 3);
    assert_int_equal(cheng_start(&thread, CHENG_THREAD, run_foreign, NULL, 0, NULL), 0);
    cheng_join(thread, NULL);
    cheng_task_free(thread);
    assert_int_equal(cheng_run(NULL, check_thread, NULL, 0), 0); /* a runtime between two runs */
    assert_int_equal(cheng_loop_run(loop), 0);
    assert_int_equal(turns[3], 6);
    free_loop();
    assert_int_equal(cheng_loop_free(NULL), 0);
}

TEST(only_coroutines_run_in_it)
{
    cheng_task *none = NULL;
    new_loop();
    assert_int_equal(
        cheng_start(&none, CHENG_THREAD, three_turns, NULL, 0, &(cheng_task_options){ .loop = loop }),
        -EINVAL);
    assert_null(none);
    free_loop();
}

static int order[8], count;

static int idler(const void *arg, void *result)
{
    (void)result;
    cheng_idle();
    order[count++] = *(const int *)arg;
    return 0;
}

static int yielder(const void *arg, void *result)
{
    (void)result;
    for (int i = 0; i < 200; i++)
        cheng_yield();
    order[count++] = *(const int *)arg;
    return 0;
}

static int idle_among_others(const void *arg, void *result)
{
    (void)arg, (void)result;
    int numbers[] = { 0, 1, 2, 3 };
    cheng_fn *functions[] = { idler, yielder, idler, yielder };
    for (int i = 0; i < 4; i++)
        assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, functions[i], &numbers[i], sizeof(int), NULL), 0);
    return 0;
}

static void check_idle_order(void)
{
    static const int expected[] = { 1, 3, 0, 2 };
    assert_int_equal(count, 4);
    assert_memory_equal(order, expected, sizeof expected);
    count = 0;
}

TEST(idle_waits_until_no_other_can_go_on)
{
    assert_int_equal(cheng_run(NULL, idle_among_others, NULL, 0), 0);
    check_idle_order();
    new_loop();
    in_loop(idle_among_others, 0);
    assert_int_equal(cheng_loop_run_until(loop, CHENG_NOW), 0); /* who waits for that can go on */
    check_idle_order();
    in_loop(idle_among_others, 0);
    int rounds = 0;
    while (cheng_loop_run_once(loop) == -EBUSY)
        rounds++;
    assert_true(rounds > 200);
    check_idle_order();
    free_loop();
    cheng_idle(); /* a thread's yield */
}

static int read_byte(const void *arg, void *result)
{
    char byte;
    (void)result;
    assert_int_equal(cheng_poll(*(const int *)arg, CHENG_READABLE, NULL, CHENG_FOREVER), 0);
    assert_int_equal(read(*(const int *)arg, &byte, 1), 1);
    turns[0]++;
    return 0;
}

/* Each manner of running asks for descriptors. */
TEST(sees_descriptors)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    new_loop();
    for (int i = 0; i < 3; i++) {
        in_loop(read_byte, ends[0]);
        assert_int_equal(cheng_loop_run_until(loop, CHENG_NOW), -EAGAIN);
        assert_int_equal(write(ends[1], "x", 1), 1);
        int rc = i == 0   ? cheng_loop_run_until(loop, CHENG_NOW)
                 : i == 1 ? cheng_loop_run_once(loop)
                          : cheng_loop_run(loop);
        assert_int_equal(rc, 0);
        assert_int_equal(turns[0], i + 1);
    }
    free_loop();
    close(ends[0]);
    close(ends[1]);
}
