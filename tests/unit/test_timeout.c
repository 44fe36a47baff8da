/* Scopes of time: each says whether its own time was up. */
#include "unit/harness.h"

#include <cheng.h>

#include <errno.h>

static cheng_event never;
static cheng_lock lock;
static cheng_condition changed;

static int within(const void *arg, void *result)
{
    (void)result;
    return ((int (*)(void)) * (void *const *)arg)();
}

/* As a thread and as a coroutine. */
static void in_each_kind(int (*body)(void))
{
    static const enum cheng_kind kinds[] = { CHENG_THREAD, CHENG_COROUTINE };
    for (int i = 0; i < 2; i++) {
        cheng_task *task;
        int status;
        assert_int_equal(cheng_start(&task, kinds[i], within, &body, sizeof body, NULL), 0);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(task);
    }
}

static int ends_waits(void)
{
    cheng_timeout scope;
    int64_t begin = cheng_clock_ns();
    cheng_timeout_begin(&scope, cheng_after(20 * CHENG_MILLISECOND));
    assert_true(!cheng_cancelled() || cheng_clock_ns() - begin >= 20 * CHENG_MILLISECOND);
    assert_int_equal(cheng_event_wait(&never), -ECANCELED);
    assert_true(cheng_clock_ns() - begin >= 20 * CHENG_MILLISECOND);
    assert_true(cheng_cancelled());
    assert_int_equal(cheng_sleep(CHENG_SECOND), -ECANCELED); /* and all that come after */
    cheng_lock_acquire(&lock);                               /* but for locks */
    assert_int_equal(cheng_condition_wait(&changed, &lock), -ECANCELED);
    cheng_lock_release(&lock);
    assert_int_equal(cheng_timeout_end(&scope), -ETIMEDOUT);
    assert_false(cheng_cancelled());
    assert_int_equal(cheng_event_wait_until(&never, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    return 0;
}

TEST(ends_every_wait_but_a_lock)
{
    in_each_kind(ends_waits);
}

static int first_one_counts(void)
{
    cheng_timeout scope;
    cheng_timeout_begin(&scope, cheng_after(10 * CHENG_SECOND));
    assert_int_equal(cheng_event_wait_until(&never, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT); /* its own */
    assert_int_equal(cheng_event_wait_until(&never, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0);
    assert_int_equal(cheng_timeout_end(&scope), 0);
    return 0;
}

TEST(a_waits_own_deadline_counts_if_it_comes_first)
{
    in_each_kind(first_one_counts);
}

static int inner_first(void)
{
    cheng_timeout outer, inner;
    cheng_timeout_begin(&outer, cheng_after(10 * CHENG_SECOND));
    cheng_timeout_begin(&inner, cheng_after(CHENG_MILLISECOND));
    assert_int_equal(cheng_timeout_end(&outer), -EPERM);
    assert_int_equal(cheng_event_wait(&never), -ECANCELED);
    assert_int_equal(cheng_timeout_end(&inner), -ETIMEDOUT);
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0); /* the outer goes on */
    assert_int_equal(cheng_timeout_end(&outer), 0);
    return 0;
}

static int outer_first(void)
{
    cheng_timeout outer, inner, unbounded;
    cheng_timeout_begin(&outer, cheng_after(CHENG_MILLISECOND));
    cheng_timeout_begin(&inner, cheng_after(10 * CHENG_SECOND));
    cheng_timeout_begin(&unbounded, CHENG_FOREVER);
    assert_int_equal(cheng_event_wait(&never), -ECANCELED);
    assert_int_equal(cheng_timeout_end(&unbounded), 0);
    assert_int_equal(cheng_timeout_end(&inner), 0);
    assert_int_equal(cheng_timeout_end(&outer), -ETIMEDOUT);
    assert_int_equal(cheng_timeout_end(&outer), -EPERM);
    return 0;
}

TEST(the_inner_and_the_outer_are_told_apart)
{
    in_each_kind(inner_first);
    in_each_kind(outer_first);
}

static int shielded(void)
{
    cheng_timeout scope;
    cheng_timeout_begin(&scope, CHENG_NOW);
    cheng_shield(true);
    int64_t begun = cheng_clock_ns();
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0);
    assert_true(cheng_clock_ns() - begun >= CHENG_MILLISECOND);
    cheng_shield(false);
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), -ECANCELED);
    assert_int_equal(cheng_timeout_end(&scope), -ETIMEDOUT);
    return 0;
}

TEST(a_shield_holds_it_off)
{
    in_each_kind(shielded);
}

static int forgets(void)
{
    static cheng_timeout scope;
    cheng_timeout_begin(&scope, CHENG_NOW);
    return 0;
}

static int is_free(void)
{
    return cheng_sleep(CHENG_MILLISECOND);
}

TEST(one_that_was_not_ended_goes_with_its_task)
{
    for (int i = 0; i < 100; i++) { /* the slot is used again */
        in_each_kind(forgets);
        in_each_kind(is_free);
    }
}
