/* Idle workers find work: with three, which this machine's default runtime may not have. */
#include "unit/workers.h"

enum { WORKERS = 3 };

/* One coroutine on each worker: the first starts tasks, the second has work of its own, the third does nothing. */
static uint32_t has_run, nobody_came;
static cheng_event begin[WORKERS];
static cheng_semaphore over;
static bool newest; /* what is left to the third is a newest task, not one of the fresh */

static int run(const void *argument, void *result)
{
    (void)argument, (void)result;
    set_flag(&has_run);
    return 0;
}

static int nothing(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 0;
}

static void start_tasks(void)
{
    struct worker *second = &runtime.workers[1];
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, run, NULL, 0, NULL), 0);
    if (!newest) /* the second wakes, and has not looked yet; this makes the first task anybody's */
        assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, nothing, NULL, 0, NULL), 0);
    else /* the second has seen it, and sleeps again for a millisecond */
        while (!read_flag(&has_run) && (!read_flag(&runtime.sentinel) || !read_flag(&second->sleeping)))
            chengi_host_relax();
    cheng_event_set(&begin[1]);
}

static int be_a_worker(const void *argument, void *result)
{
    unsigned me = settle();
    (void)argument, (void)result;
    while (cheng_event_wait(&begin[me]) == 0) {
        cheng_event_clear(&begin[me]);
        if (me == 0)
            start_tasks();
        if (!hog_until(&has_run))
            set_flag(&nobody_came);
        assert_int_equal(cheng_semaphore_release(&over, 1), 0);
    }
    return 0;
}

static void leave_it_to_the_third(void)
{
    start_workers(WORKERS);
    for (unsigned i = 0; i < WORKERS; i++)
        inject(be_a_worker);
    for (unsigned round = 0; round < 5; round++) {
        wait_until_all_sleep();
        __atomic_store_n(&has_run, 0, __ATOMIC_SEQ_CST);
        cheng_event_set(&begin[0]);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(cheng_semaphore_acquire(&over), 0);
        assert_false(nobody_came);
    }
}

TEST(a_wake_is_handed_on)
{
    leave_it_to_the_third();
}

TEST(a_suspect_is_handed_on)
{
    newest = true;
    leave_it_to_the_third();
}
