/* What people complain about elsewhere: each case first brings the situation about. The exit that waits for ever (PP24) is in
 * test_task_life.c. */
#include "unit/actors.h"

#include <stdatomic.h>
#include <unistd.h>

#define FOR_EACH_KIND(kind) for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++)

static int sleep_for_ever(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_sleep_until(CHENG_FOREVER);
}

/* PP23: no way to end a task that runs. */
TEST(a_running_task_is_cancelled)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        int status = 0;
        assert_int_equal(cheng_start(&task, kind, sleep_for_ever, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(5 * CHENG_MILLISECOND)), -ETIMEDOUT);
        cheng_cancel(task);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(5 * CHENG_SECOND)), 0);
        assert_int_equal(status, -ECANCELED);
        cheng_task_free(task);
    }
}

static atomic_int failures;

static void count_failure(const cheng_incident *incident)
{
    failures += incident->kind == CHENG_FAILURE && incident->error == -EIO;
}

static int fail_with_io(const void *argument, void *result)
{
    (void)argument, (void)result;
    return -EIO;
}

/* PP32: failures of threads are silent. */
TEST(a_failure_is_told_once)
{
    cheng_set_incident_hook(count_failure);
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        int status = 0;
        failures = 0;
        assert_int_equal(cheng_start(&task, kind, fail_with_io, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, -EIO);
        cheng_task_free(task);
        assert_int_equal(failures, 0); /* whoever joined it knows */
        assert_int_equal(cheng_start(NULL, kind, fail_with_io, NULL, 0, NULL), 0);
        while (failures == 0) /* nobody joins: the hook is told */
            cheng_yield();
        assert_int_equal(failures, 1);
    }
}

static int cleaned;

static int wait_for_more(void *argument, void *value, void **result)
{
    (void)argument, (void)value, (void)result;
    int rc = cheng_generator_yield(NULL, NULL);
    cleaned += rc == -ECANCELED;
    return rc;
}

static int leave_one_suspended(const void *argument, void *result)
{
    cheng_coroutine *coroutine;
    void *value;
    (void)argument, (void)result;
    assert_int_equal(cheng_coroutine_new(&coroutine, wait_for_more, NULL, NULL), 0);
    assert_int_equal(cheng_generator_next(coroutine, NULL, &value), 0);
    memcpy(result, &coroutine, sizeof coroutine);
    return 0;
}

/* PP37: coroutines leak when their thread ends. */
TEST(coroutines_of_a_task_that_ends)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        cheng_coroutine *left;
        cleaned = 0;
        assert_int_equal(cheng_start(&task, kind, leave_one_suspended, NULL, 0,
                                     &(cheng_task_options){ .result_size = sizeof left }),
                         0);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_int_equal(cleaned, 1);
        assert_int_equal(cheng_task_result(task, &left, sizeof left), 0);
        assert_true(cheng_coroutine_is_dead(left));
        assert_int_equal(cheng_coroutine_free(left), 0);
        cheng_task_free(task);
    }
}

/* ---- who hogs a thread ---- */

static atomic_bool stop;
static atomic_int hogs, stepped;

static void stop_the_hog(const cheng_incident *incident)
{
    if (incident->kind == CHENG_HOG) /* on a busy machine others may be told of, too */
        hogs += strstr(incident->report, "hog has run for") != NULL;
}

static int hog(const void *argument, void *result)
{
    (void)argument, (void)result;
    while (!stop)
        continue;
    return 0;
}

static int step(const void *argument, void *result)
{
    (void)argument, (void)result;
    for (int i = 0; i < 10; i++) {
        stepped++;
        cheng_sleep(CHENG_MILLISECOND);
    }
    return 0;
}

static int stop_when_told(const void *argument, void *result)
{
    (void)argument, (void)result;
    while (hogs == 0)
        cheng_sleep(CHENG_MILLISECOND);
    int so_far = stepped;
    stop = true;
    return so_far;
}

static int hog_first(const void *argument, void *result)
{
    cheng_task *task;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, step, NULL, 0, NULL), 0);
    cheng_task_rename(cheng_current(), "hog");
    (void)hog(NULL, NULL);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
    return 0;
}

/* PP33: one that computes stalls all. On one thread it does, and the watchdog says who it is; with workers others go on. */
TEST(one_that_computes) // serial: others must get a processor meanwhile
{
    cheng_task *task, *other;
    int status;
    cheng_set_incident_hook(stop_the_hog);
    assert_int_equal(cheng_watch(20 * CHENG_MILLISECOND), 0);
    assert_int_equal(cheng_start(&task, CHENG_THREAD, stop_when_told, NULL, 0, NULL), 0);
    assert_int_equal(cheng_run(NULL, hog_first, NULL, 0), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    cheng_task_free(task);
    assert_int_equal(status, 0); /* not a step while it computed */
    assert_int_equal(stepped, 10);
    cpu_set_t usable;
    assert_int_equal(sched_getaffinity(0, sizeof usable, &usable), 0);
    if (CPU_COUNT(&usable) < 2)
        return; /* one worker */
    stop = false;
    stepped = hogs = 0;
    assert_int_equal(
        cheng_start(&task, CHENG_COROUTINE, hog, NULL, 0, &(cheng_task_options){ .name = "hog" }), 0);
    while (hogs == 0) /* it has a worker */
        cheng_sleep(CHENG_MILLISECOND);
    assert_int_equal(cheng_start(&other, CHENG_COROUTINE, step, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join_until(other, NULL, cheng_after(20 * CHENG_SECOND)), 0);
    assert_int_equal(stepped, 10);
    assert_true(cheng_task_is_alive(task));
    stop = true;
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
    cheng_task_free(other);
    assert_int_equal(cheng_watch(0), 0);
}

/* ---- calls that block the thread ---- */

static int pipe_ends[2];

static int read_blocking(const void *argument, void *result)
{
    char byte;
    (void)argument, (void)result;
    return (int)read(pipe_ends[0], &byte, 1);
}

static int read_offloaded(const void *argument, void *result)
{
    return cheng_offload(read_blocking, argument, result);
}

static int write_byte(const void *argument, void *result)
{
    (void)argument, (void)result;
    return (int)write(pipe_ends[1], "x", 1);
}

/* The reader first, then, if it lets anybody, the writer that it waits for: on one thread. */
static int reader_then_writer(const void *argument, void *result)
{
    cheng_task *reader, *writer;
    int status = -1;
    (void)result;
    cheng_fn *function = *(cheng_fn *const *)argument;
    assert_int_equal(cheng_start(&reader, CHENG_COROUTINE, function, NULL, 0, NULL), 0);
    assert_int_equal(cheng_start(&writer, CHENG_COROUTINE, write_byte, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(reader, &status), 0);
    assert_int_equal(cheng_join(writer, NULL), 0);
    cheng_task_free(reader);
    cheng_task_free(writer);
    return status;
}

static int write_after_a_while(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_sleep(30 * CHENG_MILLISECOND);
    return stepped == 0 ? write_byte(NULL, NULL) : 0; /* nobody else has: the thread is stuck */
}

static int run_reader(cheng_fn *function)
{
    int status = -1;
    assert_int_equal(cheng_run(&status, reader_then_writer, &function, sizeof function), 0);
    return status;
}

/* PP35: a blocking call stalls its thread's coroutines, unless the program was patched in time. Here it does, too, and only
 * help from another thread ends it; what is offloaded, or called by Cheng's own name, needs no patch. */
TEST(a_call_that_blocks)
{
    cheng_task *helper;
    cheng_fn *own = read_blocking;
    assert_int_equal(pipe(pipe_ends), 0);
    stepped = 0;
    int64_t begun = cheng_clock_ns();
    assert_int_equal(cheng_start(&helper, CHENG_THREAD, write_after_a_while, NULL, 0, NULL), 0);
    assert_int_equal(run_reader(own), 1);
    assert_true(cheng_clock_ns() - begun >= 30 * CHENG_MILLISECOND);
    assert_int_equal(cheng_join(helper, NULL), 0);
    cheng_task_free(helper);
    (void)!read(pipe_ends[0], &(char){ 0 }, 1); /* the writer's, which came too late */
    assert_int_equal(run_reader(read_offloaded), 1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* ---- all wait ---- */

static cheng_queue *empty;
static char lines[2000];

static int get_in_vain(const void *argument, void *result)
{
    int item;
    (void)argument, (void)result;
    return cheng_queue_get(empty, &item);
}

static void keep_line(const char *line, void *unused)
{
    (void)unused;
    strncat(lines, line, sizeof lines - strlen(lines) - 1);
}

/* PP34: a get of an empty queue, and nobody left who could put: "would block forever", and not who, nor for what. */
TEST(all_wait)
{
    cheng_loop *loop;
    cheng_task *tasks[2];
    char expected[100];
    assert_int_equal(cheng_queue_new(&empty, sizeof(int), NULL), 0);
    assert_int_equal(cheng_loop_new(&loop, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            cheng_start(&tasks[i], CHENG_COROUTINE, get_in_vain, NULL, 0,
                        &(cheng_task_options){ .name = i == 0 ? "first" : "second", .loop = loop }),
            0);
    assert_int_equal(cheng_loop_run_until(loop, CHENG_NOW), -EAGAIN);
    cheng_dump(keep_line, NULL);
    for (int i = 0; i < 2; i++) {
        snprintf(expected, sizeof expected, "%s, coroutine %llu: waits to get from queue %p",
                 cheng_task_name(tasks[i]), (unsigned long long)cheng_task_ident(tasks[i]), (void *)empty);
        assert_non_null(strstr(lines, expected));
    }
    cheng_cancel_all(tasks, 2);
    assert_int_equal(cheng_loop_run(loop), 0);
    for (int i = 0; i < 2; i++)
        cheng_task_free(tasks[i]);
    assert_int_equal(cheng_loop_free(loop), 0);
    cheng_queue_free(empty);
}
