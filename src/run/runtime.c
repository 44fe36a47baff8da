#include "run/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "run/upcalls.h"
#include "run/worker.h"

static struct runtime *runtime_new(unsigned count)
{
    struct runtime *runtime = aligned_alloc(CHENGI_CACHE_LINE, sizeof *runtime);
    struct worker *workers = aligned_alloc(CHENGI_CACHE_LINE, count * sizeof *workers);
    if (runtime == NULL || workers == NULL) {
        free(runtime);
        free(workers);
        return NULL;
    }
    memset(runtime, 0, sizeof *runtime);
    runtime->workers = workers;
    runtime->count = count;
    return runtime;
}

static void runtime_free(struct runtime *runtime)
{
    free(runtime->workers);
    free(runtime);
}

int chengi_runtime_run(struct cheng_task *task)
{
    if (chengi_worker != NULL)
        return -EDEADLK;
    struct runtime *runtime = runtime_new(1);
    if (runtime == NULL)
        return -ENOMEM;
    struct worker *worker = runtime->workers;
    int rc = chengi_worker_open(worker, runtime, 0, true);
    if (rc == 0) {
        chengi_worker_enter(worker);
        chengi_worker_submit(worker, task);
        chengi_worker_work(worker); /* returns when no task is left */
        chengi_worker_leave(worker);
    }
    runtime_free(runtime);
    return rc;
}

static struct {
    struct latch latch;
    struct runtime *runtime; /* set once, with release */
    struct runtime *left;    /* by forks: nothing runs on them; kept so that leak checkers know of them */
} standard;

static int worker_main(const void *argument, void *unused)
{
    struct worker *worker = (struct worker *)(uintptr_t)argument;
    (void)unused;
    chengi_host_set_thread_name("cheng-worker");
    chengi_host_block_signals();
    chengi_worker_enter(worker);
    chengi_worker_work(worker); /* for ever: the default runtime never ends */
    return 0;
}

static int standard_runtime(struct runtime **out)
{
    struct runtime *runtime = load_acquire(&standard.runtime);
    int rc = 0;
    if (runtime == NULL) {
        chengi_latch_acquire(&standard.latch);
        runtime = standard.runtime;
        if (runtime == NULL) {
            unsigned opened = 0, started = 0, count = chengi_host_cpus();
            runtime = runtime_new(count);
            rc = runtime == NULL ? -ENOMEM : 0;
            while (rc == 0 && opened < count)
                rc = chengi_worker_open(&runtime->workers[opened], runtime, opened, false), opened += rc == 0;
            while (rc == 0 && started < count)
                rc = chengi_runner_start_thread(worker_main, &runtime->workers[started]), started += rc == 0;
            if (rc < 0 && started > 0) { /* some threads are better than none */
                rc = 0;
            } else if (rc < 0 && runtime != NULL) {
                while (opened > 0)
                    chengi_host_poller_close(&runtime->workers[--opened].poller);
                runtime_free(runtime);
                runtime = NULL;
            }
            store_release(&standard.runtime, runtime);
        }
        chengi_latch_release(&standard.latch);
    }
    *out = runtime;
    return rc;
}

int chengi_runtime_start(struct cheng_task *task)
{
    struct runtime *runtime;
    if (chengi_worker != NULL) {
        chengi_worker_submit(chengi_worker, task);
        return 0;
    }
    int rc = standard_runtime(&runtime);
    if (rc == 0)
        chengi_worker_inject(runtime, task);
    return rc;
}

void chengi_runtime_after_fork(void)
{
    struct runtime *runtime = standard.runtime;
    for (unsigned i = 0; runtime != NULL && i < runtime->count; i++)
        chengi_host_poller_close(&runtime->workers[i].poller); /* or both processes would share its events */
    if (runtime != NULL) { /* its memory stays, and what its workers have: a coroutine may be running on it */
        runtime->former = standard.left;
        standard.left = runtime;
    }
    standard.runtime = NULL;
    standard.latch = (struct latch){ 0 };
    if (chengi_worker != NULL) {
        struct cheng_task *self = chengi_runner_self();
        if (runtime == NULL || chengi_worker->runtime != runtime)
            chengi_host_poller_close(&chengi_worker->poller);
        self->worker = NULL;
        chengi_worker = NULL;
    }
}
