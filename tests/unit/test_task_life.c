/* What the process sees of its tasks: names that change, enumerate, daemons and the exit, hooks, starting later. */
#include "unit/actors.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOR_EACH_KIND(kind) for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++)

static cheng_event go;

static int wait_for_go(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_event_wait(&go);
}

static cheng_task *start_waiting(enum cheng_kind kind, const cheng_task_options *options)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, kind, wait_for_go, NULL, 0, options), 0);
    return task;
}

static void finish(cheng_task *task)
{
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
}

/* ---- names and numbers ---- */

TEST(rename_while_running)
{
    FOR_EACH_KIND(kind)
    {
        char given[CHENG_NAME_SIZE];
        cheng_event_clear(&go);
        cheng_task *task = start_waiting(kind, NULL);
        snprintf(given, sizeof given, "%s", cheng_task_name(task));
        cheng_task_rename(task, "a name that is longer than the thirty-one bytes");
        assert_string_equal(cheng_task_name(task), "a name that is longer than the ");
        cheng_task_rename(task, NULL);
        assert_string_equal(cheng_task_name(task), given);
        cheng_task_rename(task, "");
        assert_string_equal(cheng_task_name(task), given);
        cheng_event_set(&go);
        finish(task);
    }
    cheng_task_rename(cheng_current(), "renamed");
    assert_string_equal(cheng_name(), "renamed");
}

static void check_kernel_name(const char *expected)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%ld/comm", syscall(SYS_gettid));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, expected);
}

static int kernel_names(const void *argument, void *result)
{
    (void)argument, (void)result;
    check_kernel_name("given to the th\n");
    cheng_task_rename(cheng_current(), "kernel-sees-this");
    check_kernel_name("kernel-sees-thi\n");
    return 0;
}

TEST(the_kernel_knows_a_threads_name)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, CHENG_THREAD, kernel_names, NULL, 0,
                                 &(cheng_task_options){ .name = "given to the thread" }),
                     0);
    finish(task);
}

static int native_ids(const void *argument, void *result)
{
    (void)argument, (void)result;
    assert_int_equal(cheng_task_native_id(cheng_current()), syscall(SYS_gettid));
    return cheng_event_wait(&go);
}

TEST(native_id)
{
    assert_int_equal(cheng_task_native_id(cheng_current()), getpid());
    cheng_task *thread, *coroutine;
    assert_int_equal(cheng_start(&coroutine, CHENG_COROUTINE, native_ids, NULL, 0, NULL), 0);
    assert_int_equal(cheng_start(&thread, CHENG_THREAD, native_ids, NULL, 0, NULL), 0);
    wait_until_blocked(thread, CHENGI_WAIT_EVENT);
    uint64_t id = cheng_task_native_id(thread);
    assert_true(id != 0 && id != (uint64_t)getpid());
    assert_int_equal(cheng_task_native_id(coroutine), 0); /* another's */
    cheng_event_set(&go);
    cheng_join(thread, NULL);
    assert_int_equal(cheng_task_native_id(thread), id); /* kept */
    finish(thread);
    finish(coroutine);
}

static void *main_is_not_this(void *unused)
{
    assert_true(cheng_main_task() != cheng_current());
    return unused;
}

TEST(main_task)
{
    pthread_t thread;
    cheng_task *self = cheng_current();
    assert_ptr_equal(cheng_main_task(), self);
    assert_int_equal(pthread_create(&thread, NULL, main_is_not_this, NULL), 0);
    pthread_join(thread, NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(cheng_main_task() == self && cheng_task_native_id(self) == (uint64_t)getpid() ? 0 : 1);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void *fork_elsewhere(void *unused)
{
    pid_t pid = fork();
    if (pid == 0) {
        bool none = cheng_main_task() == NULL; /* it has not called yet */
        cheng_task *self = cheng_current();
        _exit(none && cheng_main_task() == self ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    return unused;
}

TEST(main_task_of_another_threads_fork)
{
    pthread_t thread;
    (void)cheng_current();
    assert_int_equal(pthread_create(&thread, NULL, fork_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
}

static void *ask_for_main(void *unused)
{
    assert_null(cheng_main_task());
    assert_int_equal(cheng_enumerate(NULL, 0), 1);
    return unused;
}

TEST(main_task_that_never_called)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask_for_main, NULL), 0);
    pthread_join(thread, NULL);
}

/* ---- enumerate ---- */

static const cheng_task_info *find(const cheng_task_info *infos, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(infos[i].name, name) == 0)
            return &infos[i];
    return NULL;
}

static void *foreign(void *ready)
{
    cheng_task_rename(cheng_current(), "foreign");
    cheng_event_set(ready);
    cheng_event_wait(&go);
    return NULL;
}

TEST(enumerate)
{
    cheng_task_info infos[8];
    cheng_event ready = { 0 };
    pthread_t thread;
    assert_int_equal(cheng_enumerate(NULL, 0), 1); /* the caller */
    cheng_task *a = start_waiting(CHENG_THREAD, &(cheng_task_options){ .name = "a" });
    cheng_task *b = start_waiting(CHENG_COROUTINE, &(cheng_task_options){ .name = "b", .daemon = true });
    assert_int_equal(pthread_create(&thread, NULL, foreign, &ready), 0);
    cheng_event_wait(&ready);
    memset(infos, 0xee, sizeof infos);
    assert_int_equal(cheng_enumerate(infos, 8), 4); /* no worker among them */
    const cheng_task_info *info = find(infos, 4, "MainThread");
    assert_true(info != NULL && info->kind == CHENG_THREAD && !info->daemon);
    assert_int_equal(info->native_id, getpid());
    info = find(infos, 4, "a");
    assert_true(info != NULL && info->kind == CHENG_THREAD && !info->daemon);
    assert_int_equal(info->ident, cheng_task_ident(a));
    assert_false(cheng_task_is_daemon(a));
    info = find(infos, 4, "b");
    assert_true(info != NULL && info->kind == CHENG_COROUTINE && info->daemon);
    assert_int_equal(info->ident, cheng_task_ident(b));
    assert_true(cheng_task_is_daemon(b));
    info = find(infos, 4, "foreign");
    assert_true(info != NULL && info->kind == CHENG_THREAD && info->daemon);
    memset(infos, 0xee, sizeof infos);
    assert_int_equal(cheng_enumerate(infos, 2), 4); /* more than there is room for */
    assert_int_equal(infos[2].ident, 0xeeeeeeeeeeeeeeee);
    cheng_event_set(&go);
    pthread_join(thread, NULL);
    assert_int_equal(cheng_join(a, NULL), 0);
    assert_int_equal(cheng_join(b, NULL), 0);
    assert_int_equal(cheng_enumerate(NULL, 0),
                     1); /* those that have ended are not there, whoever has a handle */
    cheng_task_free(a);
    cheng_task_free(b);
}

static atomic_bool stop;

static int keep_starting(const void *argument, void *result)
{
    (void)argument, (void)result;
    while (!stop) {
        cheng_task *task;
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, wait_for_go, NULL, 0,
                                     &(cheng_task_options){ .name = "short" }),
                         0);
        cheng_task_rename(task, "renamed");
        finish(task);
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, wait_for_go, NULL, 0, NULL), 0);
        finish(task);
    }
    return 0;
}

TEST(enumerate_while_others_start_and_end)
{
    cheng_task_info infos[64];
    cheng_event_set(&go);
    cheng_task *tasks[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_THREAD, keep_starting, NULL, 0, NULL), 0);
    for (unsigned n = scaled(4000); n-- > 0;) {
        size_t count = cheng_enumerate(infos, 64);
        assert_in_range(count, 3, 16);
        for (size_t i = 0; i < count; i++) {
            const char *name = infos[i].name;
            assert_true(infos[i].kind == CHENG_THREAD || infos[i].kind == CHENG_COROUTINE);
            assert_true(strcmp(name, "short") == 0 || strcmp(name, "renamed") == 0 ||
                        strcmp(name, "MainThread") == 0 || strncmp(name, "Coroutine-", 10) == 0 ||
                        strncmp(name, "Thread-", 7) == 0);
        }
    }
    stop = true;
    finish(tasks[0]);
    finish(tasks[1]);
}

/* ---- the exit ---- */

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
static int say_late(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_sleep(50 * CHENG_MILLISECOND);
    say('t');
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

TEST(exit_waits_for_tasks_then_calls_handlers) // notsan: noqemu: no threads in a threaded program's child
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
    while (!stop)
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

TEST(exit_has_a_limit) // serial: notsan: noqemu: a delay; no threads in a threaded program's child
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

static int want_lock(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_lock_acquire(&lock);
    say('l');
    return 0;
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
    (void)argument, (void)result;
    return cheng_loop_run_until(loop_with_two(), cheng_after(100 * CHENG_MILLISECOND)) == -ETIMEDOUT ? 0
                                                                                                     : -EIO;
}

static void leave_a_thread_that_runs_a_loop(void)
{
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, run_a_loop, NULL, 0, NULL), 0);
}

TEST(exit_with_loops) // notsan: noqemu: no threads in a threaded program's child
{
    assert_string_equal(said_by(leave_a_loop), ""); /* nobody would run it */
    assert_string_equal(said_by(leave_a_thread_that_runs_a_loop), "t");
}

TEST(exit_with_tasks_of_all_sorts) // notsan: noqemu: no threads in a threaded program's child
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
static int say_soon(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_sleep(10 * CHENG_MILLISECOND);
    say('d');
    return cheng_sleep_until(CHENG_FOREVER);
}

static void leave_one_and_a_daemon(void)
{
    assert_int_equal(cheng_start(NULL, the_kind, say_late, NULL, 0, NULL), 0);
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
    assert_int_equal(cheng_start(NULL, the_kind, say_late, NULL, 0, NULL),
                     0); /* waited for when the handlers have ended */
    say('h');
}

static void leave_a_handler_that_starts_some(void)
{
    assert_int_equal(cheng_start(NULL, the_kind, say_late, NULL, 0, NULL), 0);
    atexit(start_in_a_handler);
}

TEST(exit_with_tasks_meanwhile) // notsan: noqemu: no threads in a threaded program's child
{
    FOR_EACH_KIND(kind)
    {
        the_kind = kind;
        assert_string_equal(said_by(leave_one_and_a_daemon), "dth");
        assert_string_equal(said_by(leave_a_handler_that_starts_some), "tnht");
    }
}

/* ---- hooks ---- */

static atomic_int begun, ended;
static cheng_task *began_in;

static void on_start(void)
{
    began_in = cheng_current();
    begun++;
}

static void on_end(void)
{
    assert_ptr_equal(cheng_current(), began_in);
    ended++;
}

static int inside(const void *argument, void *result)
{
    (void)argument, (void)result;
    assert_ptr_equal(cheng_current(), began_in);
    assert_int_equal(begun, ended + 1);
    return 0;
}

TEST(hooks)
{
    assert_null(cheng_set_start_hook(on_start));
    assert_null(cheng_set_end_hook(on_end));
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        assert_int_equal(cheng_start(&task, kind, inside, NULL, 0, NULL), 0);
        finish(task);
    }
    assert_int_equal(cheng_run(NULL, inside, NULL, 0), 0);
    assert_int_equal(begun, 3);
    assert_int_equal(ended, 3);
    assert_ptr_equal(cheng_set_start_hook(NULL), on_start); /* taken away: they are called no more */
    assert_ptr_equal(cheng_set_end_hook(NULL), on_end);
    cheng_event_set(&go);
    finish(start_waiting(CHENG_COROUTINE, NULL));
    assert_int_equal(begun, 3);
    assert_int_equal(ended, 3);
}

/* ---- later ---- */

static int when_it_began(const void *argument, void *result)
{
    assert_memory_equal(argument, "later", 6);
    *(int64_t *)result = cheng_clock_ns();
    return 3;
}

TEST(start_later)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        int64_t began, before = cheng_clock_ns();
        int status;
        cheng_task_options options = { .name = "later", .result_size = sizeof began };
        assert_int_equal(cheng_start_later(&task, kind, cheng_after(20 * CHENG_MILLISECOND), when_it_began,
                                           "later", 6, &options),
                         0);
        assert_string_equal(cheng_task_name(task), "later");
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 3);
        assert_int_equal(cheng_task_result(task, &began, sizeof began), 0);
        assert_true(began - before >= 20 * CHENG_MILLISECOND);
        cheng_task_free(task);
    }
}

static int must_not_run(const void *argument, void *result)
{
    (void)argument, (void)result;
    abort();
}

TEST(start_later_cancelled_before_its_time)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        int status = 0;
        assert_int_equal(
            cheng_start_later(&task, kind, cheng_after(3600 * CHENG_SECOND), must_not_run, NULL, 0, NULL), 0);
        cheng_cancel(task);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, -ECANCELED);
        cheng_task_free(task);
        task = NULL;
        assert_int_equal(cheng_start_later(&task, kind, CHENG_NOW, NULL, NULL, 0, NULL), -EINVAL);
        assert_int_equal(cheng_start_later(&task, kind, CHENG_NOW, must_not_run, NULL, 4, NULL), -EINVAL);
        assert_int_equal(cheng_start_later(&task, kind, CHENG_NOW, must_not_run, "", 64 << 10, NULL),
                         -EINVAL);
        assert_null(task);
    }
}
