/* The private queue, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_queue *queue;
static int got; /* items that came out */

static void make(size_t capacity)
{
    assert_int_equal(cheng_queue_new(&queue, sizeof(long), &(cheng_queue_options){ .capacity = capacity }),
                     0);
}

static int put_in_order(const void *arg, void *result)
{
    (void)result;
    for (long i = 1; i <= *(const long *)arg; i++)
        assert_int_equal(cheng_queue_put(queue, &i), 0);
    return 0;
}

static int get_in_order(const void *arg, void *result)
{
    long item;
    (void)result;
    for (long i = 1; i <= *(const long *)arg; i++) {
        assert_int_equal(cheng_queue_get(queue, &item), 0);
        assert_int_equal(item, i);
    }
    return 0;
}

static int put_one(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_queue_put(queue, arg);
    return rc == 0 ? 0 : rc == -EPIPE ? 1 : 2;
}

static int get_one(const void *arg, void *result)
{
    long item = 0;
    (void)arg, (void)result;
    int rc = cheng_queue_get(queue, &item);
    if (rc == 0)
        __atomic_fetch_add(&got, (int)item, __ATOMIC_RELAXED);
    return rc == 0 ? 0 : rc == -EPIPE ? 1 : 2;
}

/* Returns how many items it has. */
static int get_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg, item;
    (void)result;
    int rc = cheng_queue_get_until(queue, &item, patience == 0 ? CHENG_FOREVER : cheng_after(patience));
    if (rc == 0)
        return 1;
    assert_int_equal(rc, patience == 0 ? -ECANCELED : -ETIMEDOUT);
    return 0;
}

static int put_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg, item = 1;
    (void)result;
    int rc = cheng_queue_put_until(queue, &item, patience == 0 ? CHENG_FOREVER : cheng_after(patience));
    if (rc == 0)
        return 1;
    assert_int_equal(rc, patience == 0 ? -ECANCELED : -ETIMEDOUT);
    return 0;
}

static void in_order(enum cheng_kind putter, enum cheng_kind getter, size_t capacity, long n)
{
    make(capacity);
    cheng_task *a = start(putter, put_in_order, n), *b = start(getter, get_in_order, n);
    finish(a);
    finish(b);
    assert_int_equal(cheng_queue_size(queue), 0);
    cheng_queue_free(queue);
}

EXPLORED_WITH(threads_in_order, .inside = true, .spurious = 1)
{
    in_order(CHENG_THREAD, CHENG_THREAD, 1, 3);
}

EXPLORED(coroutines_in_order)
{
    in_order(CHENG_COROUTINE, CHENG_COROUTINE, 2, 3);
}

EXPLORED(two_put_and_two_get)
{
    make(1);
    cheng_task *a = start(CHENG_THREAD, put_one, 1), *b = start(CHENG_COROUTINE, put_one, 2),
               *c = start(CHENG_THREAD, get_one, 0);
    get_one(NULL, NULL);
    assert_int_equal(finish(a) + finish(b) + finish(c), 0);
    assert_int_equal(got, 3);
    cheng_queue_free(queue);
}

/* Whoever leaves, the other one gets the item. */
static void one_leaves(enum cheng_kind leaves, long patience)
{
    long item = 1;
    make(1);
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

EXPLORED(a_deadline)
{
    one_leaves(CHENG_COROUTINE, 1000000);
}

EXPLORED(a_cancel)
{
    one_leaves(CHENG_THREAD, 0);
}

/* The same at the other end: the room that a get makes goes to the one who stays. */
EXPLORED(a_deadline_of_a_putter)
{
    long item = 1;
    make(1);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, put_or_leave, 1000000), *b = start(CHENG_COROUTINE, put_one, 1);
    get_one(NULL, NULL);
    if (finish(a))
        get_one(NULL, NULL);
    assert_int_equal(finish(b), 0);
    assert_int_equal(cheng_queue_size(queue), 1);
    cheng_queue_free(queue);
}

/* All who wait end; what was put comes out. */
EXPLORED(closed)
{
    long item = 1;
    make(2);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, get_one, 0), *b = start(CHENG_COROUTINE, get_one, 0);
    cheng_queue_close(queue);
    assert_int_equal(finish(a) + finish(b), 1);
    assert_int_equal(got, 1);
    cheng_queue_free(queue);
}

EXPLORED(closed_when_full)
{
    long item = 1;
    make(1);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, put_one, 1);
    cheng_queue_close(queue);
    assert_int_equal(finish(a), 1);
    assert_int_equal(cheng_queue_size(queue), 1);
    cheng_queue_free(queue);
}

EXPLORED_WITH(no_memory, .inside = true, .failures = 1)
{
    long item = 7;
    int rc = cheng_queue_new(&queue, sizeof item, &(cheng_queue_options){ .capacity = 1 });
    if (rc < 0) {
        assert_int_equal(rc, -ENOMEM);
        return;
    }
    cheng_task *a;
    rc = cheng_start(&a, CHENG_COROUTINE, get_one, NULL, 0, NULL);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    if (rc == 0) {
        assert_int_equal(finish(a), 0);
        assert_int_equal(got, 7);
    } else {
        assert_int_equal(rc, -ENOMEM);
    }
    cheng_queue_free(queue);
}

static int take_and_put_back(const void *arg, void *result)
{
    long item = 0;
    (void)arg, (void)result;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
        assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), 0);
    }
    return 0;
}

/* The size is that of one moment: one item that comes and goes is never two. */
EXPLORED(a_size)
{
    long item = 1;
    make(4);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, take_and_put_back, 0);
    assert_in_range(cheng_queue_size(queue), 0, 1);
    finish(a);
    assert_int_equal(cheng_queue_size(queue), 1);
    cheng_queue_free(queue);
}
