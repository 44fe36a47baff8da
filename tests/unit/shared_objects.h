/* What the tests of shared memory begin with: an arena, and objects in it. */
#ifndef CHENG_TEST_SHARED_OBJECTS_H
#define CHENG_TEST_SHARED_OBJECTS_H

#include <cheng.h>

#include <errno.h>
#include <pthread.h>

#include "arena/arena.h"
#include "arena/layout.h"
#include "unit/processes.h"

enum { SIZE = 1 << 20 };

static cheng_arena *arena;

/* A bound that never passes: what is woken here is woken by somebody, and a lost wake-up is a time-out of the
 * case. That the bound repairs what the dead left undone is shown by fault/kill. */
static inline void begin(void)
{
    assert_int_equal(cheng_arena_new(&arena, SIZE, &(cheng_arena_options){ .bound = 3600 * CHENG_SECOND }),
                     0);
}

static inline void *take(size_t size)
{
    void *block = cheng_arena_alloc(arena, size);
    assert_non_null(block);
    return block;
}

static inline cheng_lock *make_lock(void)
{
    cheng_lock *lock = take(sizeof *lock);
    assert_int_equal(cheng_lock_share(arena, lock), 0);
    return lock;
}

static inline cheng_event *make_event(void)
{
    cheng_event *event = take(sizeof *event);
    assert_int_equal(cheng_event_share(arena, event), 0);
    return event;
}

static inline cheng_semaphore *make_semaphore(unsigned value)
{
    cheng_semaphore *semaphore = take(sizeof *semaphore);
    assert_int_equal(cheng_semaphore_share(arena, semaphore, value), 0);
    return semaphore;
}

static inline cheng_queue *make_queue(size_t item_size, size_t capacity)
{
    cheng_queue *queue;
    cheng_queue_options options = { .capacity = capacity, .arena = arena };
    assert_int_equal(cheng_queue_new(&queue, item_size, &options), 0);
    return queue;
}

static inline void in_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#endif
