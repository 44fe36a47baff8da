/* Blocking calls on helper threads. */
#include "unit/delays.h"

#include <pthread.h>

struct work {
    int in, out;
    pthread_t thread;
};

static int square(const void *argument, void *result)
{
    struct work *work = result;
    const struct work *given = argument;
    work->out = given->in * given->in;
    work->thread = pthread_self();
    return work->in == 7 ? -ENOENT : work->in;
}

static int offload_square(void *context)
{
    struct work *work = context;
    return cheng_offload(square, work, work);
}

TEST(returns_what_the_function_returned)
{
    for (enum place place = 0; place < PLACES; place++)
        for (int in = 5; in < 9; in++) {
            struct work work = { .in = in };
            struct actor actor;
            actor_start(&actor, place, offload_square, &work);
            int rc = actor_join(&actor);
            assert_int_equal(rc, in == 7 ? -ENOENT : in);
            assert_int_equal(work.out, in * in);
        }
}

static int compare_threads(void *unused)
{
    struct work work = { .in = 1 };
    (void)unused;
    assert_int_equal(cheng_offload(square, &work, &work), 1);
    return pthread_equal(work.thread, pthread_self()) ? 1 : 0;
}

TEST(in_a_thread_it_is_a_plain_call)
{
    static const int same[] = { 1, 0, 0 };
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, compare_threads, NULL);
        assert_int_equal(actor_join(&actor), same[place]);
    }
}

/* A helper that blocks does not hold up the coroutines of the same worker. */
static cheng_semaphore unblock;
static bool blocked_is_over;

static int block_the_thread(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_semaphore_acquire(&unblock); /* a thread's wait: nothing else can run on it */
}

static int offload_block(const void *argument, void *result)
{
    (void)argument, (void)result;
    assert_int_equal(cheng_offload(block_the_thread, NULL, NULL), 0);
    blocked_is_over = true;
    return 0;
}

static int go_on_meanwhile(const void *argument, void *result)
{
    cheng_task *task;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, offload_block, NULL, 0, NULL), 0);
    wait_until_blocked(task, CHENGI_WAIT_OFFLOAD);
    for (int i = 0; i < 100; i++)
        cheng_yield();
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0);
    assert_false(blocked_is_over);
    assert_int_equal(cheng_semaphore_release(&unblock, 1), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    assert_true(blocked_is_over);
    cheng_task_free(task);
    return 0;
}

TEST(blocks_the_caller_only)
{
    assert_int_equal(cheng_run(NULL, go_on_meanwhile, NULL, 0), 0);
}

/* It is no cancellation point: the function uses the caller's memory. */
TEST(is_not_cancelled)
{
    cheng_task *task;
    int status = 1;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, offload_block, NULL, 0, NULL), 0);
    wait_until_blocked(task, CHENGI_WAIT_OFFLOAD);
    cheng_cancel(task);
    assert_int_equal(cheng_join_until(task, NULL, cheng_after(2 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_semaphore_release(&unblock, 1), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, 0);
    cheng_task_free(task);
}

/* More jobs than there may be helpers: each is done, once. */
static unsigned jobs_done;

static int count_job(const void *argument, void *result)
{
    (void)argument, (void)result;
    if (__atomic_fetch_add(&jobs_done, 1, __ATOMIC_RELAXED) % 8 == 0)
        (void)cheng_sleep(100 * CHENG_MICROSECOND);
    return 0;
}

static int offload_ten(const void *argument, void *result)
{
    (void)argument, (void)result;
    for (int i = 0; i < 10; i++)
        assert_int_equal(cheng_offload(count_job, NULL, NULL), 0);
    return 0;
}

TEST(many)
{
    enum { COUNT = 300 };
    static cheng_task *tasks[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, offload_ten, NULL, 0, NULL), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        int status = 1;
        assert_int_equal(cheng_join(tasks[i], &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(tasks[i]);
    }
    assert_int_equal(jobs_done, COUNT * 10);
}

/* A blocking second delays other coroutines by less than 5 ms. */
static int block_for_a_while(const void *argument, void *result)
{
    struct timespec t = { test_long() ? 1 : 0, test_long() ? 0 : 200000000 };
    (void)argument, (void)result;
    nanosleep(&t, NULL);
    return 0;
}

static bool over;

static int offload_a_while(const void *argument, void *result)
{
    (void)argument, (void)result;
    (void)cheng_offload(block_for_a_while, NULL, NULL);
    over = true;
    return 0;
}

static int measure_delay(const void *argument, void *result)
{
    int worst = 0;
    (void)argument, (void)result;
    over = false;
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, offload_a_while, NULL, 0, NULL), 0);
    while (!over) {
        int late = late_by_us();
        worst = late > worst ? late : worst;
    }
    return worst;
}

TEST(delays_nobody) // serial: bounds a delay
{
    int worst = INT32_MAX;
    /* a machine may have stopped as a whole */
    for (int attempt = 0; attempt < 20 && worst >= 5000; attempt++) {
        assert_int_equal(cheng_run(&worst, measure_delay, NULL, 0), 0);
        printf("worst delay %d us\n", worst);
    }
    assert_true(worst < 5000 || slowed_down());
}
