/* The recursive lock: depth, ownership, conditions, dead owners, deadlocks. test_matrix.c has its waits. */
#include "unit/actors.h"

#include <limits.h>
#include <pthread.h>

#include "arena/arena.h"

static cheng_rlock rlock;
static cheng_condition changed;

static int probe_now(void *unused)
{
    (void)unused;
    int rc = cheng_rlock_acquire_until(&rlock, CHENG_NOW);
    if (rc == 0)
        assert_int_equal(cheng_rlock_release(&rlock), 0);
    return rc;
}

static int release_it(void *unused)
{
    (void)unused;
    return cheng_rlock_release(&rlock);
}

/* Others get in after as many releases as there were acquires, each way of acquiring counts. */
TEST(as_many_releases_as_acquires)
{
    assert_false(cheng_rlock_locked(&rlock));
    cheng_rlock_acquire(&rlock);
    cheng_rlock_acquire(&rlock);
    assert_int_equal(cheng_rlock_acquire_until(&rlock, CHENG_NOW), 0); /* the owner always succeeds */
    assert_int_equal(cheng_rlock_acquire_until(&rlock, cheng_after(-1)), 0);
    for (int depth = 4; depth > 0; depth--) {
        everybody_finds(probe_now, -EAGAIN);
        assert_true(cheng_rlock_locked(&rlock));
        assert_int_equal(cheng_rlock_release(&rlock), 0);
    }
    assert_false(cheng_rlock_locked(&rlock));
    everybody_finds(probe_now, 0);
}

TEST(only_the_owner_releases)
{
    assert_int_equal(cheng_rlock_release(&rlock), -EPERM); /* free */
    cheng_rlock_acquire(&rlock);
    cheng_rlock_acquire(&rlock);
    everybody_finds(release_it, -EPERM);
    assert_int_equal(cheng_rlock_release(&rlock), 0);
    everybody_finds(release_it, -EPERM);
    assert_int_equal(cheng_rlock_release(&rlock), 0);
    assert_int_equal(cheng_rlock_release(&rlock), -EPERM);
}

/* The functions behind the macros: the same, without what is inlined. */
TEST(functions_without_macros)
{
    void (*acquire)(cheng_rlock *) = &cheng_rlock_acquire;
    int (*acquire_until)(cheng_rlock *, cheng_deadline) = &cheng_rlock_acquire_until;
    int (*release)(cheng_rlock *) = &cheng_rlock_release;
    acquire(&rlock);
    acquire(&rlock);
    assert_int_equal(acquire_until(&rlock, CHENG_NOW), 0);
    for (int depth = 3; depth > 0; depth--) {
        everybody_finds(probe_now, -EAGAIN);
        assert_int_equal(release(&rlock), 0);
    }
    assert_int_equal(release(&rlock), -EPERM);
}

static int leave_by_return(void)
{
    CHENG_WITH_RLOCK(&rlock)
    CHENG_WITH_RLOCK(&rlock)
    return 4;
    return 0;
}

TEST(with)
{
    assert_int_equal(leave_by_return(), 4);
    assert_false(cheng_rlock_locked(&rlock));
    CHENG_WITH_RLOCK(&rlock)
    {
        CHENG_WITH_RLOCK(&rlock)
        break;
        assert_true(cheng_rlock_locked(&rlock));
    }
    assert_false(cheng_rlock_locked(&rlock));
}

/* A coroutine that has waited inside is the owner still; the thread below it, and others on it, are not. */
static int yield_inside(void *counter)
{
    unsigned *inside = counter;
    for (int i = 0; i < 50; i++)
        CHENG_WITH_RLOCK(&rlock)
    CHENG_WITH_RLOCK(&rlock)
    {
        assert_int_equal(++*inside, 1);
        cheng_yield();
        assert_int_equal(--*inside, 0);
    }
    return 0;
}

TEST(the_owner_is_a_task)
{
    struct actor actors[9];
    unsigned inside = 0;
    for (unsigned i = 0; i < 9; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), yield_inside, &inside);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
}

/* ---- conditions ---- */

static bool ready;

static bool is_ready(void *count)
{
    CHENG_WITH_RLOCK(&rlock) /* the predicate may take it once more */
    *(int *)count += 1;
    return ready;
}

static int wait_deep(void *unused)
{
    int looks = 0;
    (void)unused;
    for (int i = 0; i < 3; i++)
        cheng_rlock_acquire(&rlock);
    int rc = cheng_condition_wait_for_rlock(&changed, &rlock, is_ready, &looks, CHENG_FOREVER);
    assert_true(looks >= 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_rlock_release(&rlock), 0);
    assert_int_equal(cheng_rlock_release(&rlock), -EPERM);
    return rc;
}

/* The wait lets others in, who use the lock at depths of their own, and takes it back as deep as it was. */
TEST(a_condition_releases_it_fully)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        ready = false;
        actor_start(&actor, place, wait_deep, NULL);
        wait_until_blocked(actor.self, CHENGI_WAIT_CONDITION);
        CHENG_WITH_RLOCK(&rlock)
        CHENG_WITH_RLOCK(&rlock)
        ready = true;
        cheng_condition_notify(&changed, UINT_MAX);
        assert_int_equal(actor_join(&actor), 0);
        assert_false(cheng_rlock_locked(&rlock));
    }
}

TEST(a_condition_keeps_the_depth_however_it_ends)
{
    int looks = 0;
    ready = false;
    cheng_rlock_acquire(&rlock);
    cheng_rlock_acquire(&rlock);
    assert_int_equal(cheng_condition_wait_rlock_until(&changed, &rlock, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_condition_wait_rlock_until(&changed, &rlock, cheng_after(-1)), -ETIMEDOUT);
    assert_int_equal(cheng_condition_wait_for_rlock(&changed, &rlock, is_ready, &looks, cheng_after(1)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_rlock_release(&rlock), 0);
    assert_true(cheng_rlock_locked(&rlock));
    assert_int_equal(cheng_rlock_release(&rlock), 0);
    assert_false(cheng_rlock_locked(&rlock));
    assert_int_equal(cheng_condition_wait_rlock(&changed, &rlock), -EPERM);
    assert_int_equal(cheng_condition_wait_for_rlock(&changed, &rlock, is_ready, &looks, CHENG_NOW), -EPERM);
}

/* ---- dead owners and deadlocks ---- */

static int acquire_twice_and_end(void *unused)
{
    (void)unused;
    int rc = cheng_rlock_acquire_until(&rlock, CHENG_FOREVER);
    assert_int_equal(cheng_rlock_acquire_until(&rlock, CHENG_FOREVER), 0);
    return rc;
}

/* The next has it once, however deep the dead one was. */
TEST(owner_that_ended)
{
    for (enum place holds = 0; holds < PLACES; holds++) {
        assert_int_equal(run_in(holds, acquire_twice_and_end), 0);
        assert_true(cheng_rlock_locked(&rlock));
        assert_int_equal(cheng_rlock_acquire_until(&rlock, CHENG_NOW), -EOWNERDEAD);
        assert_int_equal(cheng_rlock_release(&rlock), 0);
        assert_false(cheng_rlock_locked(&rlock));
    }
}

static int incidents;

static void count_incident(const cheng_incident *incident)
{
    assert_int_equal(incident->kind, CHENG_OWNER_DIED);
    assert_ptr_equal(incident->object, &rlock);
    CHENG_WITH_RLOCK(&rlock) /* the hook repairs, as the holder */
    incidents++;
    assert_true(cheng_rlock_locked(&rlock));
}

TEST(plain_acquire_from_a_dead_owner)
{
    cheng_set_incident_hook(count_incident);
    assert_int_equal(run_in(IN_THREAD, acquire_twice_and_end), 0);
    cheng_rlock_acquire(&rlock);
    assert_int_equal(incidents, 1);
    assert_int_equal(cheng_rlock_release(&rlock), 0);
    assert_false(cheng_rlock_locked(&rlock));
}

static cheng_lock other;
static cheng_event other_held;

/* Whoever closes the circle is told; who seems to wait may not have looked yet. */
static void told(int rc)
{
    const char *report = cheng_deadlock_report();
    assert_int_equal(rc, -EDEADLK);
    assert_non_null(strstr(report, "2 tasks wait for one another"));
    assert_non_null(strstr(report, "test_rlock.c:"));
}

static int other_then_rlock(void *unused)
{
    int rc = 0;
    (void)unused;
    CHENG_WITH(&other) {
        cheng_event_set(&other_held);
        rc = cheng_rlock_acquire_until(&rlock, CHENG_FOREVER);
        if (rc == 0)
            assert_int_equal(cheng_rlock_release(&rlock), 0);
        else
            told(rc);
    }
    return rc;
}

TEST(a_deadlock_is_reported)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        cheng_event_clear(&other_held);
        cheng_rlock_acquire(&rlock);
        cheng_rlock_acquire(&rlock);
        actor_start(&actor, place, other_then_rlock, NULL);
        assert_int_equal(cheng_event_wait(&other_held), 0);
        wait_until_blocked(actor.self, CHENGI_WAIT_LOCK);
        int rc = cheng_lock_acquire_until(&other, CHENG_FOREVER);
        if (rc == 0)
            assert_int_equal(cheng_lock_release(&other), 0);
        else
            told(rc);
        assert_int_equal(cheng_rlock_release(&rlock), 0);
        assert_int_equal(cheng_rlock_release(&rlock), 0);
        assert_int_equal(actor_join(&actor), rc == 0 ? -EDEADLK : 0);
    }
}

TEST(inside_an_arena)
{
    cheng_arena *arena;
    assert_int_equal(cheng_arena_new(&arena, 1 << 16, NULL), 0);
    cheng_rlock *shared = cheng_arena_alloc(arena, sizeof *shared);
    char *cut = (char *)shared;
    while (chengi_arena_contains(cut + sizeof(cheng_lock)))
        cut += 16;
    assert_int_equal(cheng_rlock_share(arena, (cheng_rlock *)(void *)cut), -EINVAL);
    assert_int_equal(cheng_rlock_share(arena, &rlock), -EINVAL);
    assert_int_equal(cheng_rlock_share(arena, shared), 0);
    cheng_rlock_acquire(shared);
    cheng_rlock_acquire(shared);
    assert_int_equal(cheng_rlock_release(shared), 0);
    assert_true(cheng_rlock_locked(shared));
    assert_int_equal(cheng_rlock_release(shared), 0);
    assert_false(cheng_rlock_locked(shared));
    assert_int_equal(cheng_rlock_release(shared), -EPERM);
    assert_int_equal(cheng_arena_free(arena), 0);
}
