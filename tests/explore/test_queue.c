/* The private queue, from within. */
#include "explore/queues.h"

static void in_order(enum cheng_kind putter, enum cheng_kind getter, size_t capacity, long n)
{
    make(CHENG_FIFO, capacity);
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
    make(CHENG_FIFO, 1);
    cheng_task *a = start(CHENG_THREAD, put_one, 1), *b = start(CHENG_COROUTINE, put_one, 2),
               *c = start(CHENG_THREAD, get_one, 0);
    get_one(NULL, NULL);
    assert_int_equal(finish(a) + finish(b) + finish(c), 0);
    assert_int_equal(got, 3);
    cheng_queue_free(queue);
}

EXPLORED(a_deadline)
{
    a_getter_leaves(CHENG_FIFO, 1, CHENG_COROUTINE, 1000000);
}

EXPLORED(a_cancel)
{
    a_getter_leaves(CHENG_FIFO, 1, CHENG_THREAD, 0);
}

/* The same at the other end: the room that a get makes goes to the one who stays. */
EXPLORED(a_deadline_of_a_putter)
{
    long item = 1;
    make(CHENG_FIFO, 1);
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
    make(CHENG_FIFO, 2);
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
    make(CHENG_FIFO, 1);
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
    make(CHENG_FIFO, 4);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, take_and_put_back, 0);
    assert_in_range(cheng_queue_size(queue), 0, 1);
    finish(a);
    assert_int_equal(cheng_queue_size(queue), 1);
    cheng_queue_free(queue);
}
