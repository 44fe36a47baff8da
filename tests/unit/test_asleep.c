/* Everything sleeps: told when nothing can wake it, and not when something can. */
#include "unit/actors.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static cheng_event told, never, woken;
static cheng_lock lock;
static cheng_queue *queue;
static unsigned alarms;
static char report[4096];

static void tell(const cheng_incident *incident)
{
    if (incident->kind != CHENG_ASLEEP)
        return;
    assert_int_equal(incident->error, -EDEADLK);
    __atomic_fetch_add(&alarms, 1, __ATOMIC_RELAXED);
    snprintf(report, sizeof report, "%s", incident->report);
    cheng_event_set(&told);
    cheng_event_set(&woken);
}

static void watch(void)
{
    cheng_set_incident_hook(tell);
    assert_int_equal(cheng_watch(10 * CHENG_MILLISECOND), 0);
}

static int wait_for_ever(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_event_wait(&never);
}

static int want_an_item(const void *argument, void *result)
{
    int item;
    (void)argument, (void)result;
    return cheng_queue_get(queue, &item);
}

static int wait_inside(const void *argument, void *result)
{
    cheng_task *task;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, want_an_item, NULL, 0, NULL), 0);
    int rc = cheng_event_wait(&told); /* the hook, a friend of ours, ends it */
    cheng_cancel(task);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
    return rc;
}

static cheng_task *start(enum cheng_kind kind, cheng_fn *function)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, kind, function, NULL, 0, NULL), 0);
    return task;
}

static void end(cheng_task *task)
{
    cheng_cancel(task);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
}

static void set_up(void)
{
    assert_int_equal(cheng_queue_new(&queue, sizeof(int), NULL), 0);
    watch();
}

TEST(threads_and_coroutines) // notsan: noqemu: threads that are not ours
{
    set_up();
    cheng_task *thread = start(CHENG_THREAD, wait_for_ever),
               *coroutine = start(CHENG_COROUTINE, want_an_item);
    assert_int_equal(cheng_event_wait(&told), 0);
    assert_non_null(strstr(report, "everything sleeps"));
    assert_non_null(strstr(report, "MainThread, thread"));
    assert_non_null(strstr(report, "waits for event"));
    assert_non_null(strstr(report, "waits to get from queue"));
    assert_null(strstr(report, "Foreign")); /* who watches is not among them */
    end(thread);
    end(coroutine);
    assert_int_equal(alarms, 1);
    cheng_event_clear(&told);
    assert_int_equal(cheng_event_wait(&told), 0); /* alone, and for ever */
    assert_int_equal(alarms, 2);
    cheng_queue_free(queue);
}

TEST(a_run) // notsan: noqemu: threads that are not ours
{
    int status = -1;
    set_up();
    assert_int_equal(cheng_run(&status, wait_inside, NULL, 0), 0);
    assert_int_equal(status, 0);
    assert_int_equal(alarms, 1);
    cheng_queue_free(queue);
}

/* ---- who can still be woken; each by what the case is about, after much longer than it takes to tell ---- */

static const cheng_duration age = 400 * CHENG_MILLISECOND;

static void expect_silence(void)
{
    cheng_task *thread = start(CHENG_THREAD, wait_for_ever),
               *coroutine = start(CHENG_COROUTINE, wait_for_ever);
    assert_int_equal(cheng_event_wait(&woken), 0);
    assert_int_equal(alarms, 0);
    end(thread);
    end(coroutine);
    cheng_queue_free(queue);
}

static void *wake_from_outside(void *unused)
{
    usleep(400000); /* it has never called the library */
    cheng_event_set(&woken);
    return unused;
}

TEST(silent_with_a_foreign_thread)
{
    pthread_t thread;
    set_up();
    assert_int_equal(pthread_create(&thread, NULL, wake_from_outside, NULL), 0);
    expect_silence();
    pthread_join(thread, NULL);
}

static void *wake_after_a_call(void *unused)
{
    cheng_lock_acquire(&lock); /* one that has called it is known, and awake */
    assert_int_equal(cheng_lock_release(&lock), 0);
    return wake_from_outside(unused);
}

TEST(silent_with_an_adopted_thread)
{
    pthread_t thread;
    set_up();
    assert_int_equal(pthread_create(&thread, NULL, wake_after_a_call, NULL), 0);
    expect_silence();
    pthread_join(thread, NULL);
}

static int wake_later(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_event_set(&woken);
    return 0;
}

TEST(silent_with_a_timer)
{
    cheng_timer *timer;
    set_up();
    assert_int_equal(cheng_timer_new(&timer, CHENG_COROUTINE, wake_later, NULL, 0, NULL), 0);
    assert_int_equal(cheng_timer_start(timer, cheng_after(age)), 0);
    expect_silence();
    cheng_timer_free(timer);
}

static int sleep_and_wake(const void *argument, void *result)
{
    cheng_sleep(age);
    return wake_later(argument, result);
}

TEST(silent_with_a_sleeper)
{
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        set_up();
        cheng_event_clear(&woken);
        cheng_task *task = start(kind, sleep_and_wake);
        expect_silence();
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
    }
}

static int out_of[2];

static int poll_and_wake(const void *argument, void *result)
{
    unsigned ready;
    assert_int_equal(cheng_poll(out_of[0], CHENG_READABLE, &ready, CHENG_FOREVER), 0);
    return wake_later(argument, result);
}

TEST(silent_with_a_descriptor)
{
    assert_int_equal(pipe(out_of), 0);
    pid_t pid = fork();
    if (pid == 0) {
        usleep(400000);
        _exit(write(out_of[1], "x", 1) != 1);
    }
    set_up();
    cheng_task *task = start(CHENG_COROUTINE, poll_and_wake);
    expect_silence();
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
}

static int sleep_and_return(const void *argument, void *result)
{
    (void)argument, (void)result;
    return usleep(400000);
}

static int offload_and_wake(const void *argument, void *result)
{
    assert_int_equal(cheng_offload(sleep_and_return, NULL, NULL), 0);
    return wake_later(argument, result);
}

TEST(silent_with_a_helper_thread)
{
    set_up();
    cheng_task *task = start(CHENG_COROUTINE, offload_and_wake);
    expect_silence();
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
}

static void on_alarm(int number)
{
    (void)number;
    cheng_signal_enter();
    cheng_event_set(&woken);
    cheng_signal_leave();
}

TEST(silent_with_a_signal_handler)
{
    const struct itimerval once = { { 0, 0 }, { 0, 400000 } };
    assert_int_equal(cheng_signal_prepare(), 0);
    assert_ptr_not_equal(signal(SIGALRM, on_alarm), SIG_ERR);
    set_up();
    assert_int_equal(setitimer(ITIMER_REAL, &once, NULL), 0);
    expect_silence();
}
