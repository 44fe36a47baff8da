/* The condition: notify, errors, the lock on every return. test_matrix.c has the ways a wait ends. */
#include "unit/actors.h"

#include <limits.h>

static cheng_lock lock;
static cheng_condition changed;
static unsigned tokens, served; /* protected by the lock */

static int take_token(void *unused)
{
    int rc = 0;
    (void)unused;
    cheng_lock_acquire(&lock);
    while (rc == 0 && tokens == 0)
        rc = cheng_condition_wait(&changed, &lock);
    if (rc == 0)
        tokens--, served++;
    assert_int_equal(cheng_lock_release(&lock), 0);
    return rc;
}

static void add_tokens(unsigned n)
{
    CHENG_WITH(&lock)
        tokens += n;
    cheng_condition_notify(&changed, n);
}

static unsigned served_now(void)
{
    unsigned n = 0;
    CHENG_WITH(&lock)
        n = served;
    return n;
}

enum { COUNT = 9 };
static struct actor waiters[COUNT];

static void start_waiters(void)
{
    for (unsigned i = 0; i < COUNT; i++) {
        actor_start(&waiters[i], (enum place)(i % PLACES), take_token, NULL);
        wait_until_blocked(waiters[i].self, CHENGI_WAIT_CONDITION);
    }
}

static void join_waiters(void)
{
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(actor_join(&waiters[i]), 0);
}

TEST(notify_wakes_as_many_as_asked)
{
    assert_int_equal(sizeof changed, 8);
    start_waiters();
    for (unsigned n = 1, sum = 0; sum < COUNT; n++) {
        unsigned give = sum + n > COUNT ? COUNT - sum : n;
        add_tokens(give);
        sum += give;
        while (served_now() < sum)
            cheng_yield();
    }
    join_waiters();
    assert_int_equal(served, COUNT);
    assert_int_equal(tokens, 0);
}

TEST(notify_all)
{
    start_waiters();
    CHENG_WITH(&lock)
        tokens = COUNT;
    cheng_condition_notify(&changed, UINT_MAX);
    join_waiters();
    cheng_condition_notify(&changed, UINT_MAX); /* nobody waits: nothing happens */
}

TEST(notify_of_more_than_wait)
{
    start_waiters();
    CHENG_WITH(&lock)
        tokens = COUNT;
    cheng_condition_notify(&changed, 1000);
    join_waiters();
}

TEST(the_longest_waiter_first)
{
    start_waiters();
    for (unsigned i = 0; i < COUNT; i++) {
        add_tokens(1);
        assert_int_equal(actor_join(&waiters[i]), 0); /* in the order of their coming */
    }
}

TEST(notify_of_none)
{
    start_waiters();
    cheng_condition_notify(&changed, 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_true(task_waits(waiters[i].self, CHENGI_WAIT_CONDITION));
    add_tokens(COUNT);
    join_waiters();
}

/* With nobody waiting a notify is lost. */
TEST(notify_is_not_remembered)
{
    cheng_condition_notify(&changed, 5);
    cheng_lock_acquire(&lock);
    assert_int_equal(cheng_condition_wait_until(&changed, &lock, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_lock_release(&lock), 0);
}

static int wait_without_lock(void *unused)
{
    (void)unused;
    int rc = cheng_condition_wait(&changed, &lock);
    assert_int_equal(cheng_condition_wait_until(&changed, &lock, CHENG_NOW), rc);
    assert_int_equal(cheng_lock_release(&lock), -EPERM);
    return rc;
}

TEST(without_the_lock)
{
    struct actor actor;
    assert_int_equal(wait_without_lock(NULL), -EPERM); /* free */
    cheng_lock_acquire(&lock);
    for (enum place place = 0; place < PLACES; place++) { /* another's */
        actor_start(&actor, place, wait_without_lock, NULL);
        assert_int_equal(actor_join(&actor), -EPERM);
    }
    assert_int_equal(cheng_lock_release(&lock), 0);
}

static int probe(void *unused)
{
    (void)unused;
    return cheng_lock_acquire_until(&lock, CHENG_NOW);
}

/* With CHENG_NOW the lock is never released; a deadline in the past times out. Both return with it held. */
TEST(the_lock_is_held_on_return)
{
    struct actor actor;
    cheng_lock_acquire(&lock);
    assert_int_equal(cheng_condition_wait_until(&changed, &lock, CHENG_NOW), -EAGAIN);
    actor_start(&actor, IN_THREAD, probe, NULL);
    assert_int_equal(actor_join(&actor), -EAGAIN);
    assert_int_equal(cheng_condition_wait_until(&changed, &lock, cheng_after(-1)), -ETIMEDOUT);
    actor_start(&actor, IN_THREAD, probe, NULL);
    assert_int_equal(actor_join(&actor), -EAGAIN);
    assert_int_equal(cheng_lock_release(&lock), 0);
}

TEST(one_shared_the_other_not)
{
    cheng_condition odd = { .kind = 1 };
    cheng_lock_acquire(&lock);
    assert_int_equal(cheng_condition_wait(&odd, &lock), -EINVAL);
    assert_int_equal(cheng_lock_release(&lock), 0); /* still held */
}

static int hold_then_end(void *unused)
{
    (void)unused;
    cheng_lock_acquire(&lock);
    tokens = 1;
    cheng_condition_notify(&changed, 1);
    return 0;
}

/* Who takes the lock back from a dead owner is told so, and has it. */
TEST(owner_dies_meanwhile)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor waiter, killer;
        tokens = 0;
        actor_start(&waiter, place, take_token, NULL);
        wait_until_blocked(waiter.self, CHENGI_WAIT_CONDITION);
        actor_start(&killer, IN_THREAD, hold_then_end, NULL);
        assert_int_equal(actor_join(&killer), 0);
        assert_int_equal(actor_join(&waiter), -EOWNERDEAD);
        assert_false(cheng_lock_locked(&lock));
    }
}

static int cancelled_wait(void *unused)
{
    (void)unused;
    cheng_lock_acquire(&lock);
    int rc = cheng_condition_wait(&changed, &lock);
    assert_int_equal(cheng_lock_release(&lock), 0);
    return rc;
}

/* Taking the lock back is no cancellation point: a cancelled wait returns only once the lock is free. */
TEST(cancelled_while_the_lock_is_held)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, cancelled_wait, NULL);
        wait_until_blocked(actor.self, CHENGI_WAIT_CONDITION);
        cheng_lock_acquire(&lock);
        cheng_cancel(actor.self);
        wait_until_blocked(actor.self, CHENGI_WAIT_LOCK);
        assert_int_equal(cheng_lock_release(&lock), 0);
        assert_int_equal(actor_join(&actor), -ECANCELED);
    }
}

/* A notify and a cancel race for one of two waiters: whoever gets the notify returns 0, and it is not lost. */
TEST(cancel_does_not_swallow_a_notify)
{
    for (unsigned round = 0; round < 100; round++) {
        struct actor one, two;
        tokens = 0;
        actor_start(&one, (enum place)(round % PLACES), take_token, NULL);
        wait_until_blocked(one.self, CHENGI_WAIT_CONDITION);
        actor_start(&two, IN_THREAD, take_token, NULL);
        wait_until_blocked(two.self, CHENGI_WAIT_CONDITION);
        CHENG_WITH(&lock)
            tokens = 1;
        cheng_cancel(one.self);
        cheng_condition_notify(&changed, 1);
        int rc = actor_join(&one);
        if (rc == 0)
            add_tokens(1);
        else
            assert_int_equal(rc, -ECANCELED);
        assert_int_equal(actor_join(&two), 0); /* else it would wait for ever */
    }
}

/* ---- predicates ---- */

static unsigned looks;

static bool has_tokens(void *wanted)
{
    looks++;
    return tokens >= *(unsigned *)wanted;
}

static unsigned looks_now(void)
{
    unsigned n = 0;
    CHENG_WITH(&lock)
        n = looks;
    return n;
}

static int wait_for_tokens(void *wanted)
{
    cheng_lock_acquire(&lock);
    int rc = cheng_condition_wait_for(&changed, &lock, has_tokens, wanted, cheng_after(60 * CHENG_SECOND));
    assert_int_equal(cheng_lock_release(&lock), 0);
    return rc;
}

TEST(a_predicate_is_looked_at_after_each_notify)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        unsigned wanted = 3;
        tokens = looks = 0;
        actor_start(&actor, place, wait_for_tokens, &wanted);
        for (unsigned i = 0; i < 3; i++) {
            wait_until_blocked(actor.self, CHENGI_WAIT_CONDITION);
            add_tokens(1);
            while (looks_now() < i + 2)
                cheng_yield();
        }
        assert_int_equal(actor_join(&actor), 0);
        assert_true(looks >= 4); /* before the first wait and after each, which may have been for no reason */
    }
}

TEST(a_predicate_that_is_true_needs_no_wait)
{
    unsigned wanted = 0;
    cheng_lock_acquire(&lock);
    cheng_cancel(cheng_current());
    assert_int_equal(cheng_condition_wait_for(&changed, &lock, has_tokens, &wanted, CHENG_NOW), 0);
    assert_int_equal(cheng_condition_wait_for(&changed, &lock, has_tokens, &wanted, cheng_after(-1)), 0);
    assert_int_equal(looks, 2);
    wanted = 1;
    assert_int_equal(cheng_condition_wait_for(&changed, &lock, has_tokens, &wanted, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_condition_wait_for(&changed, &lock, has_tokens, &wanted, cheng_after(-1)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_condition_wait_for(&changed, &lock, has_tokens, &wanted, CHENG_FOREVER),
                     -ECANCELED);
    assert_int_equal(cheng_lock_release(&lock), 0);
    assert_int_equal(cheng_condition_wait_for(&changed, &lock, has_tokens, &wanted, CHENG_FOREVER), -EPERM);
}

static bool comes_true(void *unused)
{
    (void)unused;
    return looks++ > 0;
}

static int wait_for_long(void *unused)
{
    int rc = 0;
    CHENG_WITH(&lock)
        rc = cheng_condition_wait_for(&changed, &lock, comes_true, unused,
                                      cheng_after(20 * CHENG_MILLISECOND));
    return rc;
}

/* It has come true and nobody was notified: it is looked at when the time is up. */
TEST(a_predicate_is_looked_at_at_the_deadline)
{
    for (enum place place = 0; place < PLACES; place++) {
        looks = 0;
        assert_int_equal(run_in(place, wait_for_long), 0);
        assert_int_equal(looks, 2);
    }
}

static cheng_event stop;

static int notify_always(void *unused)
{
    (void)unused;
    while (cheng_event_wait_until(&stop, cheng_after(CHENG_MILLISECOND)) != 0)
        cheng_condition_notify(&changed, 1);
    return 0;
}

/* One deadline for all the waits together: notifies in vain do not put it off. */
TEST(one_deadline_for_a_predicate)
{
    struct actor actor;
    unsigned wanted = 1;
    actor_start(&actor, IN_THREAD, notify_always, NULL);
    cheng_lock_acquire(&lock);
    do { /* until some notifies came before the deadline */
        looks = 0;
        cheng_deadline deadline = cheng_after(20 * CHENG_MILLISECOND);
        assert_int_equal(cheng_condition_wait_for(&changed, &lock, has_tokens, &wanted, deadline),
                         -ETIMEDOUT);
        assert_true(cheng_clock_ns() >= deadline.at_ns);
    } while (looks < 4);
    assert_int_equal(cheng_lock_release(&lock), 0);
    cheng_event_set(&stop);
    assert_int_equal(actor_join(&actor), 0);
}

static int wait_for_many_tokens(void *wanted)
{
    cheng_lock_acquire(&lock);
    int rc = cheng_condition_wait_for(&changed, &lock, has_tokens, wanted, CHENG_FOREVER);
    assert_int_equal(cheng_lock_release(&lock), 0);
    return rc;
}

TEST(owner_dies_before_a_predicate_is_looked_at)
{
    struct actor waiter, killer;
    unsigned wanted = 1;
    actor_start(&waiter, IN_COROUTINE, wait_for_many_tokens, &wanted);
    wait_until_blocked(waiter.self, CHENGI_WAIT_CONDITION);
    actor_start(&killer, IN_THREAD, hold_then_end, NULL); /* makes it true */
    assert_int_equal(actor_join(&killer), 0);
    assert_int_equal(actor_join(&waiter), -EOWNERDEAD);
    assert_int_equal(looks, 1);
}
