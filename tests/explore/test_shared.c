/* What lies in an arena, from within; by two tasks of one process, since the explorer has no other. */
#include "explore/explored.h"

#include <errno.h>
#include <limits.h>

#include "host/explore/engine.h"

static cheng_arena *arena;
static int64_t began;
static struct objects {
    cheng_lock lock;
    cheng_condition changed;
    cheng_event event;
    cheng_semaphore semaphore;
    int items;
} * shared;
static cheng_queue *queue;

/* The bound of a wait is an hour, so that a wake-up which that would make good is missed for long enough. */
static void make(void)
{
    cheng_arena_options options = { .bound = 3600 * CHENG_SECOND };
    began = cheng_clock_ns();
    assert_int_equal(cheng_arena_new(&arena, 4096, &options), 0);
    shared = cheng_arena_alloc(arena, sizeof *shared);
    assert_non_null(shared);
    assert_int_equal(cheng_lock_share(arena, &shared->lock), 0);
    assert_int_equal(cheng_condition_share(arena, &shared->changed), 0);
    assert_int_equal(cheng_event_share(arena, &shared->event), 0);
    assert_int_equal(cheng_semaphore_share(arena, &shared->semaphore, 0), 0);
}

static cheng_deadline patience(const void *arg)
{
    long patience = *(const long *)arg;
    return patience == 0 ? CHENG_FOREVER : cheng_after(patience);
}

/* 1: it has had the lock. */
static int add(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_lock_acquire_until(&shared->lock, patience(arg));
    if (rc == -ETIMEDOUT)
        return 0;
    assert_int_equal(rc, 0);
    shared->items++;
    assert_int_equal(cheng_lock_release(&shared->lock), 0);
    return 1;
}

static int take(const void *arg, void *result)
{
    int rc = 0;
    (void)result;
    CHENG_WITH(&shared->lock) {
        while (shared->items == 0 && rc == 0)
            rc = cheng_condition_wait_until(&shared->changed, &shared->lock, patience(arg));
        shared->items -= rc == 0;
    }
    return rc == 0;
}

static int wait_for_event(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_event_wait_until(&shared->event, patience(arg));
    if (rc == 0)
        assert_int_equal(shared->items, 42);
    return rc == 0;
}

static int take_unit(const void *arg, void *result)
{
    (void)result;
    return cheng_semaphore_acquire_until(&shared->semaphore, patience(arg)) == 0;
}

static int get_two(const void *arg, void *result)
{
    long item;
    (void)result;
    for (long i = 1; i <= 2; i++) {
        int rc = cheng_queue_get_until(queue, &item, patience(arg));
        if (rc != 0)
            return (int)i - 1;
        assert_int_equal(item, i);
    }
    return 2;
}

EXPLORED(lock)
{
    make();
    cheng_task *a = start(CHENG_THREAD, add, 0), *b = start(CHENG_THREAD, add, 1000000);
    add(&(long){ 0 }, NULL);
    int had = 1 + finish(a);
    had += finish(b);
    assert_int_equal(shared->items, had);
    assert_false(cheng_lock_locked(&shared->lock));
    explored_within(began, 1000 * CHENG_SECOND);
}

/* Who leaves, because its time is up while the lock is held, takes no wake-up with it. */
EXPLORED(lock_and_a_coroutine)
{
    make();
    assert_int_equal(cheng_lock_acquire_until(&shared->lock, CHENG_FOREVER), 0);
    cheng_task *a = start(CHENG_COROUTINE, add, 1000000), *b = start(CHENG_THREAD, add, 0);
    assert_int_equal(cheng_sleep(2 * CHENG_MILLISECOND), 0);
    assert_int_equal(cheng_lock_release(&shared->lock), 0);
    int had = finish(a);
    had += finish(b);
    assert_int_equal(shared->items, had);
    explored_within(began, 1000 * CHENG_SECOND);
}

EXPLORED_WITH(condition, .inside = true, .spurious = 1)
{
    make();
    cheng_task *a = start(CHENG_THREAD, take, 0), *b = start(CHENG_THREAD, take, 1000000);
    CHENG_WITH(&shared->lock) {
        shared->items = 2;
    }
    cheng_condition_notify(&shared->changed, UINT_MAX);
    assert_int_equal(finish(a), 1);
    int left = 1 - finish(b);
    assert_int_equal(shared->items, left);
    explored_within(began, 1000 * CHENG_SECOND);
}

EXPLORED(event)
{
    make();
    cheng_task *a = start(CHENG_THREAD, wait_for_event, 0), *b = start(CHENG_COROUTINE, wait_for_event, 0);
    shared->items = 42;
    cheng_event_set(&shared->event);
    assert_int_equal(finish(a) + finish(b), 2);
    explored_within(began, 1000 * CHENG_SECOND);
}

EXPLORED(cancel)
{
    make();
    cheng_task *a = start(CHENG_THREAD, wait_for_event, 0), *b = start(CHENG_COROUTINE, wait_for_event, 0);
    cheng_cancel(a);
    cheng_cancel(b);
    assert_int_equal(finish_cancelled(a, 0) + finish_cancelled(b, 0), 0);
    explored_within(began, 1000 * CHENG_SECOND);
}

EXPLORED(semaphore)
{
    make();
    cheng_task *a = start(CHENG_THREAD, take_unit, 0), *b = start(CHENG_THREAD, take_unit, 1000000);
    assert_int_equal(cheng_semaphore_release(&shared->semaphore, 1), 0);
    if (finish(b))
        assert_int_equal(cheng_semaphore_release(&shared->semaphore, 1), 0);
    assert_int_equal(finish(a), 1);
    assert_int_equal(cheng_semaphore_value(&shared->semaphore), 0);
    explored_within(began, 1000 * CHENG_SECOND);
}

EXPLORED(queue)
{
    make();
    assert_int_equal(
        cheng_queue_new(&queue, sizeof(long), &(cheng_queue_options){ .capacity = 1, .arena = arena }), 0);
    cheng_task *a = start(CHENG_THREAD, get_two, 0);
    for (long i = 1; i <= 2; i++)
        assert_int_equal(cheng_queue_put(queue, &i), 0);
    assert_int_equal(finish(a), 2);
    cheng_queue_free(queue);
    explored_within(began, 1000 * CHENG_SECOND);
}

static int get_one(const void *arg, void *result)
{
    long item;
    (void)arg, (void)result;
    return cheng_queue_get(queue, &item);
}

EXPLORED(queue_and_two_getters)
{
    make();
    assert_int_equal(
        cheng_queue_new(&queue, sizeof(long), &(cheng_queue_options){ .capacity = 2, .arena = arena }), 0);
    cheng_task *a = start(CHENG_THREAD, get_one, 0), *b = start(CHENG_THREAD, get_one, 0);
    for (long i = 1; i <= 2; i++)
        assert_int_equal(cheng_queue_put(queue, &i), 0);
    assert_int_equal(finish(a) + finish(b), 0);
    cheng_queue_free(queue);
    explored_within(began, 1000 * CHENG_SECOND);
}

EXPLORED(queue_closed)
{
    make();
    assert_int_equal(
        cheng_queue_new(&queue, sizeof(long), &(cheng_queue_options){ .capacity = 1, .arena = arena }), 0);
    cheng_task *a = start(CHENG_THREAD, get_two, 0), *b = start(CHENG_COROUTINE, get_two, 1000000);
    cheng_queue_close(queue);
    assert_int_equal(finish(a) + finish(b), 0);
    cheng_queue_free(queue);
    explored_within(began, 1000 * CHENG_SECOND);
}

/* Woken in vain for a millisecond, a waiter is the next to have it. */
EXPLORED_WITH(lock_is_kept_for_who_starves, .inside = true, .strategy = CHENG_EXPLORE_BOUNDED)
{
    make();
    cheng_task *a = start(CHENG_THREAD, add, 0);
    int had_it = 0;
    for (int turns = 0; turns < 3; turns++)
        CHENG_WITH(&shared->lock) {
            had_it = shared->items;
            assert_int_equal(cheng_sleep(2 * CHENG_MILLISECOND), 0);
        }
    assert_true(had_it == 1 || chengi_engine.early > 0);
    finish(a);
}

static int put_one(const void *arg, void *result)
{
    (void)result;
    return cheng_queue_put(queue, arg) == -EPIPE;
}

EXPLORED(queue_closed_when_full)
{
    long item = 1;
    make();
    assert_int_equal(
        cheng_queue_new(&queue, sizeof item, &(cheng_queue_options){ .capacity = 1, .arena = arena }), 0);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_task *a = start(CHENG_THREAD, put_one, 2);
    cheng_queue_close(queue);
    assert_int_equal(finish(a), 1);
    cheng_queue_free(queue);
    explored_within(began, 1000 * CHENG_SECOND);
}
