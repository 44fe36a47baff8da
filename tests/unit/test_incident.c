/* The hook, and failures that nobody collects. Deadlocks and dead owners: test_deadlock.c, test_lock.c. */
#include "unit/actors.h"
#include "unit/processes.h"

static struct {
    unsigned count; /* atomic */
    enum cheng_incident_kind kind;
    int error;
    char report[256];
    cheng_event called;
} noted;

static void note(const cheng_incident *incident)
{
    noted.kind = incident->kind;
    noted.error = incident->error;
    snprintf(noted.report, sizeof noted.report, "%s", incident->report);
    __atomic_fetch_add(&noted.count, 1, __ATOMIC_RELAXED);
    cheng_event_set(&noted.called);
}

static int fail_or_not(const void *argument, void *result)
{
    int status;
    (void)result;
    memcpy(&status, argument, sizeof status);
    return status;
}

static cheng_task *start_failing(enum cheng_kind kind, int status, const char *name)
{
    cheng_task *task = NULL;
    assert_int_equal(
        cheng_start(&task, kind, fail_or_not, &status, sizeof status, &(cheng_task_options){ .name = name }),
        0);
    return task;
}

static void wait_for_end(cheng_task *task)
{
    while (cheng_task_is_alive(task))
        cheng_yield();
}

TEST(hook_is_replaced_and_restored)
{
    cheng_incident_hook *standard = cheng_set_incident_hook(note);
    assert_non_null(standard);
    assert_ptr_equal(cheng_set_incident_hook(NULL), note);
    assert_ptr_equal(cheng_set_incident_hook(note), standard);
}

TEST(failure_that_nobody_joined)
{
    cheng_set_incident_hook(note);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        unsigned before = noted.count;
        cheng_task *task = start_failing(kind, -ENOSPC, "Unloved");
        wait_for_end(task);
        assert_int_equal(noted.count, before); /* not while the handle is there */
        cheng_task_free(task);
        assert_int_equal(noted.count, before + 1);
        assert_int_equal(noted.kind, CHENG_FAILURE);
        assert_int_equal(noted.error, -ENOSPC);
        assert_non_null(strstr(noted.report, "Unloved"));
        assert_non_null(strstr(noted.report, cheng_strerror(-ENOSPC)));
        assert_int_equal(noted.report[strlen(noted.report) - 1], '\n');
    }
}

TEST(failure_of_a_task_freed_before_or_without_handle)
{
    cheng_set_incident_hook(note);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        int status = -EIO;
        cheng_event_clear(&noted.called);
        cheng_task_free(start_failing(kind, status, NULL));
        assert_int_equal(cheng_event_wait(&noted.called), 0);
        cheng_event_clear(&noted.called);
        assert_int_equal(cheng_start(NULL, kind, fail_or_not, &status, sizeof status, NULL), 0);
        assert_int_equal(cheng_event_wait(&noted.called), 0);
        assert_int_equal(noted.error, -EIO);
    }
    assert_int_equal(noted.count, 4);
}

TEST(a_joined_failure_is_collected)
{
    int status;
    cheng_set_incident_hook(note);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task = start_failing(kind, -EIO, NULL);
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
        task = start_failing(kind, -EIO, NULL);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(60 * CHENG_SECOND)), 0);
        assert_int_equal(status, -EIO);
        cheng_task_free(task);
        task = start_failing(kind, 3, NULL); /* positive: no failure */
        wait_for_end(task);
        cheng_task_free(task);
    }
    assert_int_equal(cheng_run(&status, fail_or_not, &(int){ -EIO }, sizeof(int)), 0); /* returned, so told */
    assert_int_equal(status, -EIO);
    assert_int_equal(noted.count, 0);
}

static int end_with(const void *argument, void *result)
{
    int rc = cheng_sleep_until(CHENG_FOREVER);
    (void)result;
    assert_int_equal(rc, -ECANCELED);
    return *(const int *)argument;
}

static void cancel_and_leave(enum cheng_kind kind, int status)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, kind, end_with, &status, sizeof status, NULL), 0);
    cheng_sleep(CHENG_MILLISECOND); /* it may have begun, or never will: to its owner that is all one */
    cheng_cancel(task);
    wait_for_end(task);
    cheng_task_free(task);
}

/* Who was told to end and did has not failed; with an error of its own it has. */
TEST(a_cancelled_task_has_not_failed)
{
    cheng_set_incident_hook(note);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task;
        noted.count = 0;
        cancel_and_leave(kind, -ECANCELED);
        assert_int_equal(cheng_start_later(&task, kind, cheng_after(3600 * CHENG_SECOND), fail_or_not,
                                           &(int){ -EIO }, sizeof(int), NULL),
                         0);
        cheng_cancel(task);
        cheng_task_free(task); /* before it has ended */
        while (cheng_enumerate(NULL, 0) > 1)
            cheng_yield();
        assert_int_equal(noted.count, 0);
        for (int i = 0; i < 100 && noted.count == 0; i++)
            cancel_and_leave(kind, -EIO);
        assert_int_equal(noted.count, 1);
        assert_int_equal(noted.error, -EIO);
    }
}

/* Joins that did not get the status do not collect. */
TEST(a_join_in_vain_does_not_collect)
{
    cheng_task *task = start_failing(CHENG_THREAD, -EIO, NULL);
    cheng_set_incident_hook(note);
    int rc = cheng_join_until(task, NULL, CHENG_NOW);
    wait_for_end(task);
    cheng_task_free(task);
    assert_int_equal(noted.count, rc == 0 ? 0 : 1);
}

/* By default a failure is told, and the program goes on. */
static void leave_a_failure(void *unused)
{
    (void)unused;
    cheng_task *task = start_failing(CHENG_COROUTINE, -ECANCELED, "Lonely");
    wait_for_end(task);
    cheng_task_free(task);
    _exit(5);
}

TEST(default_hook_reports)
{
    char text[256];
    int status = last_words(leave_a_failure, NULL, text, sizeof text);
    assert_int_equal(WEXITSTATUS(status), 5);
    assert_non_null(strstr(text, "cheng: Lonely failed and nobody joined it: "));
}

/* The hook runs with nothing of the library held: it may call anything. */
static void call_anything(const cheng_incident *incident)
{
    static cheng_lock lock;
    cheng_task *task;
    int status = -1;
    CHENG_WITH(&lock)
        noted.error = incident->error;
    cheng_yield();
    if (noted.count++ == 0) {
        task = start_failing(CHENG_THREAD, 0, NULL);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(task);
    }
    cheng_event_set(&noted.called);
}

TEST(the_hook_may_call_anything)
{
    cheng_set_incident_hook(call_anything);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        noted.count = 0;
        cheng_event_clear(&noted.called);
        cheng_task_free(start_failing(kind, -EIO, NULL));
        assert_int_equal(cheng_event_wait_until(&noted.called, cheng_after(20 * CHENG_SECOND)), 0);
    }
}

static void acquire_what_is_no_lock(void *unused)
{
    static cheng_lock odd = { .kind = 5 << 24 | 77 };
    (void)unused;
    cheng_lock_acquire(&odd);
}

TEST(misuse)
{
    char text[256];
    assert_true(killed_by(last_words(acquire_what_is_no_lock, NULL, text, sizeof text), SIGABRT));
}

TEST(strerror_knows_every_code)
{
    static const int codes[] = { ETIMEDOUT, EAGAIN, ECANCELED, EDEADLK, EPERM,    EOWNERDEAD,
                                 EPIPE,     EBUSY,  ENOTSUP,   EBADMSG, EINVAL,   ENOMEM,
                                 EMFILE,    EBADF,  ENOENT,    0,       EOVERFLOW };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        const char *text = cheng_strerror(-codes[i]);
        assert_non_null(text);
        assert_ptr_equal(text, cheng_strerror(codes[i])); /* either sign */
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(text, cheng_strerror(codes[j]));
    }
    assert_non_null(strstr(cheng_strerror(-ENOENT), "host")); /* a look-up's, not only a file's */
    assert_non_null(strstr(cheng_strerror(-EPERM), "permitted"));
    assert_non_null(strstr(cheng_strerror(-ETIMEDOUT), "answer"));
    assert_non_null(strstr(cheng_strerror(-EBADF), "closed"));
    assert_non_null(strstr(cheng_strerror(-EOVERFLOW), "bound"));
    assert_non_null(cheng_strerror(123456));
    assert_non_null(cheng_strerror(INT32_MIN));
}

/* ---- handles that were freed ---- */

static void expect_misuse(const char *call)
{
    assert_int_equal(noted.count, 1);
    assert_int_equal(noted.kind, CHENG_MISUSE);
    assert_int_equal(noted.error, -EINVAL);
    assert_non_null(strstr(noted.report, call));
    noted.count = 0;
}

static cheng_task *ended_and_freed(enum cheng_kind kind)
{
    (void)cheng_current(); /* has its record from now on, and so takes no slot that comes free */
    cheng_task *task = start_failing(kind, 0, NULL);
    wait_for_end(task);
    cheng_task_free(task);
    return task;
}

TEST(a_handle_that_is_freed_twice)
{
    cheng_set_incident_hook(note);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task = ended_and_freed(kind), *next[2];
        cheng_task_free(task);
        expect_misuse("cheng_task_free");
        for (int i = 0; i < 2; i++) /* had the slot been given back twice, both would have it */
            next[i] = start_failing(kind, 0, NULL);
        assert_ptr_not_equal(next[0], next[1]);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(cheng_join(next[i], NULL), 0);
            cheng_task_free(next[i]);
        }
        assert_int_equal(noted.count, 0);
    }
}

TEST(a_handle_that_is_freed_twice_while_the_task_runs)
{
    cheng_set_incident_hook(note);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task;
        assert_int_equal(cheng_start_later(&task, kind, cheng_after(3600 * CHENG_SECOND), fail_or_not,
                                           &(int){ 0 }, sizeof(int), NULL),
                         0);
        cheng_task_free(task);
        cheng_task_free(task);
        expect_misuse("cheng_task_free");
        assert_true(cheng_task_is_alive(task));
        cheng_cancel(task); /* it lives, so this is none */
        while (cheng_enumerate(NULL, 0) > 1)
            cheng_yield();
        assert_int_equal(noted.count, 0);
    }
}

TEST(a_handle_that_is_used_after_its_free)
{
    cheng_set_incident_hook(note);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task = ended_and_freed(kind);
        cheng_case joined = cheng_case_join(task);
        assert_false(cheng_task_is_alive(task));
        assert_int_equal(cheng_join_until(task, NULL, cheng_after(60 * CHENG_SECOND)), -EINVAL);
        assert_int_equal(cheng_select_until(&joined, 1, cheng_after(60 * CHENG_SECOND)), 0);
        assert_int_equal(joined.result, -EINVAL);
        assert_int_equal(noted.count, 0); /* they could say it themselves */
        cheng_cancel(task);
        expect_misuse("cheng_cancel");
        for (int i = 0; i < 3; i++) { /* whoever gets the slot is not cancelled */
            int status;
            task = start_failing(kind, 7, NULL);
            assert_int_equal(cheng_join(task, &status), 0);
            assert_int_equal(status, 7);
            cheng_task_free(task);
        }
    }
}
