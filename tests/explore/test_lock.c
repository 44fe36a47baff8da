/* The private lock, from within. */
#include "explore/explored.h"

#include <errno.h>

#include "host/explore/engine.h"

static cheng_lock lock;
static int inside;

static int enter_and_leave(const void *arg, void *result)
{
    (void)result;
    for (long i = *(const long *)arg; i > 0; i--) {
        cheng_lock_acquire(&lock);
        inside++;
        assert_int_equal(inside, 1);
        inside--;
        assert_int_equal(cheng_lock_release(&lock), 0);
    }
    return 0;
}

static int enter_until(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_lock_acquire_until(&lock, cheng_after(*(const long *)arg));
    if (rc == -ETIMEDOUT)
        return 0;
    assert_int_equal(rc, 0);
    inside++;
    assert_int_equal(inside, 1);
    inside--;
    return cheng_lock_release(&lock);
}

EXPLORED(two_threads)
{
    cheng_task *a = start(CHENG_THREAD, enter_and_leave, 1), *b = start(CHENG_THREAD, enter_and_leave, 1);
    finish(a);
    finish(b);
    assert_false(cheng_lock_locked(&lock));
}

EXPLORED(three_threads)
{
    cheng_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = start(CHENG_THREAD, enter_and_leave, 1);
    for (int i = 0; i < 3; i++)
        finish(tasks[i]);
}

EXPLORED_WITH(a_deadline, .inside = true, .spurious = 1)
{
    cheng_task *a = start(CHENG_THREAD, enter_and_leave, 2), *b = start(CHENG_THREAD, enter_until, 1000000);
    finish(a);
    assert_int_equal(finish(b), 0);
    assert_false(cheng_lock_locked(&lock));
}

EXPLORED(coroutines)
{
    cheng_task *a = start(CHENG_COROUTINE, enter_and_leave, 1),
               *b = start(CHENG_COROUTINE, enter_and_leave, 1);
    finish(a);
    finish(b);
}

EXPLORED(a_thread_and_a_coroutine)
{
    cheng_task *a = start(CHENG_THREAD, enter_and_leave, 1),
               *b = start(CHENG_COROUTINE, enter_until, 1000000);
    finish(a);
    assert_int_equal(finish(b), 0);
}

/* It comes back for the lock as soon as it has left it, so that those who were woken come too late, and starve. */
static int enter_for_long(const void *arg, void *result)
{
    (void)result;
    for (long i = *(const long *)arg; i > 0; i--) {
        cheng_lock_acquire(&lock);
        inside++;
        assert_int_equal(inside, 1);
        assert_int_equal(cheng_sleep(2 * CHENG_MILLISECOND), 0);
        inside--;
        assert_int_equal(cheng_lock_release(&lock), 0);
    }
    return 0;
}

EXPLORED(starving)
{
    cheng_task *a = start(CHENG_THREAD, enter_for_long, 2), *b = start(CHENG_THREAD, enter_and_leave, 1),
               *c = start(CHENG_COROUTINE, enter_and_leave, 1);
    finish(a);
    finish(b);
    finish(c);
    assert_false(cheng_lock_locked(&lock));
}

/* Its owner ends: one of those who want the lock finds it dead, the others find it free. */
static int dead_owners;

static int take_and_end(const void *arg, void *result)
{
    (void)arg, (void)result;
    int rc = cheng_lock_acquire_until(&lock, CHENG_FOREVER);
    dead_owners += rc == -EOWNERDEAD;
    return 0;
}

static int enter_after_the_dead(const void *arg, void *result)
{
    (void)arg, (void)result;
    int rc = cheng_lock_acquire_until(&lock, CHENG_FOREVER);
    assert_true(rc == 0 || rc == -EOWNERDEAD);
    dead_owners += rc == -EOWNERDEAD;
    return cheng_lock_release(&lock);
}

static void check_the_dead(void)
{
    enter_after_the_dead(NULL, NULL);
    assert_int_equal(dead_owners, 1);
    assert_false(cheng_lock_locked(&lock));
}

/* One waiter: nobody else comes by who would wake it. Its end looks through the whole lot, so at most points nothing
 * can happen; every order with one preemption is run, then those with two. */
EXPLORED_WITH(its_owner_ends, .inside = true, .strategy = CHENG_EXPLORE_BOUNDED)
{
    cheng_task *a = start(CHENG_THREAD, take_and_end, 0), *b = start(CHENG_THREAD, enter_after_the_dead, 0);
    finish(a);
    finish(b);
    check_the_dead();
}

/* Both have told the one who held it when they came. */
EXPLORED_WITH(its_next_owner_ends, .inside = true, .strategy = CHENG_EXPLORE_BOUNDED)
{
    cheng_lock_acquire(&lock);
    cheng_task *a = start(CHENG_THREAD, take_and_end, 0), *b = start(CHENG_THREAD, enter_after_the_dead, 0);
    cheng_lock_release(&lock);
    finish(a);
    finish(b);
    check_the_dead();
}

EXPLORED(a_coroutine_ends_as_its_owner)
{
    cheng_task *a = start(CHENG_COROUTINE, take_and_end, 0),
               *b = start(CHENG_THREAD, enter_after_the_dead, 0),
               *c = start(CHENG_COROUTINE, enter_after_the_dead, 0);
    finish(a);
    finish(b);
    finish(c);
    check_the_dead();
}

/* Woken in vain for a millisecond, a waiter is the next to have it. */
static bool had_it;

static int have_it(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&lock) {
        had_it = true;
    }
    return 0;
}

EXPLORED(is_kept_for_who_starves)
{
    cheng_task *a = start(CHENG_THREAD, have_it, 0);
    bool over = false;
    for (int turns = 0; turns < 3; turns++)
        CHENG_WITH(&lock) {
            over = had_it;
            assert_int_equal(cheng_sleep(2 * CHENG_MILLISECOND), 0);
        }
    assert_true(over || chengi_engine.early > 0);
    finish(a);
}

/* A release touches nothing of a lock that another can have: the last holder frees it. */
struct object {
    cheng_lock lock;
    int users;
};

static struct object *ours;

static int use_and_leave(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_lock_acquire(&ours->lock);
    bool last = --ours->users == 0;
    assert_int_equal(cheng_lock_release(&ours->lock), 0);
    if (last)
        free(ours);
    return 0;
}

EXPLORED(freed_by_its_last_holder)
{
    ours = calloc(1, sizeof *ours);
    ours->users = 2;
    cheng_task *a = start(CHENG_THREAD, use_and_leave, 0), *b = start(CHENG_THREAD, use_and_leave, 0);
    finish(a);
    finish(b);
}
