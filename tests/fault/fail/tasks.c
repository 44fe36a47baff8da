/* Scenarios: tasks, their stacks and runtimes, waiting, deadlocks. */
#include <cheng.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"

enum { LARGE = 100, CROWD = 1600, FOREIGN = 40 };

static int copy(const void *arg, void *result)
{
    memcpy(result, arg, LARGE);
    return 0;
}

static int nothing(const void *arg, void *result)
{
    (void)arg, (void)result;
    return 0;
}

static int start_and_join(enum cheng_kind kind, const cheng_task_options *options)
{
    char argument[LARGE] = "something", result[LARGE] = "";
    cheng_task *task = NULL;
    int status = 0, rc = cheng_start(&task, kind, options->result_size == 0 ? nothing : copy, argument,
                                     options->result_size, options);
    if (rc < 0)
        return expect(task == NULL), rc;
    rc = cheng_join(task, &status);
    if (rc == 0 && status == 0 && options->result_size != 0) {
        expect(cheng_task_result(task, result, sizeof result) == 0);
        expect(strcmp(argument, result) == 0);
    }
    cheng_task_free(task);
    return rc < 0 ? rc : status;
}

SCENARIO(thread, ENOMEM, EAGAIN)
{
    return start_and_join(CHENG_THREAD, &(cheng_task_options){ .result_size = LARGE, .name = "worker" });
}

SCENARIO(thread_stack, ENOMEM, EAGAIN)
{
    return start_and_join(CHENG_THREAD, &(cheng_task_options){ .stack_size = 64 << 10 });
}

SCENARIO(coroutine, ENOMEM, EAGAIN, EMFILE, ENFILE, ENOSPC)
{
    return start_and_join(CHENG_COROUTINE, &(cheng_task_options){ .result_size = LARGE });
}

static int stack_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    return start_and_join(CHENG_COROUTINE, &(cheng_task_options){ .stack_size = 64 << 10 });
}

static int run_two(const void *arg, void *result)
{
    (void)arg, (void)result;
    return start_and_join(CHENG_COROUTINE, &(cheng_task_options){ .result_size = LARGE });
}

static int in_run(cheng_fn *function, const void *argument, size_t size)
{
    int status = 0, rc = cheng_run(&status, function, argument, size);
    return rc < 0 ? rc : status;
}

SCENARIO(coroutine_stack, ENOMEM, EMFILE, ENFILE, ENOSPC)
{
    return in_run(stack_within, NULL, 0);
}

SCENARIO(run, ENOMEM, EMFILE, ENFILE, ENOSPC)
{
    return in_run(run_two, NULL, 0);
}

/* On one worker: two that have no stack for a task take regions from one another, and may make a spare one. */
HANDICAPPED(run_mprotect, run, "madvise", "chengi_host_guard", 0, EINVAL, ENOMEM, EMFILE, ENFILE, ENOSPC)
HANDICAPPED(run_old_kernel, run, "madvise", "probe_guards", 0, EINVAL, ENOMEM, EMFILE, ENFILE, ENOSPC)

/* ---- many ---- */

struct one_of_many {
    cheng_task *task;
    cheng_event go;
};

static int wait_to_go(const void *arg, void *result)
{
    struct one_of_many *one = *(struct one_of_many *const *)arg;
    (void)result;
    return cheng_event_wait(&one->go);
}

/* More than the first table of tasks, the first region of stacks and the first lot have room for. */
static int crowd_within(const void *arg, void *result)
{
    static struct one_of_many many[CROWD];
    int rc = 0, n = 0;
    (void)arg, (void)result;
    memset(many, 0, sizeof many);
    for (struct one_of_many *one; n < CROWD && rc == 0; n += rc == 0) {
        one = &many[n];
        rc = cheng_start(&one->task, CHENG_COROUTINE, wait_to_go, &one, sizeof one, NULL);
    }
    cheng_yield();
    for (int i = 0; i < n; i++)
        cheng_event_set(&many[i].go);
    for (int i = 0; i < n; i++) {
        int status;
        expect(cheng_join(many[i].task, &status) == 0);
        rc = rc < 0 ? rc : status;
        cheng_task_free(many[i].task);
    }
    return rc;
}

SCENARIO(crowd, ENOMEM, EMFILE, ENFILE, ENOSPC)
{
    return in_run(crowd_within, NULL, 0);
}

/* ---- threads that are not ours ---- */

static void *foreign(void *barrier)
{
    static cheng_lock lock;
    CHENG_WITH(&lock) {
        expect(cheng_name() != NULL);
    }
    pthread_barrier_wait(barrier);
    return NULL;
}

static int adopt(int count)
{
    pthread_t threads[FOREIGN];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)count);
    for (int i = 0; i < count; i++)
        expect(pthread_create(&threads[i], NULL, foreign, &barrier) == 0);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    return 0;
}

SCENARIO(adopt_one)
{
    return adopt(1);
}

/* Each takes 32 slots at a time: more than the first table has. */
static int adopt_many(void)
{
    return adopt(FOREIGN);
}

SCENARIO_(adopt_many, adopt_many, .may_end = true)

/* ---- waiting ---- */

struct meeting {
    cheng_lock lock;
    cheng_condition changed;
    cheng_event begun;
    cheng_semaphore units;
    int stage;
};

static int visitor(const void *arg, void *result)
{
    struct meeting *m = *(struct meeting *const *)arg;
    int rc = cheng_lock_acquire_until(&m->lock, cheng_after(CHENG_SECOND));
    (void)result;
    if (rc < 0)
        return rc;
    cheng_event_set(&m->begun);
    while (rc == 0 && m->stage == 0)
        rc = cheng_condition_wait_until(&m->changed, &m->lock, cheng_after(CHENG_SECOND));
    cheng_lock_release(&m->lock);
    cheng_semaphore_release(&m->units, 1);
    return rc;
}

/* Main holds the lock when the visitor comes, then each waits for the other in every way. */
static int meet(struct meeting *m, enum cheng_kind kind)
{
    cheng_task *task;
    expect(cheng_lock_acquire_until(&m->lock, CHENG_NOW) == 0);
    int status = 0, rc = cheng_start(&task, kind, visitor, &m, sizeof m, NULL);
    if (rc == 0)
        expect(cheng_event_wait_until(&m->begun, cheng_after(CHENG_MILLISECOND)) == -ETIMEDOUT);
    cheng_lock_release(&m->lock);
    if (rc < 0)
        return rc;
    rc = cheng_event_wait_until(&m->begun, cheng_after(CHENG_SECOND * 3 / 2));
    expect(cheng_lock_acquire_until(&m->lock, cheng_after(CHENG_SECOND)) == 0);
    m->stage = 1;
    cheng_lock_release(&m->lock);
    cheng_condition_notify(&m->changed, 1);
    if (rc == 0)
        rc = cheng_semaphore_acquire_until(&m->units, cheng_after(CHENG_SECOND));
    expect(cheng_sleep(CHENG_MILLISECOND) == 0);
    expect(cheng_join_until(task, &status, cheng_after(3 * CHENG_SECOND)) == 0);
    cheng_task_free(task);
    return status < 0 ? status : rc;
}

SCENARIO(meet_thread, ENOMEM, EAGAIN)
{
    struct meeting m = { .stage = 0 };
    return meet(&m, CHENG_THREAD);
}

/* A coroutine without a stack ends with ENOMEM after a second: nobody sets the event then. */
SCENARIO(meet_coroutine, ENOMEM, EAGAIN, EMFILE, ENFILE, ENOSPC)
{
    struct meeting m = { .stage = 0 };
    return meet(&m, CHENG_COROUTINE);
}

static int meet_within(const void *arg, void *result)
{
    struct meeting m = { .stage = 0 };
    (void)arg, (void)result;
    return meet(&m, CHENG_COROUTINE);
}

SCENARIO(meet_in_run, ENOMEM, EMFILE, ENFILE, ENOSPC)
{
    return in_run(meet_within, NULL, 0);
}

/* A worker that waits for a timer sleeps: it does not spend the time. */
static int sleep_within(const void *arg, void *result)
{
    const cheng_duration nap = 50 * CHENG_MILLISECOND;
    cheng_duration spent = nap;
    struct timespec before, after;
    (void)arg, (void)result;
    /* a machine that stops counts that as ours */
    for (int attempt = 0; attempt < 5 && spent >= nap / 2; attempt++) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
        expect(cheng_sleep(nap) == 0);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
        spent = (after.tv_sec - before.tv_sec) * CHENG_SECOND + after.tv_nsec - before.tv_nsec;
    }
    expect(spent < nap / 2);
    return 0;
}

SCENARIO(sleep_in_run, ENOMEM, EMFILE, ENFILE, ENOSPC)
{
    return in_run(sleep_within, NULL, 0);
}

HANDICAPPED(sleep_old_kernel, sleep_in_run, "syscall", "epoll_wait_ns", 0, ENOSYS, ENOMEM, EMFILE, ENFILE,
            ENOSPC)
HANDICAPPED(sleep_filtered, sleep_in_run, "syscall", "epoll_wait_ns", 0, EPERM, ENOMEM, EMFILE, ENFILE,
            ENOSPC)

static int sleep_for_ever(const void *arg, void *result)
{
    (void)result;
    cheng_event_set(*(cheng_event *const *)arg);
    int rc = cheng_sleep_until(CHENG_FOREVER);
    return rc == -ECANCELED ? 0 : rc;
}

static int cancel(enum cheng_kind kind)
{
    cheng_event begun = { 0 }, *event = &begun;
    cheng_task *task;
    int status = 0, rc = cheng_start(&task, kind, sleep_for_ever, &event, sizeof event, NULL);
    if (rc < 0)
        return rc;
    rc = cheng_event_wait_until(&begun, cheng_after(2 * CHENG_SECOND));
    cheng_cancel(task);
    expect(cheng_join(task, &status) == 0);
    cheng_task_free(task);
    return status < 0 ? status : rc;
}

SCENARIO(cancel_thread, ENOMEM, EAGAIN)
{
    return cancel(CHENG_THREAD);
}

SCENARIO(cancel_coroutine, ENOMEM, EAGAIN, EMFILE, ENFILE, ENOSPC)
{
    return cancel(CHENG_COROUTINE);
}

SCENARIO(queue, ENOMEM)
{
    cheng_queue *queue;
    int item = 7, rc = cheng_queue_new(&queue, sizeof item, &(cheng_queue_options){ .capacity = 2 });
    if (rc < 0)
        return rc;
    expect(cheng_queue_put(queue, &item) == 0 && cheng_queue_put_until(queue, &item, CHENG_NOW) == 0);
    expect(cheng_queue_put_until(queue, &item, cheng_after(CHENG_MILLISECOND)) == -ETIMEDOUT);
    expect(cheng_queue_get(queue, &item) == 0 && item == 7);
    cheng_queue_close(queue);
    cheng_queue_free(queue);
    return 0;
}

/* ---- deadlocks ---- */

/* Without memory there is no report, rather than one of an earlier deadlock. */
SCENARIO(deadlock)
{
    cheng_lock first = { 0 }, second = { 0 };
    cheng_lock *locks[] = { &first, &second };
    for (int i = 0; i < 2; i++) {
        char name[32];
        expect(cheng_lock_acquire_until(locks[i], CHENG_FOREVER) == 0);
        expect(cheng_lock_acquire_until(locks[i], CHENG_FOREVER) == -EDEADLK);
        snprintf(name, sizeof name, "%p", (void *)locks[i]);
        const char *report = cheng_deadlock_report();
        expect(report[0] == '\0' || strstr(report, name) != NULL);
        cheng_lock_release(locks[i]);
    }
    return 0;
}

static void end_well(const cheng_incident *incident)
{
    _exit(incident->kind == CHENG_DEADLOCK && strncmp(incident->report, "deadlock", 8) == 0 ? 0 : 1);
}

SCENARIO(deadlock_incident)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        cheng_lock lock = { 0 };
        cheng_set_incident_hook(end_well);
        cheng_lock_acquire(&lock);
        cheng_lock_acquire(&lock);
    }
    expect(waitpid(child, &status, 0) == child && status == 0);
    return 0;
}

/* ---- helpers, overflows, forks ---- */

static int offload_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_offload(nothing, NULL, NULL);
}

SCENARIO(offload, ENOMEM, EAGAIN, EMFILE, ENFILE, ENOSPC)
{
    return in_run(offload_within, NULL, 0);
}

static int overflow(const void *arg, void *result)
{
    volatile char frame[1 << 14] = "";
    (void)result;
    frame[0] = *(const char *)arg;
    return frame[0] == 'x' ? 0 : overflow((const char *)(uintptr_t)frame, result) + frame[1];
}

SCENARIO(overflow_reporter, ENOMEM, EMFILE, ENFILE, ENOSPC)
{
    expect(cheng_report_overflows() == 0);
    int status, rc = in_run(overflow, "x", 2);
    pid_t child = fork();
    if (child == 0)
        _exit(in_run(overflow, "y", 2) < 0 ? 2 : 1);
    expect(waitpid(child, &status, 0) == child);
    expect((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == 2));
    return rc;
}

/* The child of a process with a runtime, a helper and a task that waits makes its own. */
SCENARIO(fork_child, ENOMEM, EAGAIN, EMFILE, ENFILE, ENOSPC)
{
    const cheng_task_options options = { .result_size = LARGE };
    int status, rc = start_and_join(CHENG_COROUTINE, &options);
    pid_t child = fork();
    if (child == 0) {
        rc = start_and_join(CHENG_COROUTINE, &options);
        if (rc == 0)
            rc = in_run(run_two, NULL, 0);
        _exit(-rc);
    }
    expect(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return rc < 0 ? rc : -WEXITSTATUS(status);
}
