/* A runtime of as many workers as a test wants, whatever the machine has. */
#ifndef CHENG_TEST_WORKERS_H
#define CHENG_TEST_WORKERS_H

#include "host/host.h"
#include "run/worker.h"
#include "unit/actors.h"

static struct runtime runtime;

static inline void *worker_main(void *argument)
{
    chengi_worker_enter(argument);
    chengi_worker_work(argument);
    return NULL;
}

static inline void start_workers(unsigned count)
{
    runtime.count = count;
    runtime.workers = aligned_alloc(CHENGI_CACHE_LINE, count * sizeof *runtime.workers);
    assert_non_null(runtime.workers);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(chengi_worker_open(&runtime.workers[i], &runtime, i, false), 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(chengi_host_start(worker_main, &runtime.workers[i], 0), 0);
}

/* Starts a coroutine there from outside. */
static inline void inject(cheng_fn *function)
{
    struct cheng_task *task = chengi_runner_new(CHENG_COROUTINE, false);
    assert_non_null(task);
    task->function = function;
    task->argument = task->result = NULL;
    task->argument_size = task->result_size = 0;
    task->stack_size = CHENGI_STACK_DEFAULT;
    task->life = CHENGI_DROPPED;
    chengi_worker_inject(&runtime, task);
}

static inline uint32_t read_flag(const uint32_t *flag)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static inline void set_flag(uint32_t *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
}

/* Holds its worker until the flag is set; false: it was not, for a long time. */
static inline bool hog_until(const uint32_t *flag)
{
    int64_t end = cheng_clock_ns() + 5 * CHENG_SECOND;
    while (!read_flag(flag) && cheng_clock_ns() < end)
        chengi_host_yield(); /* not cheng_yield: the worker does nothing else */
    return read_flag(flag) != 0;
}

/* For one coroutine on each worker: returns, with its worker's number, when all are there. */
static inline unsigned settle(void)
{
    static uint32_t settled;
    __atomic_fetch_add(&settled, 1, __ATOMIC_SEQ_CST);
    while (read_flag(&settled) < runtime.count)
        chengi_host_yield();
    return chengi_worker->index;
}

/* Until all workers sleep, and none for a limited time only: who fell asleep before another looks once more. */
static inline void wait_until_all_sleep(void)
{
    for (int i = 0; i < 2; i++) {
        cheng_sleep(i * 150 * CHENG_MILLISECOND);
        for (unsigned k = 0; k < runtime.count; k++)
            while (!read_flag(&runtime.workers[k].sleeping))
                cheng_yield();
    }
}

#endif
