/* Idle workers find work: with three, which this machine's default runtime may not have. */
#include <sys/syscall.h>
#include <unistd.h>

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

/* ---- the newest task of a worker that never lets go: of the default runtime's, as many as a case wants ---- */

static unsigned pretended_cpus;

/* In place of the C library's. */
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    memset(set, 0, size); /* the kernel fills in what it has */
    if (pretended_cpus == 0)
        return syscall(SYS_sched_getaffinity, pid, size, set) < 0 ? -1 : 0;
    for (unsigned i = 0; i < pretended_cpus; i++)
        CPU_SET(i, set);
    return 0;
}

static int raise_flag(const void *argument, void *result)
{
    (void)result;
    set_flag(*(uint32_t *const *)argument);
    return 0;
}

/* Only a thief can run what it starts. */
static int start_and_hog(const void *argument, void *result)
{
    uint32_t done = 0, *flag = &done;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, raise_flag, &flag, sizeof flag, NULL), 0);
    assert_true(hog_until(&done));
    return 0;
}

TEST(newest_of_a_busy_worker_is_stolen_at_the_start)
{
    cheng_task *task;
    pretended_cpus = 2;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, start_and_hog, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
}

struct busy {
    uint32_t begun, over;
};

static int hog_then_start(const void *argument, void *result)
{
    struct busy *busy = *(struct busy *const *)argument;
    set_flag(&busy->begun);
    assert_true(hog_until(&busy->over));
    return start_and_hog(NULL, result);
}

TEST(newest_is_stolen_from_whatever_worker)
{
    enum { BUSY = 3 };
    struct busy busy[BUSY] = { 0 };
    cheng_task *tasks[BUSY];
    pretended_cpus = 4;
    /* workers 0 to 2 are busy; then all but one come free and go to sleep */
    for (int i = 0; i < BUSY; i++) {
        struct busy *one = &busy[i];
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, hog_then_start, &one, sizeof one, NULL), 0);
        while (!read_flag(&one->begun))
            chengi_host_yield();
    }
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(cheng_sleep(50 * CHENG_MILLISECOND),
                         0); /* the idle sleep; if not, the case is easier */
        set_flag(&busy[i].over);
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
}
