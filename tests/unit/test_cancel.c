/* Cancelling: sticky, in each wait, before the start, shields. test_matrix.c cancels waits for the primitives. */
#include "unit/actors.h"

#include "base/compiler.h"
#include "host/host.h"
#include "park/lot.h"

static cheng_lock lock;
static cheng_event event;
static cheng_condition condition;
static cheng_semaphore semaphore;
static cheng_queue *full, *empty;
static cheng_task *forever;

static int wait_for_event(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_event_wait(&event);
}

static void set_up(void)
{
    int item = 1;
    assert_int_equal(cheng_queue_new(&full, sizeof item, &(cheng_queue_options){ .capacity = 1 }), 0);
    assert_int_equal(cheng_queue_new(&empty, sizeof item, &(cheng_queue_options){ .capacity = 1 }), 0);
    assert_int_equal(cheng_queue_put(full, &item), 0);
    assert_int_equal(cheng_start(&forever, CHENG_THREAD, wait_for_event, NULL, 0, NULL), 0);
}

static void tear_down(void)
{
    cheng_event_set(&event);
    assert_int_equal(cheng_join(forever, NULL), 0);
    cheng_task_free(forever);
    cheng_queue_free(full);
    cheng_queue_free(empty);
}

/* Each wait once; none of them would ever end. Returns how many were cancelled. */
static int try_all(cheng_deadline deadline)
{
    int item = 9, status = 9, cancelled = 0;
    cancelled += cheng_event_wait_until(&event, deadline) == -ECANCELED;
    cancelled += cheng_semaphore_acquire_until(&semaphore, deadline) == -ECANCELED;
    cancelled += cheng_queue_put_until(full, &item, deadline) == -ECANCELED;
    cancelled += cheng_queue_get_until(empty, &item, deadline) == -ECANCELED;
    cancelled += cheng_join_until(forever, &status, deadline) == -ECANCELED;
    cancelled += cheng_sleep_until(deadline) == -ECANCELED;
    cheng_lock_acquire(&lock);
    cancelled += cheng_condition_wait_until(&condition, &lock, deadline) == -ECANCELED;
    assert_int_equal(cheng_lock_release(&lock), 0);
    assert_int_equal(item, 9);
    assert_int_equal(status, 9);
    return cancelled;
}

static int every_wait_is_cancelled(void *unused)
{
    (void)unused;
    assert_false(cheng_cancelled());
    cheng_cancel(cheng_current()); /* works on oneself */
    assert_true(cheng_cancelled());
    assert_int_equal(try_all(CHENG_FOREVER), 7);
    assert_int_equal(try_all(cheng_after(CHENG_SECOND)), 7); /* again: it sticks */
    assert_int_equal(cheng_sleep(CHENG_SECOND), -ECANCELED);
    cheng_yield(); /* no cancellation point */
    return 0;
}

TEST(sticks_in_every_wait)
{
    set_up();
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, every_wait_is_cancelled, NULL);
        assert_int_equal(actor_join(&actor), 0);
    }
    tear_down();
}

/* What does not need to wait is not cancelled. */
static int no_wait_is_needed(void *unused)
{
    int item = 1;
    (void)unused;
    cheng_cancel(cheng_current());
    cheng_event set = { 0 };
    cheng_semaphore one = CHENG_SEMAPHORE(1);
    cheng_event_set(&set);
    assert_int_equal(cheng_event_wait(&set), 0);
    assert_int_equal(cheng_semaphore_acquire(&one), 0);
    assert_int_equal(cheng_queue_put(empty, &item), 0);
    assert_int_equal(cheng_queue_get(empty, &item), 0);
    assert_int_equal(cheng_semaphore_acquire_until(&one, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_queue_get_until(empty, &item, CHENG_NOW), -EAGAIN);
    return 0;
}

TEST(no_wait_no_cancel)
{
    set_up();
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, no_wait_is_needed, NULL);
        assert_int_equal(actor_join(&actor), 0);
    }
    tear_down();
}

static int sleep_long(void *unused)
{
    (void)unused;
    return cheng_sleep(1000 * CHENG_SECOND);
}

TEST(ends_a_sleep)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, sleep_long, NULL);
        wait_until_blocked(actor.self, CHENGI_WAIT_SLEEP);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
    }
}

static unsigned hooks_called;

static void count_hook(void)
{
    hooks_called++;
}

static int must_not_run(const void *argument, void *result)
{
    (void)argument, (void)result;
    abort();
}

/* On one thread: started, cancelled, and only then does it begin. */
static int cancel_before_it_begins(const void *argument, void *result)
{
    cheng_task *task;
    int status = 0;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, must_not_run, NULL, 0, NULL), 0);
    cheng_cancel(task);
    assert_int_equal(cheng_join(task, &status), 0);
    cheng_task_free(task);
    return status;
}

TEST(before_the_start)
{
    int status = 0;
    assert_int_equal(cheng_run(&status, cancel_before_it_begins, NULL, 0), 0);
    assert_int_equal(status, -ECANCELED);
    cheng_set_start_hook(count_hook);
    cheng_set_end_hook(count_hook);
    assert_int_equal(cheng_run(&status, cancel_before_it_begins, NULL, 0), 0);
    assert_int_equal(status, -ECANCELED);
    assert_int_equal(hooks_called, 4); /* of both tasks */
}

static void cancel_oneself(void)
{
    cheng_cancel(cheng_current());
}

TEST(by_the_start_hook)
{
    cheng_set_start_hook(cancel_oneself);
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task;
        int status = 0;
        assert_int_equal(cheng_start(&task, kind, must_not_run, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, -ECANCELED);
        cheng_task_free(task);
    }
}

/* ---- several ---- */

static int wait_or_stay(const void *argument, void *result)
{
    (void)result;
    if (*(const bool *)argument)
        cheng_shield(true);
    return cheng_event_wait(&event);
}

TEST(all_of_an_array)
{
    cheng_task *tasks[4] = { NULL };
    const bool no = false, yes = true;
    int status;
    assert_int_equal(cheng_join_all(tasks, 4), 0); /* nobody is there */
    assert_int_equal(cheng_start(&tasks[0], CHENG_THREAD, wait_or_stay, &no, sizeof no, NULL), 0);
    assert_int_equal(cheng_start(&tasks[1], CHENG_COROUTINE, wait_or_stay, &yes, sizeof yes, NULL), 0);
    assert_int_equal(cheng_start(&tasks[3], CHENG_COROUTINE, wait_or_stay, &no, sizeof no, NULL), 0);
    wait_until_blocked(tasks[1], CHENGI_WAIT_EVENT);
    assert_int_equal(cheng_join_all_until(tasks, 4, CHENG_NOW), -EAGAIN);
    cheng_cancel_all(tasks, 4);
    assert_int_equal(cheng_join_all_until(tasks, 4, cheng_after(10 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_join(tasks[0], &status), 0);
    assert_int_equal(status, -ECANCELED);
    assert_int_equal(cheng_join(tasks[3], &status), 0);
    assert_int_equal(status, -ECANCELED);
    assert_true(cheng_task_is_alive(tasks[1]));
    cheng_event_set(&event);
    assert_int_equal(cheng_join_all(tasks, 4), 0);
    assert_int_equal(cheng_join_all_until(tasks, 4, CHENG_NOW), 0);
    assert_int_equal(cheng_join(tasks[1], &status), 0);
    assert_int_equal(status, 0);
    for (int i = 0; i < 4; i++)
        cheng_task_free(tasks[i]);
}

static int join_oneself(const void *argument, void *result)
{
    cheng_task *self = cheng_current();
    (void)argument, (void)result;
    return cheng_join_all(&self, 1);
}

static int join_for_ever(const void *argument, void *result)
{
    (void)result;
    return cheng_join_all(argument, 1);
}

TEST(join_all_may_be_cancelled_and_sees_deadlocks)
{
    cheng_task *first, *second;
    const bool no = false;
    int status;
    assert_int_equal(cheng_run(&status, join_oneself, NULL, 0), 0);
    assert_int_equal(status, -EDEADLK);
    assert_int_equal(cheng_start(&first, CHENG_COROUTINE, wait_or_stay, &no, sizeof no, NULL), 0);
    assert_int_equal(cheng_start(&second, CHENG_THREAD, join_for_ever, &first, sizeof first, NULL), 0);
    wait_until_blocked(second, CHENGI_WAIT_JOIN);
    cheng_cancel(second);
    assert_int_equal(cheng_join(second, &status), 0);
    assert_int_equal(status, -ECANCELED);
    cheng_event_set(&event);
    assert_int_equal(cheng_join_all(&first, 1), 0);
    cheng_task_free(first);
    cheng_task_free(second);
}

static int return_zero(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 0;
}

TEST(after_the_end_is_harmless)
{
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task;
        int status = 1;
        assert_int_equal(cheng_start(&task, kind, return_zero, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_cancel(task);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(task);
    }
}

/* The slot of a cancelled task serves later ones: they are not cancelled. */
TEST(ends_with_the_task)
{
    set_up();
    for (unsigned i = 0; i < 100; i++) {
        struct actor actor;
        actor_start(&actor, (enum place)(i % PLACES), i % 2 ? every_wait_is_cancelled : sleep_long, NULL);
        if (i % 2 == 0) /* the others cancel themselves, and assert that they begin uncancelled */
            cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), i % 2 ? 0 : -ECANCELED);
    }
    tear_down();
}

/* ---- shields ---- */

static int clean_up_behind_a_shield(void *unused)
{
    (void)unused;
    cheng_cancel(cheng_current());
    cheng_shield(true);
    assert_false(cheng_cancelled());
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0);
    cheng_shield(true); /* nests */
    cheng_shield(false);
    assert_false(cheng_cancelled());
    assert_int_equal(cheng_event_wait_until(&event, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_semaphore_acquire_until(&semaphore, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    cheng_lock_acquire(&lock);
    assert_int_equal(cheng_condition_wait_until(&condition, &lock, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_lock_release(&lock), 0);
    cheng_shield(false);
    assert_true(cheng_cancelled());
    cheng_shield(false); /* one too many is harmless */
    return cheng_event_wait(&event);
}

TEST(shield)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, clean_up_behind_a_shield, NULL);
        assert_int_equal(actor_join(&actor), -ECANCELED);
    }
}

static int wait_shielded(void *unused)
{
    (void)unused;
    cheng_shield(true);
    int rc = cheng_event_wait(&event);
    cheng_shield(false);
    return rc == 0 && cheng_cancelled() ? 0 : -EINVAL;
}

TEST(shielded_wait_goes_on)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        cheng_event_clear(&event);
        actor_start(&actor, place, wait_shielded, NULL);
        wait_until_blocked(actor.self, CHENGI_WAIT_EVENT);
        cheng_cancel(actor.self);
        cheng_yield();
        assert_true(task_waits(actor.self, CHENGI_WAIT_EVENT));
        cheng_event_set(&event);
        assert_int_equal(actor_join(&actor), 0);
    }
}

static int acquire_the_lock(void *unused)
{
    (void)unused;
    int rc = cheng_lock_acquire_until(&lock, CHENG_FOREVER);
    assert_true(cheng_cancelled());
    assert_int_equal(cheng_lock_release(&lock), 0);
    return rc;
}

TEST(a_lock_is_no_cancellation_point)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        cheng_lock_acquire(&lock);
        actor_start(&actor, place, acquire_the_lock, NULL);
        wait_until_blocked(actor.self, CHENGI_WAIT_LOCK);
        cheng_cancel(actor.self);
        cheng_yield();
        assert_true(task_waits(actor.self, CHENGI_WAIT_LOCK));
        assert_int_equal(cheng_lock_release(&lock), 0);
        assert_int_equal(actor_join(&actor), 0);
    }
}

/* ---- races ---- */

static int wait_in_a_loop(void *unused)
{
    int rc = 0;
    (void)unused;
    while (rc == 0)
        rc = cheng_event_wait_until(&event, cheng_after(50 * CHENG_MICROSECOND)) == -ECANCELED ? -ECANCELED
                                                                                               : 0;
    return rc;
}

/* At whatever moment the cancel comes, before a wait, in it or after it, it is not lost. */
TEST(is_never_lost)
{
    for (unsigned round = 0; round < scaled(600); round++) {
        struct actor actor;
        actor_start(&actor, (enum place)(round % PLACES), wait_in_a_loop, NULL);
        int64_t until = cheng_clock_ns() + (round * 13 % 150) * 1000;
        while (cheng_clock_ns() < until)
            ;
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
    }
}

/* The same as the coroutine is just beginning: the waker must know that it is one. */
static int wait_at_once(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_event_wait(&event);
}

TEST(is_never_lost_at_the_beginning)
{
    for (unsigned round = 0; round < scaled(20000); round++) {
        cheng_task *task;
        int status = 0;
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, wait_at_once, NULL, 0, NULL), 0);
        for (unsigned i = 0; i < round % 64; i++)
            __asm__ __volatile__("" ::: "memory");
        cheng_cancel(task);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, -ECANCELED);
        cheng_task_free(task);
    }
}

/* ---- while the wait is published, but not in its word's queue yet ---- */

static bool waiter_may, canceller_may;

static void open_gate(bool *gate)
{
    __atomic_store_n(gate, true, __ATOMIC_RELEASE);
}

static void pass_gate(const bool *gate)
{
    while (!__atomic_load_n(gate, __ATOMIC_ACQUIRE))
        chengi_host_yield();
}

static int wait_behind_the_gate(void *unused)
{
    (void)unused;
    pass_gate(&waiter_may);
    return cheng_event_wait(&event);
}

static int cancel_behind_the_gate(void *waiter)
{
    pass_gate(&canceller_may);
    cheng_cancel(waiter);
    return 0;
}

/* Both are kept from the latch of the bucket, and either may be the first to get it. */
TEST(comes_before_the_waiter_has_joined)
{
    for (unsigned round = 0; round < scaled(60); round++) {
        struct actor waiter, canceller;
        waiter_may = canceller_may = false;
        actor_start(&waiter, (enum place)(round % PLACES), wait_behind_the_gate, NULL);
        actor_start(&canceller, IN_THREAD, cancel_behind_the_gate, waiter.self);
        struct bucket *bucket = chengi_lot_lock(&event.word);
        open_gate(&waiter_may);
        while (!task_waits(waiter.self, CHENGI_WAIT_EVENT))
            chengi_host_yield();
        open_gate(&canceller_may);
        while (!load_relaxed(&waiter.self->cancelled))
            chengi_host_yield();
        chengi_lot_unlock(bucket);
        assert_int_equal(actor_join(&canceller), 0); /* first: it has the other's handle */
        assert_int_equal(actor_join(&waiter), -ECANCELED);
    }
}
