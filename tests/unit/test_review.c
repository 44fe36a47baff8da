/* What the review of 2026-11-22 found (docs/reviews): one case for each bug, which failed before its fix. */
#include "unit/actors.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "park/lot.h"
#include "run/stack.h"

/* ---- what a slot of the table of runners leaves to its next user ---- */

static int return_seven(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 7;
}

static int run_once_more(const void *argument, void *result)
{
    int *runs = *(int *const *)argument, status = 0;
    (void)result;
    assert_int_equal(++*runs, 1); /* it came again: as a coroutine of its own runtime */
    assert_int_equal(cheng_run(&status, return_seven, NULL, 0), 0);
    assert_int_equal(status, 7);
    return 0;
}

TEST(run_in_a_thread_whose_stack_is_as_large_as_a_coroutines)
{
    cheng_task *task;
    cheng_task_options options = { .stack_size = CHENGI_STACK_DEFAULT };
    int counter = 0, *runs = &counter, status = -1;
    assert_int_equal(cheng_start(&task, CHENG_THREAD, run_once_more, &runs, sizeof runs, &options), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, 0);
    cheng_task_free(task);
}

/* Fills its magazine with slots that have had a task with a large argument and result, and leaves them. */
static void *use_slots(void *unused)
{
    cheng_task *tasks[40];
    char bytes[200] = { 0 };
    cheng_task_options options = { .result_size = sizeof bytes };
    for (int i = 0; i < 40; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, return_seven, bytes, sizeof bytes, &options),
                         0);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    return unused;
}

static void *run_in_foreign_thread(void *unused)
{
    int status = 0;
    assert_true(cheng_task_ident(cheng_current()) > 1 << 22); /* a slot that was used before */
    assert_int_equal(cheng_run(&status, return_seven, NULL, 0), 0);
    assert_int_equal(status, 7);
    return unused;
}

static void in_foreign_thread(void *(*function)(void *))
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, function, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

TEST(foreign_thread_in_a_used_slot)
{
    in_foreign_thread(use_slots);
    in_foreign_thread(run_in_foreign_thread);
}

static void *start_and_end(void *unused)
{
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, return_seven, NULL, 0, NULL), 0);
    return unused;
}

static void *free_and_end(void *task)
{
    cheng_task_free(task);
    return NULL;
}

static uint64_t slot_of_new_task(void)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, return_seven, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    uint64_t slot = (cheng_task_ident(task) - 1) & ((1 << 22) - 1);
    cheng_task_free(task);
    return slot;
}

TEST(threads_that_only_start_tasks_keep_no_slots)
{
    for (int i = 0; i < 300; i++)
        in_foreign_thread(start_and_end);
    pthread_t thread;
    cheng_task *task;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, return_seven, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_int_equal(pthread_create(&thread, NULL, free_and_end, task), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    for (int i = 0; i < 40; i++)
        assert_true(slot_of_new_task() < 1024); /* one chunk */
}

static int fill_result(const void *argument, void *result)
{
    assert_int_equal((uintptr_t)argument % 16, 0);
    assert_int_equal((uintptr_t)result % 16, 0);
    return 0;
}

TEST(small_results_are_aligned)
{
    for (size_t argument_size = 1; argument_size <= 48; argument_size++)
        for (size_t result_size = 1; result_size <= 48; result_size++) {
            char bytes[48] = { 0 };
            cheng_task *task;
            cheng_task_options options = { .result_size = result_size };
            assert_int_equal(cheng_start(&task, CHENG_COROUTINE, fill_result, bytes, argument_size, &options),
                             0);
            assert_int_equal(cheng_join(task, NULL), 0);
            cheng_task_free(task);
        }
}

/* ---- stacks ---- */

static int lift_the_limit(const void *argument, void *result)
{
    (void)result;
    assert_int_equal(setrlimit(RLIMIT_AS, argument), 0);
    return 0;
}

/* One task ends; the next wants a stack that cannot be had; the one after it wants an ordinary one: the very stack
 * that the first is still looking around on. */
static int end_with_one_that_cannot_begin(const void *argument, void *result)
{
    const struct rlimit *had = argument;
    cheng_task_options large = { .stack_size = CHENGI_STACK_MOST };
    (void)result;
    struct rlimit few = { (rlim_t)600 << 20, had->rlim_max };
    assert_int_equal(setrlimit(RLIMIT_AS, &few), 0);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, return_seven, NULL, 0, &large), 0);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, lift_the_limit, had, sizeof *had, NULL), 0);
    return 0;
}

TEST(a_large_one_cannot_begin) // noasan: notsan: novalgrind: noqemu: bounds the address space
{
    struct rlimit had;
    assert_int_equal(getrlimit(RLIMIT_AS, &had), 0);
    assert_int_equal(cheng_run(NULL, end_with_one_that_cannot_begin, &had, sizeof had), 0);
}

/* ---- newest tasks ---- */

static unsigned pretended_cpus;

/* In place of the C library's: the default runtime gets as many workers as a test wants. */
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    memset(set, 0, size); /* the kernel fills in what it has */
    if (pretended_cpus == 0)
        return syscall(SYS_sched_getaffinity, pid, size, set) < 0 ? -1 : 0;
    for (unsigned i = 0; i < pretended_cpus; i++)
        CPU_SET(i, set);
    return 0;
}

static int set_flag(const void *argument, void *result)
{
    (void)result;
    atomic_store(*(atomic_int *const *)argument, 1);
    return 0;
}

/* Never blocks: only a thief can run what it starts. */
static int start_and_compute(const void *argument, void *result)
{
    atomic_int done = 0, *flag = &done;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, set_flag, &flag, sizeof flag, NULL), 0);
    int64_t until = cheng_clock_ns() + 10 * CHENG_SECOND;
    while (!atomic_load(&done))
        assert_true(cheng_clock_ns() < until);
    return 0;
}

TEST(newest_of_a_busy_worker_is_stolen_at_the_start)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, start_and_compute, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
}

static int compute_until(const void *argument, void *result)
{
    atomic_int *phase = *(atomic_int *const *)argument;
    (void)result;
    atomic_store(phase, 1);
    while (atomic_load(phase) != 2)
        sched_yield();
    return 0;
}

static int compute_then_start(const void *argument, void *result)
{
    (void)compute_until(argument, NULL);
    return start_and_compute(NULL, result);
}

static void wait_for_phase(atomic_int *phase, int value)
{
    while (atomic_load(phase) != value)
        sched_yield();
}

TEST(newest_is_stolen_from_whatever_worker)
{
    pretended_cpus = 4;
    enum { BUSY = 3 };
    atomic_int phases[BUSY] = { 0 };
    cheng_task *tasks[BUSY];
    /* workers 0 to 2 are busy; then all but one come free and go to sleep */
    for (int i = 0; i < BUSY; i++) {
        atomic_int *phase = &phases[i];
        assert_int_equal(
            cheng_start(&tasks[i], CHENG_COROUTINE, compute_then_start, &phase, sizeof phase, NULL), 0);
        wait_for_phase(phase, 1);
    }
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(cheng_sleep(50 * CHENG_MILLISECOND), 0);
        atomic_store(&phases[i], 2);
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
}

/* ---- a worker that always finds somebody whom others have woken ---- */

struct relay {
    cheng_semaphore turns[2];
    atomic_int wanted; /* 1 + whom the helper is to wake; 0: done; -1: end */
    atomic_int rang;
    int64_t until;
    int yields;
};

static void *wake_as_told(void *argument)
{
    struct relay *relay = argument;
    for (int wanted; (wanted = atomic_load(&relay->wanted)) >= 0;) {
        if (wanted > 0) {
            cheng_semaphore_release(&relay->turns[wanted - 1], 1);
            atomic_store(&relay->wanted, 0);
        }
        sched_yield();
    }
    return NULL;
}

static int run_relay(struct relay *relay, int me)
{
    while (!atomic_load(&relay->rang) && cheng_clock_ns() < relay->until) {
        atomic_store(&relay->wanted, 2 - me); /* the other: in the inbox before we park */
        while (atomic_load(&relay->wanted) != 0)
            sched_yield();
        assert_int_equal(cheng_semaphore_acquire(&relay->turns[me]), 0);
    }
    return cheng_semaphore_release(&relay->turns[1 - me], 1);
}

static int run_second(const void *argument, void *result)
{
    struct relay *relay = *(struct relay *const *)argument;
    (void)result;
    assert_int_equal(cheng_semaphore_acquire(&relay->turns[1]), 0);
    return run_relay(relay, 1);
}

static int ring_soon(const void *argument, void *result)
{
    (void)result;
    assert_int_equal(cheng_sleep(10 * CHENG_MILLISECOND), 0);
    atomic_store(&(*(struct relay *const *)argument)->rang, 1);
    return 0;
}

static int run_first(const void *argument, void *result)
{
    struct relay *relay = *(struct relay *const *)argument;
    (void)result;
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, ring_soon, argument, sizeof relay, NULL), 0);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, run_second, argument, sizeof relay, NULL), 0);
    for (int i = 0; i < relay->yields; i++)
        cheng_yield();
    return run_relay(relay, 0);
}

TEST(timers_are_looked_at_however_many_are_woken)
{
    for (int yields = 2; yields < 4; yields++) {
        struct relay relay = { .until = cheng_clock_ns() + 5 * CHENG_SECOND, .yields = yields }, *it = &relay;
        pthread_t helper;
        assert_int_equal(pthread_create(&helper, NULL, wake_as_told, it), 0);
        assert_int_equal(cheng_run(NULL, run_first, &it, sizeof it), 0);
        atomic_store(&relay.wanted, -1);
        assert_int_equal(pthread_join(helper, NULL), 0);
        assert_true(cheng_clock_ns() < relay.until);
    }
}
