/* What works between processes: making objects shared, conditions, semaphores, events, and processes that are not
 * related. Locks and queues have files of their own. */
#include "unit/shared_objects.h"

#include <limits.h>

#include "queue/shared_ring.h"

TEST(share_wants_an_object_in_the_arena)
{
    begin();
    cheng_arena *other = arena;
    cheng_lock lock = { 0 };
    cheng_event event = { 0 };
    cheng_semaphore semaphore = { 0 };
    cheng_condition condition = { 0 };
    assert_int_equal(cheng_lock_share(arena, &lock), -EINVAL);
    assert_int_equal(cheng_event_share(arena, &event), -EINVAL);
    assert_int_equal(cheng_semaphore_share(arena, &semaphore, 1), -EINVAL);
    assert_int_equal(cheng_condition_share(arena, &condition), -EINVAL);
    assert_int_equal(lock.kind | event.kind | semaphore.kind | condition.kind, 0);
    char *block = take(64);
    assert_int_equal(cheng_lock_share(arena, (cheng_lock *)(void *)(block + 1)), -EINVAL);
    assert_int_equal(cheng_semaphore_share(arena, (cheng_semaphore *)(void *)block, (unsigned)INT_MAX + 1),
                     -EINVAL);
    begin();
    assert_int_equal(cheng_lock_share(arena, (cheng_lock *)(void *)block), -EINVAL); /* another arena's */
    assert_int_equal(cheng_lock_share(other, (cheng_lock *)(void *)block), 0);
}

/* ---- condition ---- */

struct turns {
    cheng_lock *lock;
    cheng_condition *changed;
    int64_t turn, rounds;
};

static void answer_turns(void *arg)
{
    struct turns *turns = arg;
    for (int64_t i = 0; i < turns->rounds; i++)
        CHENG_WITH(turns->lock) {
            while (turns->turn == 0)
                assert_int_equal(cheng_condition_wait(turns->changed, turns->lock), 0);
            turns->turn = 0;
            cheng_condition_notify(turns->changed, 1);
        }
}

TEST(condition_between_processes)
{
    begin();
    struct turns *turns = take(sizeof *turns);
    turns->lock = make_lock();
    turns->changed = take(sizeof *turns->changed);
    turns->rounds = 2000;
    assert_int_equal(cheng_condition_share(arena, turns->changed), 0);
    pid_t child = start(answer_turns, turns);
    for (int64_t i = 0; i < turns->rounds; i++)
        CHENG_WITH(turns->lock) {
            while (turns->turn == 1)
                assert_int_equal(cheng_condition_wait(turns->changed, turns->lock), 0);
            turns->turn = 1;
            cheng_condition_notify(turns->changed, 1);
        }
    wait_for(child);
}

TEST(condition_errors)
{
    begin();
    cheng_lock *lock = make_lock(), private_lock = { 0 };
    cheng_condition *condition = take(sizeof *condition), private_condition = { 0 };
    assert_int_equal(cheng_condition_share(arena, condition), 0);
    assert_int_equal(cheng_condition_wait(condition, lock), -EPERM);
    CHENG_WITH(lock) {
        assert_int_equal(cheng_condition_wait_until(condition, lock, CHENG_NOW), -EAGAIN);
        /* A wait may end for no reason: only the deadline's own error is certain to come in the end. */
        cheng_deadline deadline = cheng_after(20 * CHENG_MILLISECOND);
        int rc;
        while ((rc = cheng_condition_wait_until(condition, lock, deadline)) == 0)
            ;
        assert_int_equal(rc, -ETIMEDOUT);
        assert_int_equal(cheng_condition_wait(&private_condition, lock), -EINVAL);
    }
    CHENG_WITH(&private_lock)
        assert_int_equal(cheng_condition_wait(condition, &private_lock), -EINVAL);
}

/* ---- semaphore ---- */

static void take_units(void *arg)
{
    cheng_semaphore *semaphores = arg;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(cheng_semaphore_acquire(&semaphores[0]), 0);
        assert_int_equal(cheng_semaphore_release(&semaphores[1], 1), 0);
    }
}

TEST(semaphore_between_processes)
{
    begin();
    cheng_semaphore *semaphores = take(2 * sizeof *semaphores);
    assert_int_equal(cheng_semaphore_share(arena, &semaphores[0], 0), 0);
    assert_int_equal(cheng_semaphore_share(arena, &semaphores[1], 3), 0);
    pid_t children[2] = { start(take_units, semaphores), start(take_units, semaphores) };
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(cheng_semaphore_acquire(&semaphores[1]), 0);
        assert_int_equal(cheng_semaphore_release(&semaphores[0], 1), 0);
    }
    wait_for(children[0]);
    wait_for(children[1]);
    assert_int_equal(cheng_semaphore_value(&semaphores[0]), 0);
    assert_int_equal(cheng_semaphore_value(&semaphores[1]), 3);
}

TEST(semaphore_errors)
{
    begin();
    cheng_semaphore *semaphore = make_semaphore(0);
    assert_int_equal(cheng_semaphore_acquire_until(semaphore, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_semaphore_acquire_until(semaphore, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_semaphore_release(semaphore, INT_MAX), 0);
    assert_int_equal(cheng_semaphore_release(semaphore, 1), -EOVERFLOW);
    cheng_semaphore *private_one = take(sizeof *private_one);
    assert_int_equal(cheng_semaphore_acquire_until(private_one, cheng_after(CHENG_SECOND)), -EINVAL);
}

/* ---- event ---- */

static void answer_events(void *arg)
{
    cheng_event *events = arg;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(cheng_event_wait(&events[0]), 0);
        cheng_event_clear(&events[0]);
        cheng_event_set(&events[1]);
    }
}

TEST(event_between_processes)
{
    begin();
    cheng_event *events = take(2 * sizeof *events);
    assert_int_equal(cheng_event_share(arena, &events[0]), 0);
    assert_int_equal(cheng_event_share(arena, &events[1]), 0);
    pid_t child = start(answer_events, events);
    for (int i = 0; i < 2000; i++) {
        cheng_event_set(&events[0]);
        assert_int_equal(cheng_event_wait(&events[1]), 0);
        cheng_event_clear(&events[1]);
    }
    wait_for(child);
}

TEST(event_errors)
{
    begin();
    cheng_event *event = make_event();
    assert_int_equal(cheng_event_wait_until(event, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_event_wait_until(event, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    cheng_event_set(event);
    assert_int_equal(cheng_event_wait_until(event, CHENG_NOW), 0);
    cheng_event *private_one = take(sizeof *private_one);
    assert_int_equal(cheng_event_wait_until(private_one, cheng_after(CHENG_SECOND)), -EINVAL);
}

/* An unrelated process: its arena is at another address. */
static void open_by_name(const char *name)
{
    struct shared_ring *ring;
    struct {
        cheng_lock lock;
        uint64_t ring;
    } * root;
    int item;
    assert_int_equal(cheng_arena_attach(&arena, name), 0);
    root = cheng_arena_root(arena);
    assert_non_null(root);
    CHENG_WITH(&root->lock) {
        assert_int_equal(chengi_shared_ring_open(&ring, arena, arena->base + root->ring), 0);
        assert_int_equal(chengi_shared_ring_get(ring, &item, CHENG_NOW), 0);
        item++;
        assert_int_equal(chengi_shared_ring_put(ring, &item, CHENG_NOW), 0);
        chengi_shared_ring_free(ring);
    }
    assert_int_equal(cheng_lock_acquire_until(&root->lock, CHENG_NOW), 0); /* and dies with it */
}

TEST(objects_of_an_unrelated_process) // noqemu: novalgrind: starts itself again
{
    if (told_by_another() != NULL) {
        open_by_name(told_by_another());
        return;
    }
    const char *name = unique_name();
    cheng_arena_options options = { .name = name, .bound = 5 * CHENG_MILLISECOND };
    assert_int_equal(cheng_arena_new(&arena, SIZE, &options), 0);
    struct {
        cheng_lock lock;
        uint64_t ring;
    } *root = take(sizeof *root);
    struct shared_ring *ring, *other;
    int item = 41;
    assert_int_equal(cheng_lock_share(arena, &root->lock), 0);
    assert_int_equal(chengi_shared_ring_new(&ring, arena, sizeof item, 4), 0);
    assert_int_equal(chengi_shared_ring_put(ring, &item, CHENG_NOW), 0);
    root->ring = (uint64_t)((const unsigned char *)chengi_shared_ring_part(ring) - arena->base);
    void *no_ring = (void *)(((uintptr_t)take(1024) + 63) & ~(uintptr_t)63);
    assert_int_equal(chengi_shared_ring_open(&other, arena, no_ring), -EBADMSG);
    assert_int_equal(chengi_shared_ring_open(&other, arena, root), -EINVAL); /* not aligned as one */
    assert_int_equal(chengi_shared_ring_open(&other, arena, &root), -EINVAL);
    cheng_arena_set_root(arena, root);
    in_another_program("objects_of_an_unrelated_process", name);
    assert_int_equal(chengi_shared_ring_get(ring, &item, CHENG_NOW), 0);
    assert_int_equal(item, 42);
    assert_int_equal(cheng_lock_acquire_until(&root->lock, CHENG_FOREVER), -EOWNERDEAD);
    chengi_shared_ring_free(ring);
    assert_int_equal(cheng_arena_unlink(name), 0);
}

TEST(the_header_overwritten_under_its_objects)
{
    begin();
    cheng_lock *lock = make_lock();
    cheng_queue *queue = make_queue(4, 1);
    cheng_event *event = make_event();
    cheng_semaphore *semaphore = make_semaphore(0);
    int item = 0;
    memset(arena->base, 0xff, 64); /* magic, size, rows: all that is fixed */
    assert_int_equal(cheng_lock_acquire_until(lock, CHENG_FOREVER), -EBADMSG);
    assert_int_equal(cheng_event_wait_until(event, cheng_after(CHENG_MILLISECOND)), -EBADMSG);
    assert_int_equal(cheng_semaphore_acquire_until(semaphore, cheng_after(CHENG_MILLISECOND)), -EBADMSG);
    assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), -EBADMSG);
    assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT); /* never locks */
    cheng_queue_free(queue);
    assert_int_equal(cheng_arena_free(arena), 0);
}
