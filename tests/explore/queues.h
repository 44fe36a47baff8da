/* A queue of numbers, and the least that tasks do with it, for bodies. */
#ifndef CHENG_TEST_EXPLORE_QUEUES_H
#define CHENG_TEST_EXPLORE_QUEUES_H

#include "explore/explored.h"

#include <errno.h>

static cheng_queue *queue;
static int got; /* the sum of what came out */

static inline void make(enum cheng_order order, size_t capacity)
{
    const cheng_queue_options options = { .order = order, .capacity = capacity };
    assert_int_equal(cheng_queue_new(&queue, sizeof(long), &options), 0);
}

static inline int put_one(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_queue_put(queue, arg);
    return rc == 0 ? 0 : rc == -EPIPE ? 1 : 2;
}

static inline int get_one(const void *arg, void *result)
{
    long item = 0;
    (void)arg, (void)result;
    int rc = cheng_queue_get(queue, &item);
    if (rc == 0)
        __atomic_fetch_add(&got, (int)item, __ATOMIC_RELAXED);
    return rc == 0 ? 0 : rc == -EPIPE ? 1 : 2;
}

/* Patience 0: until it is cancelled. Returns how many items it has moved. */
static inline int get_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg, item = 77;
    (void)result;
    int rc = cheng_queue_get_until(queue, &item, patience == 0 ? CHENG_FOREVER : cheng_after(patience));
    if (rc == 0)
        return 1;
    assert_int_equal(item, 77);
    assert_int_equal(rc, patience == 0 ? -ECANCELED : -ETIMEDOUT);
    return 0;
}

static inline int put_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg, item = 1;
    (void)result;
    int rc = cheng_queue_put_until(queue, &item, patience == 0 ? CHENG_FOREVER : cheng_after(patience));
    if (rc == 0)
        return 1;
    assert_int_equal(rc, patience == 0 ? -ECANCELED : -ETIMEDOUT);
    return 0;
}

static inline int put_in_order(const void *arg, void *result)
{
    (void)result;
    for (long i = 1; i <= *(const long *)arg; i++)
        assert_int_equal(cheng_queue_put(queue, &i), 0);
    return 0;
}

static inline int get_in_order(const void *arg, void *result)
{
    long item;
    (void)result;
    for (long i = 1; i <= *(const long *)arg; i++) {
        assert_int_equal(cheng_queue_get(queue, &item), 0);
        assert_int_equal(item, i);
    }
    return 0;
}

/* Whoever leaves, the other one gets the item. */
static inline void a_getter_leaves(enum cheng_order order, size_t capacity, enum cheng_kind leaves,
                                   long patience)
{
    long item = 1;
    make(order, capacity);
    cheng_task *a = start(leaves, get_or_leave, patience), *b = start(CHENG_THREAD, get_one, 0);
    if (patience == 0)
        cheng_cancel(a);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    if (finish_cancelled(a, 0))
        assert_int_equal(cheng_queue_put(queue, &item), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(cheng_queue_size(queue), 0);
    cheng_queue_free(queue);
}

#endif
