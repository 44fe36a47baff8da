/* The semaphore: units, overflow, wakes. test_matrix.c has the ways a wait ends. */
#include "unit/actors.h"

static cheng_semaphore semaphore;

static int take_one(void *unused)
{
    (void)unused;
    return cheng_semaphore_acquire(&semaphore);
}

TEST(zero_has_no_units)
{
    cheng_semaphore zero = { 0 }, five = CHENG_SEMAPHORE(5);
    assert_int_equal(sizeof zero, 16);
    assert_int_equal(cheng_semaphore_value(&zero), 0);
    assert_int_equal(cheng_semaphore_acquire_until(&zero, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_semaphore_acquire_until(&zero, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_semaphore_acquire_until(&zero, cheng_after(-CHENG_SECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_semaphore_value(&five), 5);
    for (unsigned i = 5; i > 0; i--) {
        assert_int_equal(cheng_semaphore_value(&five), i);
        assert_int_equal(cheng_semaphore_acquire_until(&five, i % 2 ? CHENG_NOW : cheng_after(-CHENG_SECOND)),
                         0);
    }
    assert_int_equal(cheng_semaphore_acquire_until(&five, CHENG_NOW), -EAGAIN);
}

TEST(overflow)
{
    assert_int_equal(cheng_semaphore_release(&semaphore, 0), 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, UINT32_MAX), -EOVERFLOW);
    assert_int_equal(cheng_semaphore_release(&semaphore, (unsigned)INT32_MAX + 1), -EOVERFLOW);
    assert_int_equal(cheng_semaphore_value(&semaphore), 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, INT32_MAX), 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), -EOVERFLOW);
    assert_int_equal(cheng_semaphore_value(&semaphore), INT32_MAX);
    assert_int_equal(cheng_semaphore_acquire(&semaphore), 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
}

TEST(release_wakes_as_many_as_it_gives)
{
    enum { COUNT = 30 };
    static struct actor actors[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), take_one, NULL);
    for (unsigned i = 0; i < COUNT; i++)
        wait_until_blocked(actors[i].self, CHENGI_WAIT_SEMAPHORE);
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, 7), 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, COUNT - 8 + 3), 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    assert_int_equal(cheng_semaphore_value(&semaphore), 3);
    assert_int_equal(semaphore.waiters, 0);
}

/* A wait that a release woke as it was cancelled takes the unit and returns 0, or leaves it to another. */
TEST(cancel_does_not_swallow_a_unit)
{
    for (unsigned round = 0; round < 200; round++) {
        struct actor one, two;
        actor_start(&one, (enum place)(round % PLACES), take_one, NULL);
        wait_until_blocked(one.self, CHENGI_WAIT_SEMAPHORE);
        actor_start(&two, (enum place)(round / PLACES % PLACES), take_one, NULL);
        wait_until_blocked(two.self, CHENGI_WAIT_SEMAPHORE);
        bool before = round % 2;
        if (before)
            cheng_cancel(one.self);
        assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
        if (!before)
            cheng_cancel(one.self);
        int rc = actor_join(&one);
        assert_true(rc == 0 || rc == -ECANCELED);
        if (rc == 0)
            assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
        assert_int_equal(actor_join(&two), 0);
        assert_int_equal(cheng_semaphore_value(&semaphore), 0);
    }
}

static int take_with_deadline(void *context)
{
    return cheng_semaphore_acquire_until(&semaphore, cheng_after(*(unsigned *)context * CHENG_MICROSECOND));
}

/* The same with the deadline: units released are units taken or units left. */
TEST(deadline_does_not_swallow_a_unit)
{
    unsigned taken = 0, released = 0;
    for (unsigned round = 0; round < 300; round++) {
        struct actor actor;
        unsigned microseconds = round % 60;
        actor_start(&actor, (enum place)(round % PLACES), take_with_deadline, &microseconds);
        int64_t until = cheng_clock_ns() + (round * 7 % 60) * 1000;
        while (cheng_clock_ns() < until)
            ;
        assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
        released++;
        int rc = actor_join(&actor);
        assert_true(rc == 0 || rc == -ETIMEDOUT);
        taken += rc == 0;
    }
    assert_int_equal(cheng_semaphore_value(&semaphore), released - taken);
}

/* So many may be inside at a time, and that many are. */
enum { PLACES_INSIDE = 5 };
static cheng_semaphore room = CHENG_SEMAPHORE(PLACES_INSIDE);
static unsigned entered, most;
static cheng_event may_leave;

static int go_inside(void *unused)
{
    (void)unused;
    assert_int_equal(cheng_semaphore_acquire(&room), 0);
    unsigned now = __atomic_add_fetch(&entered, 1, __ATOMIC_RELAXED);
    assert_in_range(now, 1, PLACES_INSIDE);
    if (now == PLACES_INSIDE)
        __atomic_store_n(&most, now, __ATOMIC_RELAXED);
    assert_int_equal(cheng_event_wait(&may_leave), 0);
    cheng_yield();
    __atomic_sub_fetch(&entered, 1, __ATOMIC_RELAXED);
    return cheng_semaphore_release(&room, 1);
}

TEST(limits_how_many_are_inside)
{
    enum { COUNT = 30 };
    static struct actor actors[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), go_inside, NULL);
    while (__atomic_load_n(&most, __ATOMIC_RELAXED) < PLACES_INSIDE)
        cheng_yield();
    cheng_event_set(&may_leave);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    assert_int_equal(cheng_semaphore_value(&room), PLACES_INSIDE);
}

TEST(not_a_semaphore)
{
    cheng_semaphore odd = { .kind = 1 };
    assert_int_equal(cheng_semaphore_acquire_until(&odd, cheng_after(CHENG_MILLISECOND)), -EINVAL);
}

TEST(bounded)
{
    cheng_semaphore bounded = CHENG_SEMAPHORE_BOUNDED(2);
    assert_int_equal(cheng_semaphore_release(&bounded, 1), -EOVERFLOW); /* none is out */
    assert_int_equal(cheng_semaphore_acquire(&bounded), 0);
    assert_int_equal(cheng_semaphore_release(&bounded, 2), -EOVERFLOW); /* all or none */
    assert_int_equal(cheng_semaphore_release(&bounded, 3), -EOVERFLOW);
    assert_int_equal(cheng_semaphore_value(&bounded), 1);
    assert_int_equal(cheng_semaphore_release(&bounded, 1), 0);
    assert_int_equal(cheng_semaphore_release(&bounded, 0), 0);
    assert_int_equal(cheng_semaphore_release(&bounded, 1), -EOVERFLOW);
    assert_int_equal(cheng_semaphore_value(&bounded), 2);
}

TEST(a_shared_one_has_no_bound)
{
    cheng_arena *arena;
    assert_int_equal(cheng_arena_new(&arena, 1 << 16, NULL), 0);
    cheng_semaphore *shared = cheng_arena_alloc(arena, sizeof *shared);
    *shared = (cheng_semaphore)CHENG_SEMAPHORE_BOUNDED(2);
    assert_int_equal(cheng_semaphore_share(arena, shared, 2), 0);
    assert_int_equal(cheng_semaphore_release(shared, 1), 0);
    assert_int_equal(cheng_semaphore_value(shared), 3);
    assert_int_equal(cheng_arena_free(arena), 0);
}
