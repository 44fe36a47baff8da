/* The end of a process whose tasks have not ended: daemons, the limit, loops, handlers of exit. */
#include "unit/actors.h"

#include <sys/wait.h>
#include <unistd.h>

#define FOR_EACH_KIND(kind) for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++)

static int out[2];

static void say(char letter)
{
    assert_int_equal(write(out[1], &letter, 1), 1);
}

static void say_handler(void)
{
    say('h');
}

/* 50 ms is an age for what would not wait. */
static bool said_late; /* of a loop's thread */

static int say_late(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_sleep(50 * CHENG_MILLISECOND);
    say('t');
    said_late = true;
    return 0;
}

static int sleep_for_ever(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_sleep_until(CHENG_FOREVER);
}

/* What a child that runs `body`, then exits, has said; "!" for one that does not end by itself. */
static const char *said_by(void (*body)(void))
{
    static char text[16];
    int status;
    memset(text, 0, sizeof text);
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(out[0]);
        alarm(5);
        body();
        exit(0);
    }
    close(out[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(read(out[0], text, sizeof text - 1) >= 0);
    close(out[0]);
    return status == 0 ? text : "!";
}

static enum cheng_kind the_kind;
static const cheng_task_options daemon_options = { .daemon = true };

static void leave_one_running(void)
{
    assert_int_equal(cheng_start(NULL, the_kind, say_late, NULL, 0, NULL), 0);
    atexit(say_handler);
}

static void leave_a_daemon_running(void)
{
    assert_int_equal(cheng_start(NULL, the_kind, sleep_for_ever, NULL, 0, &daemon_options), 0);
    atexit(say_handler);
}

/* The rule, and the situation of PP24: without the option, a task that never ends keeps the process. */
static void leave_one_that_never_ends(void)
{
    assert_int_equal(cheng_start(NULL, the_kind, sleep_for_ever, NULL, 0, NULL), 0);
    alarm(1);
}

TEST(waits_for_tasks_then_calls_handlers) // notsan: noqemu: no threads in a threaded program's child
{
    FOR_EACH_KIND(kind)
    {
        the_kind = kind;
        assert_string_equal(said_by(leave_one_running), "th");
        assert_string_equal(said_by(leave_a_daemon_running), "h");
        assert_string_equal(said_by(leave_one_that_never_ends), "!");
    }
}

static void say_abandoned(const cheng_incident *incident)
{
    assert_int_equal(incident->kind, CHENG_ABANDONED);
    assert_int_equal(incident->error, -ETIMEDOUT);
    bool all =
        strcmp(incident->report, "the exit has waited for 1000 ms and leaves stuck, stuck too\n") == 0 ||
        strcmp(incident->report, "the exit has waited for 1000 ms and leaves stuck too, stuck\n") == 0;
    say(all ? 'a' : '?');
}

static int compute_for_ever(const void *argument, void *result)
{
    (void)argument, (void)result;
    for (volatile bool stop = false; !stop;)
        ;
    return 0;
}

/* One that sleeps, and one that does not even wait; a third ends in time, and a daemon is not waited for. */
static void leave_two_stuck(void)
{
    cheng_set_incident_hook(say_abandoned);
    assert_int_equal(cheng_set_exit_limit(3 * CHENG_SECOND), -1);
    assert_int_equal(cheng_set_exit_limit(CHENG_SECOND), 3 * CHENG_SECOND);
    assert_int_equal(cheng_start(NULL, the_kind, sleep_for_ever, NULL, 0, &daemon_options), 0);
    assert_int_equal(cheng_start(NULL, the_kind, say_late, NULL, 0, NULL), 0);
    assert_int_equal(
        cheng_start(NULL, the_kind, sleep_for_ever, NULL, 0, &(cheng_task_options){ .name = "stuck" }), 0);
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, compute_for_ever, NULL, 0,
                                 &(cheng_task_options){ .name = "stuck too" }),
                     0);
    atexit(say_handler);
}

static void leave_twenty_stuck(void)
{
    cheng_set_exit_limit(0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(cheng_start(NULL, the_kind, sleep_for_ever, NULL, 0, NULL), 0);
}

static void all_end_in_time(void)
{
    cheng_set_incident_hook(say_abandoned);
    cheng_set_exit_limit(60 * CHENG_SECOND);
    leave_one_running();
}

TEST(has_a_limit) // serial: notsan: noqemu: a delay; no threads in a threaded program's child
{
    FOR_EACH_KIND(kind)
    {
        the_kind = kind;
        assert_string_equal(said_by(leave_two_stuck), "tah");
        assert_string_equal(said_by(leave_twenty_stuck), "");
        assert_string_equal(said_by(all_end_in_time), "th");
    }
}

static int start_another(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_sleep(20 * CHENG_MILLISECOND);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, say_late, NULL, 0, NULL), 0);
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, say_late, NULL, 0, NULL), 0);
    return 0;
}

static void leave_one_that_starts_others(void)
{
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, start_another, NULL, 0, NULL), 0);
}

static cheng_lock lock;

/* Whoever looks last finds that the exit and this wait for each other: it may be this. */
static int want_lock(const void *argument, void *result)
{
    (void)argument, (void)result;
    int rc = cheng_lock_acquire_until(&lock, CHENG_FOREVER);
    if (rc != -EDEADLK)
        say('l');
    return rc;
}

static void leave_one_that_waits_for_us(void)
{
    cheng_task *task;
    cheng_lock_acquire(&lock);
    assert_int_equal(cheng_start(&task, CHENG_THREAD, want_lock, NULL, 0, NULL), 0);
    wait_until_blocked(task, CHENGI_WAIT_LOCK);
}

static int call_exit(const void *argument, void *result)
{
    (void)argument, (void)result;
    exit(0);
}

static void exit_in_a_task(void)
{
    cheng_task *task;
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, sleep_for_ever, NULL, 0, NULL), 0);
    assert_int_equal(cheng_start(&task, the_kind, call_exit, NULL, 0, NULL), 0);
    cheng_join(task, NULL);
}

static int say_in_turn(const void *argument, void *result)
{
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, sleep_for_ever, NULL, 0, NULL), 0);
    return say_late(argument, result);
}

static cheng_loop *loop_with_two(void)
{
    static cheng_task_options options;
    assert_int_equal(cheng_loop_new(&options.loop, NULL), 0);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, say_in_turn, NULL, 0, &options), 0);
    return options.loop;
}

static void leave_a_loop(void)
{
    assert_int_equal(cheng_loop_run_until(loop_with_two(), CHENG_NOW), -EAGAIN);
}

static int run_a_loop(const void *argument, void *result)
{
    cheng_loop *loop = loop_with_two();
    (void)argument, (void)result;
    while (!said_late)
        assert_int_equal(cheng_loop_run_until(loop, cheng_after(100 * CHENG_MILLISECOND)), -ETIMEDOUT);
    return 0;
}

static void leave_a_thread_that_runs_a_loop(void)
{
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, run_a_loop, NULL, 0, NULL), 0);
}

TEST(with_loops) // notsan: noqemu: no threads in a threaded program's child
{
    assert_string_equal(said_by(leave_a_loop), ""); /* nobody would run it */
    assert_string_equal(said_by(leave_a_thread_that_runs_a_loop), "t");
}

TEST(with_tasks_of_all_sorts) // notsan: noqemu: no threads in a threaded program's child
{
    assert_string_equal(said_by(leave_one_that_starts_others), "tt");
    assert_string_equal(said_by(leave_one_that_waits_for_us), "");
    FOR_EACH_KIND(kind)
    {
        the_kind = kind;
        assert_string_equal(said_by(exit_in_a_task), "");
    }
}

/* What the main thread waits for keeps the daemons alive as well. */
static cheng_event daemon_said;

static int say_soon(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_sleep(50 * CHENG_MILLISECOND);
    say('d');
    cheng_event_set(&daemon_said);
    return cheng_sleep_until(CHENG_FOREVER);
}

static int say_after_the_daemon(const void *argument, void *result)
{
    (void)argument, (void)result;
    assert_int_equal(cheng_event_wait(&daemon_said), 0);
    say('t');
    return 0;
}

static void leave_one_and_a_daemon(void)
{
    assert_int_equal(cheng_start(NULL, the_kind, say_after_the_daemon, NULL, 0, NULL), 0);
    assert_int_equal(cheng_start(NULL, the_kind, say_soon, NULL, 0, &daemon_options), 0);
    atexit(say_handler);
}

static int say_now(const void *argument, void *result)
{
    (void)argument, (void)result;
    say('n');
    return 0;
}

static void start_in_a_handler(void)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, the_kind, say_now, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    say('h');
    assert_int_equal(cheng_start(NULL, the_kind, say_late, NULL, 0, NULL),
                     0); /* waited for when the handlers have ended */
}

static void leave_a_handler_that_starts_some(void)
{
    assert_int_equal(cheng_start(NULL, the_kind, say_late, NULL, 0, NULL), 0);
    atexit(start_in_a_handler);
}

TEST(with_tasks_meanwhile) // notsan: noqemu: no threads in a threaded program's child
{
    FOR_EACH_KIND(kind)
    {
        the_kind = kind;
        assert_string_equal(said_by(leave_one_and_a_daemon), "dth");
        assert_string_equal(said_by(leave_a_handler_that_starts_some), "tnht");
    }
}
