/* What the process sees of its tasks: names that change, enumerate, hooks, starting later. */
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

static void cancel_before_its_time(enum cheng_kind kind, bool asleep)
{
    cheng_task *task;
    int status = 0;
    assert_int_equal(
        cheng_start_later(&task, kind, cheng_after(3600 * CHENG_SECOND), must_not_run, NULL, 0, NULL), 0);
    if (asleep)
        wait_until_blocked(task, CHENGI_WAIT_SLEEP);
    cheng_cancel(task);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, -ECANCELED);
    cheng_task_free(task);
}

TEST(start_later_cancelled_before_its_time)
{
    FOR_EACH_KIND(kind)
    {
        cancel_before_its_time(kind, false);
        cancel_before_its_time(kind, true);
    }
}

TEST(start_later_checks_its_arguments)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task = NULL;
        assert_int_equal(cheng_start_later(&task, kind, CHENG_NOW, NULL, NULL, 0, NULL), -EINVAL);
        assert_int_equal(cheng_start_later(&task, kind, CHENG_NOW, must_not_run, NULL, 4, NULL), -EINVAL);
        assert_int_equal(cheng_start_later(&task, kind, CHENG_NOW, must_not_run, "", 64 << 10, NULL),
                         -EINVAL);
        assert_null(task);
    }
}
