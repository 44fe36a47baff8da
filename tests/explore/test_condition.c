/* The private condition, from within. */
#include "explore/explored.h"

#include <errno.h>
#include <limits.h>

static cheng_lock lock;
static cheng_condition changed;
static int items;

static int take(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&lock) {
        while (items == 0)
            assert_int_equal(cheng_condition_wait(&changed, &lock), 0);
        items--;
    }
    return 0;
}

/* Leaves with the first wait that ends badly, which has consumed no notify. Returns how many items it has. */
static int take_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg;
    int rc = 0;
    (void)result;
    CHENG_WITH(&lock) {
        while (items == 0 && rc == 0)
            rc = cheng_condition_wait_until(&changed, &lock,
                                            patience == 0 ? CHENG_FOREVER : cheng_after(patience));
        items -= rc == 0;
    }
    assert_true(rc == 0 || rc == (patience == 0 ? -ECANCELED : -ETIMEDOUT));
    return rc == 0;
}

static void give(int n)
{
    CHENG_WITH(&lock) {
        items += n;
    }
    cheng_condition_notify(&changed, (unsigned)n);
}

/* Whoever leaves, the other one gets the item. */
static void one_leaves(enum cheng_kind leaves, enum cheng_kind stays, long patience)
{
    cheng_task *a = start(leaves, take_or_leave, patience), *b = start(stays, take, 0);
    if (patience == 0)
        cheng_cancel(a);
    give(1);
    if (finish_cancelled(a, 0))
        give(1);
    finish(b);
    assert_int_equal(items, 0);
}

static void both_take(enum cheng_kind one, enum cheng_kind other)
{
    cheng_task *a = start(one, take, 0), *b = start(other, take, 0);
    give(1);
    give(1);
    finish(a);
    finish(b);
    assert_int_equal(items, 0);
}

EXPLORED_WITH(one_by_one, .inside = true, .spurious = 1)
{
    both_take(CHENG_THREAD, CHENG_COROUTINE);
}

EXPLORED(all_at_once)
{
    cheng_task *a = start(CHENG_THREAD, take, 0), *b = start(CHENG_THREAD, take, 0);
    CHENG_WITH(&lock) {
        items = 2;
        cheng_condition_notify(&changed, UINT_MAX);
    }
    finish(a);
    finish(b);
    assert_int_equal(items, 0);
}

EXPLORED(a_deadline)
{
    one_leaves(CHENG_THREAD, CHENG_THREAD, 1000000);
}

EXPLORED(a_deadline_of_a_coroutine)
{
    one_leaves(CHENG_COROUTINE, CHENG_COROUTINE, 1000000);
}

EXPLORED(a_cancel)
{
    one_leaves(CHENG_THREAD, CHENG_COROUTINE, 0);
}

/* ---- with a predicate ---- */

static bool has_items(void *unused)
{
    (void)unused;
    return items > 0;
}

static int take_by_predicate(const void *arg, void *result)
{
    long patience = *(const long *)arg;
    int rc = 0;
    (void)result;
    CHENG_WITH(&lock) {
        rc = cheng_condition_wait_for(&changed, &lock, has_items, NULL,
                                      patience == 0 ? CHENG_FOREVER : cheng_after(patience));
        items -= rc == 0;
    }
    assert_true(rc == 0 || (rc == -ETIMEDOUT && patience != 0));
    return rc == 0;
}

EXPLORED_WITH(a_predicate, .inside = true, .spurious = 1)
{
    cheng_task *a = start(CHENG_THREAD, take_by_predicate, 0),
               *b = start(CHENG_COROUTINE, take_by_predicate, 0);
    give(1);
    give(1);
    assert_int_equal(finish(a) + finish(b), 2);
    assert_int_equal(items, 0);
}

EXPLORED(a_deadline_of_a_predicate)
{
    cheng_task *a = start(CHENG_COROUTINE, take_by_predicate, 1000000), *b = start(CHENG_THREAD, take, 0);
    give(1);
    if (finish(a))
        give(1);
    finish(b);
    assert_int_equal(items, 0);
}

/* A notify with the lock held is over before a waiter returns, who then frees both. */
struct question {
    cheng_lock lock;
    cheng_condition changed;
    bool answered;
};

static struct question *question;

static int answer_with_the_lock(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_lock_acquire(&question->lock);
    question->answered = true;
    cheng_condition_notify(&question->changed, 1);
    return cheng_lock_release(&question->lock);
}

EXPLORED(freed_by_its_waiter)
{
    question = calloc(1, sizeof *question);
    cheng_task *a = start(CHENG_THREAD, answer_with_the_lock, 0);
    CHENG_WITH(&question->lock) {
        while (!question->answered)
            cheng_condition_wait(&question->changed, &question->lock);
    }
    free(question);
    finish(a);
}
