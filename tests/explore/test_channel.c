/* Queues of every other order, without a bound and without room, and what is done of their items: from within. */
#include "explore/queues.h"

static long marks[4]; /* plain: an order that is missing is a race */

/* ---- put and get ---- */

static int mark_and_put(const void *arg, void *result)
{
    long item = *(const long *)arg;
    marks[item] = item;
    return put_one(&item, result);
}

static int get_marked(const void *arg, void *result)
{
    long item = 0;
    (void)arg, (void)result;
    int rc = cheng_queue_get(queue, &item);
    assert_int_equal(marks[item], item);
    __atomic_fetch_add(&got, (int)item, __ATOMIC_RELAXED);
    return rc;
}

static void two_and_two(enum cheng_order order, size_t capacity)
{
    make(order, capacity);
    cheng_task *a = start(CHENG_THREAD, mark_and_put, 1), *b = start(CHENG_COROUTINE, mark_and_put, 2),
               *c = start(CHENG_THREAD, get_marked, 0);
    get_marked(NULL, NULL);
    assert_int_equal(finish(a) + finish(b) + finish(c), 0);
    assert_int_equal(got, 3);
    assert_int_equal(cheng_queue_size(queue), 0);
    cheng_queue_free(queue);
}

EXPLORED(lifo)
{
    two_and_two(CHENG_LIFO, 1);
}

EXPLORED(priority)
{
    two_and_two(CHENG_PRIORITY, 1);
}

EXPLORED(without_a_bound)
{
    two_and_two(CHENG_FIFO, 0);
}

EXPLORED_WITH(rendezvous, .inside = true, .spurious = 1)
{
    two_and_two(CHENG_FIFO, CHENG_RENDEZVOUS);
}

EXPLORED(a_deadline_lifo)
{
    a_getter_leaves(CHENG_LIFO, 1, CHENG_COROUTINE, 1000000);
}

EXPLORED(a_deadline_priority)
{
    a_getter_leaves(CHENG_PRIORITY, 0, CHENG_THREAD, 1000000);
}

EXPLORED(a_deadline_rendezvous)
{
    a_getter_leaves(CHENG_FIFO, CHENG_RENDEZVOUS, CHENG_THREAD, 1000000);
}

EXPLORED(a_cancel_lifo)
{
    a_getter_leaves(CHENG_LIFO, 0, CHENG_THREAD, 0);
}

EXPLORED(a_cancel_priority)
{
    a_getter_leaves(CHENG_PRIORITY, 1, CHENG_COROUTINE, 0);
}

EXPLORED(a_cancel_rendezvous)
{
    a_getter_leaves(CHENG_FIFO, CHENG_RENDEZVOUS, CHENG_COROUTINE, 0);
}

/* The same at the other end: the room that a get makes goes to the one who stays. */
static void a_putter_leaves(enum cheng_order order, size_t capacity, enum cheng_kind leaves, long patience)
{
    long item = 1;
    int room = capacity == CHENG_RENDEZVOUS ? 0 : (int)capacity;
    make(order, capacity);
    for (int i = 0; i < room; i++)
        assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(leaves, put_or_leave, patience), *b = start(CHENG_THREAD, put_one, 1);
    if (patience == 0)
        cheng_cancel(a);
    get_one(NULL, NULL);
    int put = finish_cancelled(a, 0);
    if (put)
        get_one(NULL, NULL);
    assert_int_equal(finish(b), 0);
    assert_int_equal(got, 1 + put);
    assert_int_equal(cheng_queue_size(queue), room);
    cheng_queue_free(queue);
}

EXPLORED(a_putters_deadline)
{
    a_putter_leaves(CHENG_PRIORITY, 1, CHENG_COROUTINE, 1000000);
}

EXPLORED(a_putters_cancel)
{
    a_putter_leaves(CHENG_LIFO, 1, CHENG_THREAD, 0);
}

EXPLORED(a_putters_deadline_rendezvous)
{
    a_putter_leaves(CHENG_FIFO, CHENG_RENDEZVOUS, CHENG_THREAD, 1000000);
}

EXPLORED(a_putters_cancel_rendezvous)
{
    a_putter_leaves(CHENG_FIFO, CHENG_RENDEZVOUS, CHENG_COROUTINE, 0);
}

/* ---- closing ---- */

/* All who wait end; what was put comes out, unless it was dropped. */
static void closes(enum cheng_order order, size_t capacity, bool drop)
{
    make(order, capacity);
    cheng_task *a = start(CHENG_THREAD, put_one, 1), *b = start(CHENG_COROUTINE, put_one, 1),
               *c = start(CHENG_THREAD, get_one, 0);
    if (drop)
        cheng_queue_close_and_drop(queue);
    else
        cheng_queue_close(queue);
    int put = 2 - finish(a) - finish(b), taken = 1 - finish(c);
    assert_int_equal(got, taken);
    if (drop || capacity == CHENG_RENDEZVOUS) {
        assert_int_equal(cheng_queue_size(queue), 0);
        assert_true(taken <= put && (drop || taken == put));
    } else {
        assert_int_equal(taken, put > 0);
        assert_int_equal(cheng_queue_size(queue), put - taken);
    }
    cheng_queue_free(queue);
}

EXPLORED(closed_lifo)
{
    closes(CHENG_LIFO, 1, false);
}

EXPLORED(closed_priority)
{
    closes(CHENG_PRIORITY, 0, false);
}

EXPLORED(closed_rendezvous)
{
    closes(CHENG_FIFO, CHENG_RENDEZVOUS, false);
}

EXPLORED(closed_and_dropped)
{
    closes(CHENG_FIFO, 1, true);
}

EXPLORED(closed_and_dropped_lifo)
{
    closes(CHENG_LIFO, 1, true);
}

/* Nobody has been told that a rendezvous took place and then not got the item. */
EXPLORED(closed_and_dropped_rendezvous)
{
    make(CHENG_FIFO, CHENG_RENDEZVOUS);
    cheng_task *a = start(CHENG_THREAD, put_one, 1), *b = start(CHENG_THREAD, get_one, 0);
    cheng_queue_close_and_drop(queue);
    assert_int_equal(finish(a), finish(b));
    cheng_queue_free(queue);
}

/* ---- done ---- */

static int get_and_do(const void *arg, void *result)
{
    long item;
    (void)result;
    if (cheng_queue_get(queue, &item) < 0)
        return 1;
    marks[*(const long *)arg] = 1;
    return cheng_queue_task_done(queue) == 0 ? 0 : 2;
}

static int join_once(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_queue_join(queue);
}

static void joins(enum cheng_order order, size_t capacity)
{
    long item = 1;
    make(order, capacity);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, get_and_do, 0), *b = start(CHENG_COROUTINE, get_and_do, 1),
               *c = start(CHENG_THREAD, join_once, 0);
    assert_int_equal(cheng_queue_join(queue), 0);
    assert_int_equal(marks[0] + marks[1], 2);
    assert_int_equal(finish(a) + finish(b) + finish(c), 0);
    assert_int_equal(cheng_queue_task_done(queue), -EINVAL);
    cheng_queue_free(queue);
}

EXPLORED_WITH(joined, .inside = true, .spurious = 1)
{
    joins(CHENG_FIFO, 2);
}

EXPLORED(joined_priority)
{
    joins(CHENG_PRIORITY, 0);
}

/* What was dropped is done: the joiner waits for what was taken, and for no more. */
static void joins_what_is_dropped(enum cheng_order order)
{
    long item = 1;
    make(order, 2);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, get_and_do, 0), *b = start(CHENG_THREAD, join_once, 0);
    cheng_queue_close_and_drop(queue);
    assert_int_equal(finish(b), 0);
    assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW), 0);
    assert_int_equal(marks[0], 1 - finish(a));
    cheng_queue_free(queue);
}

EXPLORED(dropped_is_done)
{
    joins_what_is_dropped(CHENG_FIFO);
}

EXPLORED(dropped_is_done_lifo)
{
    joins_what_is_dropped(CHENG_LIFO);
}

static int join_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg;
    (void)result;
    int rc = cheng_queue_join_until(queue, patience == 0 ? CHENG_FOREVER : cheng_after(patience));
    assert_true(rc == 0 || rc == (patience == 0 ? -ECANCELED : -ETIMEDOUT));
    return 0;
}

EXPLORED(a_joiner_leaves)
{
    long item = 1;
    make(CHENG_FIFO, 1);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, get_and_do, 0), *b = start(CHENG_THREAD, join_or_leave, 1000000),
               *c = start(CHENG_COROUTINE, join_or_leave, 0);
    cheng_cancel(c);
    assert_int_equal(cheng_queue_join(queue), 0);
    assert_int_equal(finish(a) + finish(b) + finish_cancelled(c, 0), 0);
    cheng_queue_free(queue);
}

/* ---- looking ---- */

/* Around the ring's end and back to the same slot: what is seen was there, and never goes back. */
EXPLORED(peeked)
{
    long item, last = 0;
    make(CHENG_FIFO, 1);
    cheng_task *a = start(CHENG_THREAD, put_in_order, 4), *b = start(CHENG_THREAD, get_in_order, 4);
    for (int i = 0; i < 2; i++) {
        int rc = cheng_queue_peek(queue, &item);
        assert_true(rc == 0 || rc == -EAGAIN);
        if (rc == 0) {
            assert_in_range(item, last, 4);
            last = item;
        }
        assert_in_range(cheng_queue_size(queue), 0, 1);
    }
    finish(a);
    finish(b);
    cheng_queue_free(queue);
}

/* ---- without memory ---- */

static void fails(enum cheng_order order)
{
    long items = 0, item;
    const cheng_queue_options options = { .order = order };
    int rc = cheng_queue_new(&queue, sizeof(long), &options);
    if (rc < 0) {
        assert_int_equal(rc, -ENOMEM);
        return;
    }
    for (long i = 0; i < 20; i++) {
        rc = cheng_queue_put(queue, &i);
        assert_true(rc == 0 || rc == -ENOMEM);
        if (rc < 0)
            rc = cheng_queue_put(queue, &i); /* the next has memory again */
        assert_int_equal(rc, 0);
        items++;
    }
    for (long i = 0; i < items; i++) {
        assert_int_equal(cheng_queue_get(queue, &item), 0);
        assert_int_equal(item, order == CHENG_LIFO ? items - 1 - i : i);
    }
    cheng_queue_free(queue);
}

EXPLORED_WITH(no_memory_fifo, .inside = true, .failures = 1)
{
    fails(CHENG_FIFO);
}

EXPLORED_WITH(no_memory_lifo, .inside = true, .failures = 1)
{
    fails(CHENG_LIFO);
}

EXPLORED_WITH(no_memory_priority, .inside = true, .failures = 1)
{
    fails(CHENG_PRIORITY);
}
