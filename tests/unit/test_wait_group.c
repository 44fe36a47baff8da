/* The wait group: counting, many waiters, use again, its lifetime. test_matrix.c has its waits. */
#include "unit/actors.h"

static cheng_wait_group group;

TEST(zero_is_nothing_to_do)
{
    assert_int_equal(cheng_wait_group_count(&group), 0);
    assert_int_equal(cheng_wait_group_wait_until(&group, CHENG_NOW), 0);
    assert_int_equal(cheng_wait_group_wait(&group), 0);
    assert_int_equal(cheng_wait_group_add(&group, 0), 0);
    assert_int_equal(cheng_wait_group_wait(&group), 0);
}

TEST(counts)
{
    assert_int_equal(cheng_wait_group_done(&group), -EPERM); /* below zero */
    assert_int_equal(cheng_wait_group_count(&group), 0);
    assert_int_equal(cheng_wait_group_add(&group, 2), 0);
    assert_int_equal(cheng_wait_group_add(&group, UINT32_MAX - 1), -EOVERFLOW);
    assert_int_equal(cheng_wait_group_count(&group), 2);
    assert_int_equal(cheng_wait_group_add(&group, UINT32_MAX - 2), 0);
    assert_int_equal(cheng_wait_group_count(&group), UINT32_MAX);
    assert_int_equal(cheng_wait_group_done(&group), 0);
    assert_int_equal(cheng_wait_group_count(&group), UINT32_MAX - 1);
    assert_int_equal(cheng_wait_group_wait_until(&group, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_wait_group_wait_until(&group, cheng_after(-1)), -ETIMEDOUT);
}

static int wait_for_it(void *unused)
{
    (void)unused;
    return cheng_wait_group_wait(&group);
}

static int take_one_off(void *unused)
{
    (void)unused;
    return cheng_wait_group_done(&group);
}

TEST(the_last_wakes_all)
{
    struct actor waiters[9], workers[9];
    assert_int_equal(cheng_wait_group_add(&group, 10), 0);
    for (unsigned i = 0; i < 9; i++) {
        actor_start(&waiters[i], (enum place)(i % PLACES), wait_for_it, NULL);
        wait_until_blocked(waiters[i].self, CHENGI_WAIT_GROUP);
    }
    for (unsigned i = 0; i < 9; i++)
        actor_start(&workers[i], (enum place)(i % PLACES), take_one_off, NULL);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(actor_join(&workers[i]), 0);
    for (unsigned i = 0; i < 9; i++)
        assert_true(task_waits(waiters[i].self, CHENGI_WAIT_GROUP));
    assert_int_equal(cheng_wait_group_done(&group), 0);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(actor_join(&waiters[i]), 0);
}

/* Who has waited for a zero gets it, though the group is in use again when it wakes. */
TEST(used_again_at_once)
{
    for (unsigned round = 0; round < 100; round++) {
        struct actor waiter;
        assert_int_equal(cheng_wait_group_add(&group, 1), 0);
        actor_start(&waiter, (enum place)(round % PLACES), wait_for_it, NULL);
        wait_until_blocked(waiter.self, CHENGI_WAIT_GROUP);
        assert_int_equal(cheng_wait_group_done(&group), 0);
        assert_int_equal(cheng_wait_group_add(&group, 1), 0);
        assert_int_equal(actor_join(&waiter), 0);
        assert_int_equal(cheng_wait_group_done(&group), 0);
    }
}

/* The same where nothing is left to chance: the waiter is on this very thread and cannot run in between. */
static int wait_as_task(const void *argument, void *result)
{
    (void)argument, (void)result;
    return wait_for_it(NULL);
}

static int use_again(const void *argument, void *result)
{
    cheng_task *task;
    int status = -1;
    (void)argument, (void)result;
    assert_int_equal(cheng_wait_group_add(&group, 1), 0);
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, wait_as_task, NULL, 0, NULL), 0);
    wait_until_blocked(task, CHENGI_WAIT_GROUP);
    assert_int_equal(cheng_wait_group_done(&group), 0);
    assert_int_equal(cheng_wait_group_add(&group, 1), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, 0);
    cheng_task_free(task);
    return cheng_wait_group_done(&group);
}

TEST(used_again_before_the_waiter_can_run)
{
    int status = -1;
    assert_int_equal(cheng_run(&status, use_again, NULL, 0), 0);
    assert_int_equal(status, 0);
}

static int finish_one(const void *argument, void *result)
{
    (void)result;
    return cheng_wait_group_done(*(cheng_wait_group *const *)argument);
}

/* On the stack of who waits: gone when the wait has returned. Sanitizers would see a late touch. */
TEST(gone_when_the_wait_returns)
{
    for (unsigned round = 0; round < scaled(2000); round++) {
        cheng_wait_group *mortal = calloc(1, sizeof *mortal);
        assert_int_equal(cheng_wait_group_add(mortal, 3), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, finish_one, &mortal, sizeof mortal, NULL), 0);
        assert_int_equal(cheng_wait_group_wait(mortal), 0);
        free(mortal);
    }
}

TEST(inside_an_arena)
{
    cheng_arena *arena;
    assert_int_equal(cheng_arena_new(&arena, 1 << 16, NULL), 0);
    cheng_wait_group *shared = cheng_arena_alloc(arena, sizeof *shared);
    assert_int_equal(cheng_wait_group_add(shared, 1), 0);
    assert_int_equal(cheng_wait_group_wait_until(shared, cheng_after(-1)), -EINVAL); /* private in an arena */
    assert_int_equal(cheng_wait_group_share(arena, &group), -EINVAL);
    assert_int_equal(cheng_wait_group_share(arena, shared), 0);
    assert_int_equal(cheng_wait_group_count(shared), 0);
    assert_int_equal(cheng_wait_group_add(shared, 1), 0);
    assert_int_equal(cheng_wait_group_wait_until(shared, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_wait_group_done(shared), 0);
    assert_int_equal(cheng_wait_group_wait(shared), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(not_a_group)
{
    cheng_wait_group odd = { .word = UINT64_C(1) << 32, .kind = 1 };
    assert_int_equal(cheng_wait_group_wait_until(&odd, cheng_after(CHENG_MILLISECOND)), -EINVAL);
}
