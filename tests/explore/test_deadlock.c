/* The graph of waits, from within: each cycle is found, by exactly one of its tasks, and nothing else is taken for one. */
#include "explore/explored.h"

#include <errno.h>

static cheng_lock locks[3];
static int tasks_in_ring, reports;
static cheng_event ready;
static cheng_task *joined[2];

/* Takes its lock and then the next one's. */
static int take_two(const void *arg, void *result)
{
    long first = *(const long *)arg, second = (first + 1) % tasks_in_ring;
    (void)result;
    assert_int_equal(cheng_lock_acquire_until(&locks[first], CHENG_FOREVER), 0);
    int rc = cheng_lock_acquire_until(&locks[second], CHENG_FOREVER);
    if (rc == 0)
        cheng_lock_release(&locks[second]);
    else
        assert_int_equal(rc, -EDEADLK);
    __atomic_fetch_add(&reports, rc != 0, __ATOMIC_RELAXED);
    cheng_lock_release(&locks[first]);
    return 0;
}

static void ring(int n, enum cheng_kind first)
{
    cheng_task *tasks[3];
    tasks_in_ring = n;
    for (int i = 0; i < n; i++)
        tasks[i] = start(i == 0 ? first : CHENG_THREAD, take_two, i);
    for (int i = 0; i < n; i++)
        finish(tasks[i]);
    assert_in_range(reports, 0, 1);
}

EXPLORED_WITH(two_locks, .inside = true, .spurious = 1)
{
    ring(2, CHENG_COROUTINE);
}

EXPLORED(three_locks)
{
    ring(3, CHENG_THREAD);
}

/* It will give up by itself: who waits for it for ever is not told of a deadlock. */
static int take_two_until(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_lock_acquire_until(&locks[1], CHENG_FOREVER), 0);
    int rc = cheng_lock_acquire_until(&locks[0], cheng_after(CHENG_MILLISECOND));
    if (rc == 0)
        cheng_lock_release(&locks[0]);
    else
        assert_true(rc == -ETIMEDOUT || rc == -EDEADLK);
    cheng_lock_release(&locks[1]);
    return 0;
}

EXPLORED(a_deadline_is_no_deadlock)
{
    tasks_in_ring = 2;
    cheng_task *a = start(CHENG_THREAD, take_two, 0), *b = start(CHENG_THREAD, take_two_until, 0);
    finish(a);
    finish(b);
    assert_int_equal(reports, 0);
}

/* One after the other, never both. The first two tasks' waits, the one looked at early, the other late, when the third
 * has gone on, would make a cycle with it. */
static int take_one_by_one(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(cheng_lock_acquire_until(&locks[i], CHENG_FOREVER), 0);
        cheng_lock_release(&locks[i]);
    }
    return 0;
}

EXPLORED(one_by_one_is_no_deadlock)
{
    tasks_in_ring = 3;
    cheng_task *a = start(CHENG_THREAD, take_two, 0), *b = start(CHENG_THREAD, take_one_by_one, 0),
               *c = start(CHENG_THREAD, take_two, 2);
    finish(a);
    finish(b);
    finish(c);
    assert_int_equal(reports, 0);
}

/* Who walks the graph must not look at a lock that its waiter, who has got it meanwhile, has freed. */
static cheng_lock *passing;

static int take_and_free(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_lock_acquire(&locks[0]);
    cheng_lock_acquire(passing);
    cheng_lock_release(passing);
    free(passing);
    cheng_lock_release(&locks[0]);
    return 0;
}

static int take_one(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_lock_acquire(&locks[0]);
    cheng_lock_release(&locks[0]);
    return 0;
}

EXPLORED(a_lock_is_freed)
{
    passing = calloc(1, sizeof *passing);
    cheng_lock_acquire(passing);
    cheng_task *a = start(CHENG_THREAD, take_and_free, 0), *b = start(CHENG_THREAD, take_one, 0);
    cheng_lock_release(passing);
    finish(a);
    finish(b);
}

static int join_the_other(const void *arg, void *result)
{
    (void)result;
    assert_int_equal(cheng_event_wait(&ready), 0);
    int rc = cheng_join(joined[1 - *(const long *)arg], NULL);
    assert_true(rc == 0 || rc == -EDEADLK);
    __atomic_fetch_add(&reports, rc != 0, __ATOMIC_RELAXED);
    return 0;
}

EXPLORED(two_joins)
{
    joined[0] = start(CHENG_THREAD, join_the_other, 0);
    joined[1] = start(CHENG_COROUTINE, join_the_other, 1);
    cheng_event_set(&ready);
    for (int i = 0; i < 2; i++)
        assert_int_equal(cheng_join(joined[i], NULL), 0);
    assert_int_equal(reports, 1);
    for (int i = 0; i < 2; i++) /* not before: they have each other's handles */
        cheng_task_free(joined[i]);
}

/* Of three waits that make a ring, the last begins only after another has ended: main leaves lock 2, for which the
 * second task waits, and goes on to lock 0. All that may happen while the first looks for rings. */
static int take_two_later(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0); /* until the second waits */
    assert_int_equal(cheng_lock_acquire_until(&locks[0], CHENG_FOREVER), 0);
    cheng_event_set(&ready);
    assert_int_equal(cheng_lock_acquire_until(&locks[1], CHENG_FOREVER), 0);
    cheng_lock_release(&locks[1]);
    cheng_lock_release(&locks[0]);
    return 0;
}

EXPLORED_WITH(a_ring_that_never_was_is_no_deadlock, .inside = true, .strategy = CHENG_EXPLORE_BOUNDED,
              .preemptions = 1, .time = 10 * CHENG_SECOND)
{
    tasks_in_ring = 3;
    assert_int_equal(cheng_lock_acquire_until(&locks[2], CHENG_FOREVER), 0);
    cheng_task *a = start(CHENG_THREAD, take_two_later, 0), *b = start(CHENG_THREAD, take_two, 1);
    assert_int_equal(cheng_event_wait(&ready), 0);
    cheng_lock_release(&locks[2]);
    assert_int_equal(cheng_lock_acquire_until(&locks[0], CHENG_FOREVER), 0);
    cheng_lock_release(&locks[0]);
    finish(a);
    finish(b);
    assert_int_equal(reports, 0);
}
