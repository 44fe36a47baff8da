#include "run/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/deadline.h"
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
        chengi_worker_close(worker);
    }
    runtime_free(runtime);
    return rc;
}

/* ---- loops ---- */

struct cheng_loop {
    struct runtime *runtime;
    struct worker *worker;    /* its only one */
    struct cheng_task *owner; /* the thread that has run it first; NULL: none has */
};

static int order_by(struct worker *worker, const cheng_policy *policy)
{
    if (policy->push == NULL || policy->pop == NULL)
        return -EINVAL;
    worker->ordered = calloc(1, sizeof *worker->ordered + policy->size);
    if (worker->ordered == NULL)
        return -ENOMEM;
    worker->ordered->policy = policy;
    worker->look_at = worker->tick + 1;
    return 0;
}

int cheng_loop_new(cheng_loop **out, const cheng_loop_options *options)
{
    struct cheng_loop *loop = calloc(1, sizeof *loop);
    struct runtime *runtime = runtime_new(1);
    int rc =
        loop == NULL || runtime == NULL ? -ENOMEM : chengi_worker_open(runtime->workers, runtime, 0, true);
    if (rc == 0 && options != NULL && options->policy != NULL) {
        rc = order_by(runtime->workers, options->policy);
        if (rc < 0)
            chengi_worker_close(runtime->workers);
    }
    if (rc < 0) {
        if (runtime != NULL)
            runtime_free(runtime);
        free(loop);
        return rc;
    }
    *loop = (struct cheng_loop){ runtime, runtime->workers, NULL };
    *out = loop;
    return 0;
}

static int belongs_to_caller(struct cheng_loop *loop)
{
    return loop->owner == NULL || loop->owner == chengi_runner_self() ? 0 : -EPERM;
}

int cheng_loop_free(cheng_loop *loop)
{
    if (loop == NULL)
        return 0;
    int rc = belongs_to_caller(loop);
    if (rc == 0 && (loop->worker->live != 0 || load_acquire(&loop->worker->inbox) != NULL))
        rc = -EBUSY;
    if (rc == 0) {
        chengi_worker_close(loop->worker);
        runtime_free(loop->runtime);
        free(loop);
    }
    return rc;
}

static int enter(struct cheng_loop *loop)
{
    if (chengi_worker != NULL)
        return -EDEADLK;
    int rc = belongs_to_caller(loop);
    if (rc == 0) {
        loop->owner = chengi_runner_self();
        loop->worker->watched.loop = true;
        chengi_worker_enter(loop->worker);
    }
    return rc;
}

/* Acquire: partner is chengi_worker_tell. */
static bool was_told(struct worker *worker)
{
    return __atomic_exchange_n(&worker->told, 0, __ATOMIC_ACQUIRE) != 0;
}

int cheng_loop_run_until(cheng_loop *loop, cheng_deadline deadline)
{
    struct worker *worker = loop->worker;
    int rc = enter(loop);
    if (rc < 0)
        return rc;
    worker->until_ns = deadline.at_ns;
    do { /* once more if its last task has ended while others sent some */
        worker->root_waits = true;
        chengi_worker_work(worker);
        worker->root_waits = false;
        rc = was_told(worker) ? -EINTR : 0;
    } while (rc == 0 && worker->live == 0 && chengi_worker_look(worker));
    if (rc == 0 && worker->live != 0)
        rc = chengi_is_now(deadline) ? -EAGAIN : -ETIMEDOUT;
    chengi_worker_leave(worker);
    return rc;
}

int cheng_loop_run(cheng_loop *loop)
{
    return cheng_loop_run_until(loop, CHENG_FOREVER);
}

int cheng_loop_run_once(cheng_loop *loop)
{
    struct worker *worker = loop->worker;
    int rc = enter(loop);
    if (rc < 0)
        return rc;
    if (!was_told(worker)) {
        if (chengi_worker_look(worker))
            chengi_worker_yield();
        else if (worker->idle != NULL)
            chengi_worker_idle();
        bool more = chengi_worker_look(worker) || worker->idle != NULL;
        rc = worker->live == 0 ? 0 : more ? -EBUSY : -EAGAIN;
    } else {
        rc = -EINTR;
    }
    chengi_worker_leave(worker);
    return rc;
}

void cheng_loop_wake(cheng_loop *loop)
{
    chengi_worker_tell(loop->worker);
}

void cheng_idle(void)
{
    if (chengi_worker != NULL)
        chengi_worker_idle();
    else
        chengi_host_yield();
}

/* ---- the default runtime ---- */

static struct {
    struct latch latch;
    struct runtime *runtime; /* set once, with release */
    struct runtime *left;    /* by forks: nothing runs on them; kept so that leak checkers know of them */
} standard;

static int worker_main(const void *argument, void *unused)
{
    struct worker *worker = (struct worker *)(uintptr_t)argument;
    (void)unused;
    chengi_host_enter_own_thread("cheng-worker");
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

int chengi_runtime_start(struct cheng_task *task, struct cheng_loop *loop)
{
    struct runtime *runtime;
    if (loop != NULL && loop->worker != chengi_worker) {
        chengi_worker_send(loop->worker, task);
        return 0;
    }
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
