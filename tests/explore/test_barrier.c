/* The barrier, from within. */
#include "explore/explored.h"

#include <errno.h>

static int before[3], actions, seen;

static int act(void *unused)
{
    (void)unused;
    actions++;
    seen = before[0] + before[1] + before[2]; /* not atomic: the barrier orders */
    return 0;
}

static cheng_barrier barrier;
static int indices; /* a bit for each */

/* `arg`: who, and 10 times a deadline in microseconds. */
static int come(const void *arg, void *result)
{
    long who = *(const long *)arg % 10, us = *(const long *)arg / 10;
    unsigned index = 9;
    (void)result;
    before[who] = 1;
    int rc = cheng_barrier_wait_until(&barrier, &index, us == 0 ? CHENG_FOREVER : cheng_after(us * 1000));
    if (rc == 0) {
        assert_int_equal(seen, barrier.parties);
        assert_int_equal(__atomic_fetch_or(&indices, 1 << index, __ATOMIC_RELAXED) & 1 << index, 0);
    } else {
        assert_int_equal(index, 9);
    }
    return rc;
}

static void prepare(unsigned parties)
{
    barrier = (cheng_barrier)CHENG_BARRIER(parties, act, NULL);
    actions = seen = indices = before[0] = before[1] = before[2] = 0;
}

EXPLORED(two_threads)
{
    prepare(2);
    cheng_task *a = start(CHENG_THREAD, come, 0), *b = start(CHENG_THREAD, come, 1);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(indices, 3);
    assert_int_equal(actions, 1);
    assert_int_equal(barrier.word, 0);
}

EXPLORED(three)
{
    prepare(3);
    cheng_task *a = start(CHENG_THREAD, come, 0), *b = start(CHENG_COROUTINE, come, 1),
               *c = start(CHENG_THREAD, come, 2);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(finish(c), 0);
    assert_int_equal(indices, 7);
    assert_int_equal(barrier.word, 0);
}

static int come_twice(const void *arg, void *result)
{
    (void)arg, (void)result;
    int rc = cheng_barrier_wait(&barrier, NULL);
    assert_int_equal(actions >= 1, 1);
    return rc < 0 ? rc : cheng_barrier_wait(&barrier, NULL);
}

/* Nobody takes part in two rounds at once, nor misses one. */
EXPLORED(two_rounds)
{
    prepare(2);
    cheng_task *a = start(CHENG_THREAD, come_twice, 0), *b = start(CHENG_THREAD, come_twice, 0);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(actions, 2);
    assert_int_equal(barrier.word, 0);
}

/* All get through, or it is broken and nobody does. */
static void all_or_nobody(int a, int b, int left)
{
    if (cheng_barrier_broken(&barrier)) {
        assert_int_equal(a, left);
        assert_int_equal(b, -EPIPE);
        assert_int_equal(actions, 0);
    } else {
        assert_int_equal(a, 0);
        assert_int_equal(b, 0);
        assert_int_equal(actions, 1);
    }
    assert_int_equal(cheng_barrier_waiting(&barrier), 0);
    assert_int_equal(barrier.word & ~4u, 0);
}

EXPLORED(a_deadline)
{
    prepare(2);
    cheng_task *a = start(CHENG_THREAD, come, 10000), *b = start(CHENG_THREAD, come, 1);
    int first = finish(a), second = finish(b);
    all_or_nobody(first, second, -ETIMEDOUT);
}

EXPLORED(a_cancel)
{
    prepare(2);
    cheng_task *a = start(CHENG_COROUTINE, come, 0), *b = start(CHENG_THREAD, come, 1);
    cheng_cancel(a);
    int first = finish(a);
    if (!before[0]) /* it has never come, and never will */
        cheng_barrier_abort(&barrier);
    int second = finish(b);
    all_or_nobody(first, second, -ECANCELED);
}

EXPLORED(an_abort)
{
    prepare(2);
    cheng_task *a = start(CHENG_THREAD, come, 0), *b = start(CHENG_THREAD, come, 1);
    cheng_barrier_abort(&barrier);
    int first = finish(a), second = finish(b);
    assert_int_equal(first, second);
    assert_true(first == 0 || first == -EPIPE);
    assert_int_equal(actions, first == 0);
    assert_int_equal(barrier.word, 4);
}

/* Who was there has to come again. */
static int come_until_through(const void *arg, void *result)
{
    int rc;
    while ((rc = come(arg, result)) == -EPIPE)
        ;
    return rc;
}

EXPLORED(a_reset)
{
    prepare(2);
    cheng_task *a = start(CHENG_THREAD, come_until_through, 0),
               *b = start(CHENG_COROUTINE, come_until_through, 1);
    cheng_barrier_reset(&barrier);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(barrier.word, 0);
}
