/* Calls from signal handlers: a storm of signals over a thread that does the same with the same objects. */
#include "unit/actors.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

static cheng_semaphore units, turn[2];
static cheng_event rung;
static cheng_queue *queue;
static volatile sig_atomic_t released, put, full;
static atomic_int storm, taken, rings, went;
static int got;

static void on_signal(int number)
{
    int saved = errno;
    cheng_signal_enter();
    if (cheng_semaphore_release(&units, 1) == 0)
        released++;
    cheng_event_set(&rung);
    if (cheng_queue_put_until(queue, &number, CHENG_NOW) == 0)
        put++;
    else
        full++;
    cheng_signal_leave();
    errno = saved;
}

static void set_storm(unsigned us)
{
    const struct itimerval every = { { 0, us }, { 0, us } };
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void hold_signal(bool hold)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    assert_int_equal(pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL), 0);
}

static int take_units(const void *argument, void *result)
{
    int rc;
    (void)argument, (void)result;
    while ((rc = cheng_semaphore_acquire(&units)) == 0)
        taken++;
    return rc == -ECANCELED ? 0 : rc;
}

static int get_items(const void *argument, void *result)
{
    int number, rc;
    (void)argument, (void)result;
    while ((rc = cheng_queue_get(queue, &number)) == 0)
        got += number == SIGALRM;
    return rc == -EPIPE ? 0 : rc;
}

static int wait_for_rings(const void *argument, void *result)
{
    int rc;
    (void)argument, (void)result;
    while ((rc = cheng_event_wait(&rung)) == 0) {
        cheng_event_clear(&rung);
        rings++;
    }
    return rc == -ECANCELED ? 0 : rc;
}

/* Wakes the other each time: what is interrupted holds a latch, or the scheduler. */
static int take_turns(const void *argument, void *result)
{
    long side = *(const long *)argument;
    (void)result;
    while (storm) {
        assert_int_equal(cheng_semaphore_release(&turn[!side], 1), 0);
        assert_int_equal(cheng_semaphore_acquire_until(&turn[side], CHENG_FOREVER), 0);
        went++;
    }
    return cheng_semaphore_release(&turn[!side], 1);
}

/* What the handlers do, in their thread, until the storm is over. */
static int do_the_same(const void *argument, void *result)
{
    int number = SIGALRM, own = 0;
    int64_t until = cheng_clock_ns() + CHENG_SECOND;
    (void)argument;
    hold_signal(false);
    while (cheng_clock_ns() < until || released <= 100 || rings == 0 ||
           went == 0) { /* all have had their turn */
        assert_int_equal(cheng_semaphore_release(&units, 1), 0);
        assert_int_equal(cheng_queue_put(queue, &number), 0);
        cheng_event_set(&rung);
        own++;
        cheng_yield();
    }
    set_storm(0);
    storm = 0;
    *(int *)result = own;
    return 0;
}

static int all(const void *argument, void *result)
{
    enum cheng_kind others = *(const enum cheng_kind *)argument;
    cheng_fn *const functions[] = { take_units, get_items, wait_for_rings };
    static const long sides[] = { 0, 1 };
    cheng_task *tasks[5];
    int own;
    (void)result;
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_start(&tasks[i], others, functions[i], NULL, 0, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            cheng_start(&tasks[3 + i], CHENG_COROUTINE, take_turns, &sides[i], sizeof sides[i], NULL), 0);
    set_storm(200);
    assert_int_equal(do_the_same(NULL, &own), 0);
    while (taken + (int)cheng_semaphore_value(&units) != own + released || cheng_semaphore_value(&units) != 0)
        cheng_sleep(CHENG_MILLISECOND); /* a lost wake-up leaves a unit for ever */
    cheng_queue_close(queue);
    for (int i = 0; i < 5; i++) {
        int status;
        if (i == 0 || i == 2)
            cheng_cancel(tasks[i]);
        assert_int_equal(cheng_join(tasks[i], &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(tasks[i]);
    }
    assert_int_equal(got, own + put);
    assert_int_equal(put + full, released);
    return 0;
}

static void prepare(void)
{
    assert_int_equal(cheng_signal_prepare(), 0);
    assert_int_equal(cheng_signal_prepare(), 0); /* again is harmless */
    assert_int_equal(cheng_queue_new(&queue, sizeof(int), &(cheng_queue_options){ .capacity = 64 }), 0);
    hold_signal(true); /* in all threads but one */
    storm = 1;
    assert_ptr_not_equal(signal(SIGALRM, on_signal), SIG_ERR);
}

TEST(storm_over_a_thread) // novalgrind: signals come late there
{
    enum cheng_kind kind = CHENG_THREAD;
    prepare();
    assert_int_equal(all(&kind, NULL), 0);
    cheng_queue_free(queue);
}

/* The handlers interrupt the scheduler that would run whom they wake. */
TEST(storm_over_a_run) // novalgrind: signals come late there
{
    enum cheng_kind kind = CHENG_COROUTINE;
    int status = -1;
    prepare();
    assert_int_equal(cheng_run(&status, all, &kind, sizeof kind), 0);
    assert_int_equal(status, 0);
    cheng_queue_free(queue);
}

static int wait_for_event(const void *argument, void *result)
{
    (void)result;
    return cheng_event_wait(*(cheng_event *const *)argument);
}

/* More objects than the posts have places for: nobody is left asleep. */
TEST(more_than_there_is_room_for)
{
    enum { EVENTS = 300 };
    static cheng_event events[EVENTS];
    cheng_task *tasks[EVENTS];
    for (int i = 0; i < EVENTS; i++) {
        cheng_event *event = &events[i];
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, wait_for_event, &event, sizeof event, NULL),
                         0);
    }
    for (int i = 0; i < EVENTS; i++)
        wait_until_blocked(tasks[i], CHENGI_WAIT_EVENT);
    cheng_signal_enter();
    for (int i = 0; i < EVENTS; i++) {
        cheng_signal_enter(); /* nests */
        cheng_event_set(&events[i]);
        cheng_signal_leave();
    }
    cheng_signal_leave();
    assert_int_equal(cheng_signal_prepare(), 0); /* only now: all at once */
    assert_int_equal(cheng_join_all(tasks, EVENTS), 0);
    for (int i = 0; i < EVENTS; i++)
        cheng_task_free(tasks[i]);
}

TEST(queues)
{
    cheng_queue *bounded, *other;
    int item = 1;
    assert_int_equal(cheng_queue_new(&bounded, sizeof item, &(cheng_queue_options){ .capacity = 1 }), 0);
    assert_int_equal(cheng_queue_new(&other, sizeof item, NULL), 0);
    cheng_signal_enter();
    assert_int_equal(cheng_queue_put(other, &item), -ENOTSUP);
    assert_int_equal(cheng_queue_get(other, &item), -ENOTSUP);
    assert_int_equal(cheng_queue_put(bounded, &item), 0);
    assert_int_equal(cheng_queue_put(bounded, &item), -EAGAIN); /* it would block */
    assert_int_equal(cheng_queue_get(bounded, &item), 0);
    assert_int_equal(cheng_queue_get(bounded, &item), -EAGAIN);
    cheng_queue_close(bounded);
    assert_int_equal(cheng_queue_put(bounded, &item), -EPIPE);
    assert_int_equal(cheng_queue_get(bounded, &item), -EPIPE);
    cheng_signal_leave();
    assert_int_equal(cheng_queue_put(other, &item), 0);
    cheng_queue_free(bounded);
    cheng_queue_free(other);
}
