/* The barrier: indices, the action, what breaks it and what mends it. test_matrix.c has its waits. */
#include "unit/actors.h"

enum { PARTIES = 6, ROUNDS = 200 };

static long parts[PARTIES], sums[ROUNDS];
static unsigned round_now, actions;
static int action_fails;

static int add_up(void *context)
{
    assert_ptr_equal(context, sums);
    actions++;
    if (round_now < ROUNDS)
        for (unsigned i = 0; i < PARTIES; i++)
            sums[round_now] += parts[i];
    round_now++;
    return action_fails;
}

static cheng_barrier barrier = CHENG_BARRIER(PARTIES, add_up, sums);
static unsigned indices[PARTIES]; /* how often each was given, in this round */

/* Between two waits all have come, none has gone on: what each wrote is there, the action has run once. */
static int one_party(void *context)
{
    unsigned me = (unsigned)(uintptr_t)context, index;
    for (unsigned round = 0; round < ROUNDS / (slowed_down() ? 8 : 1); round++) {
        parts[me] = round + me;
        index = 99;
        assert_int_equal(cheng_barrier_wait(&barrier, &index), 0);
        assert_true(index < PARTIES);
        assert_int_equal(sums[round], PARTIES * round + PARTIES * (PARTIES - 1) / 2);
        __atomic_fetch_add(&indices[index], 1, __ATOMIC_RELAXED);
    }
    return 0;
}

TEST(rounds)
{
    struct actor actors[PARTIES];
    assert_int_equal(cheng_barrier_waiting(&barrier), 0);
    for (unsigned i = 0; i < PARTIES; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), one_party, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < PARTIES; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    for (unsigned i = 0; i < PARTIES; i++)
        assert_int_equal(indices[i], round_now); /* each once in each round */
    assert_int_equal(actions, round_now);
    assert_int_equal(barrier.word, 0);
}

static int come(void *index)
{
    return cheng_barrier_wait(&barrier, index);
}

static struct actor others[PARTIES];
static unsigned given[PARTIES];

static void start_others(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        given[i] = 99;
        actor_start(&others[i], (enum place)(i % PLACES), come, &given[i]);
        wait_until_blocked(others[i].self, CHENGI_WAIT_BARRIER);
        assert_int_equal(cheng_barrier_waiting(&barrier), i + 1);
    }
}

static void others_get(unsigned n, int rc)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(actor_join(&others[i]), rc);
        assert_int_equal(given[i], rc == 0 ? i : 99); /* the order of their coming */
    }
}

static void it_works(void)
{
    unsigned before = actions, index;
    start_others(PARTIES - 1);
    assert_int_equal(cheng_barrier_wait(&barrier, &index), 0);
    assert_int_equal(index, PARTIES - 1);
    others_get(PARTIES - 1, 0);
    assert_int_equal(actions, before + 1);
    assert_false(cheng_barrier_broken(&barrier));
}

static void it_is_broken(void)
{
    unsigned index = 99;
    assert_true(cheng_barrier_broken(&barrier));
    assert_int_equal(cheng_barrier_waiting(&barrier), 0);
    assert_int_equal(cheng_barrier_wait(&barrier, &index), -EPIPE);
    assert_int_equal(cheng_barrier_wait_until(&barrier, &index, CHENG_NOW), -EPIPE);
    assert_int_equal(index, 99);
}

TEST(a_deadline_breaks_it)
{
    unsigned index = 99;
    start_others(PARTIES - 2);
    assert_int_equal(cheng_barrier_wait_until(&barrier, &index, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(index, 99);
    others_get(PARTIES - 2, -EPIPE);
    it_is_broken();
    cheng_barrier_reset(&barrier);
    it_works();
}

TEST(a_cancel_breaks_it)
{
    start_others(PARTIES - 1);
    cheng_cancel(others[2].self);
    for (unsigned i = 0; i < PARTIES - 1; i++)
        assert_int_equal(actor_join(&others[i]), i == 2 ? -ECANCELED : -EPIPE);
    it_is_broken();
    cheng_barrier_reset(&barrier);
    it_works();
}

TEST(abort_breaks_it_until_a_reset)
{
    start_others(3);
    cheng_barrier_abort(&barrier);
    others_get(3, -EPIPE);
    it_is_broken();
    cheng_barrier_abort(&barrier);
    it_is_broken();
    cheng_barrier_reset(&barrier);
    assert_false(cheng_barrier_broken(&barrier));
    it_works();
    cheng_barrier_abort(&barrier); /* with nobody there */
    it_is_broken();
}

TEST(reset_sends_away_who_waits)
{
    start_others(3);
    cheng_barrier_reset(&barrier);
    assert_false(cheng_barrier_broken(&barrier));
    others_get(3, -EPIPE);
    it_works();
    cheng_barrier_reset(&barrier); /* with nobody there: nothing happens */
    it_works();
}

TEST(an_action_that_fails_breaks_it)
{
    unsigned index = 99;
    action_fails = -EIO;
    start_others(PARTIES - 1);
    assert_int_equal(cheng_barrier_wait(&barrier, &index), -EIO);
    assert_int_equal(index, 99);
    others_get(PARTIES - 1, -EPIPE);
    it_is_broken();
    action_fails = 0;
    cheng_barrier_reset(&barrier);
    it_works();
}

/* Not to block means not to come: the others are not disturbed. */
TEST(now)
{
    start_others(PARTIES - 2);
    assert_int_equal(cheng_barrier_wait_until(&barrier, NULL, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_barrier_waiting(&barrier), PARTIES - 2);
    actor_start(&others[PARTIES - 2], IN_THREAD, come, &given[PARTIES - 2]);
    wait_until_blocked(others[PARTIES - 2].self, CHENGI_WAIT_BARRIER);
    assert_int_equal(cheng_barrier_wait_until(&barrier, NULL, CHENG_NOW), 0); /* the last need not wait */
    others_get(PARTIES - 1, 0);
}

/* ---- while the action runs ---- */

static cheng_event acting, may_end;

static int act_slowly(void *unused)
{
    (void)unused;
    cheng_event_set(&acting);
    return cheng_event_wait(&may_end);
}

static int come_with_deadline(void *deadline)
{
    return cheng_barrier_wait_until(&barrier, NULL, *(cheng_deadline *)deadline);
}

/* Once all are there only the action counts: not a deadline, a cancel, abort or reset. */
TEST(nothing_ends_a_round_that_is_full) // novalgrind: slow
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor late, cancelled, last, outsider;
        barrier = (cheng_barrier)CHENG_BARRIER(3, act_slowly, NULL);
        cheng_event_clear(&acting);
        cheng_event_clear(&may_end);
        cheng_deadline deadline =
            cheng_after((slowed_down() ? 5 : 1) * CHENG_SECOND); /* all have come by then */
        actor_start(&late, place, come_with_deadline, &deadline);
        actor_start(&cancelled, place, come, NULL);
        wait_until_blocked(cancelled.self, CHENGI_WAIT_BARRIER);
        wait_until_blocked(late.self, CHENGI_WAIT_BARRIER);
        actor_start(&last, place, come, NULL);
        assert_int_equal(cheng_event_wait(&acting), 0);
        assert_int_equal(cheng_barrier_waiting(&barrier), 3);
        cheng_cancel(cancelled.self);
        while (cheng_clock_ns() < deadline.at_ns + CHENG_MILLISECOND)
            cheng_sleep(CHENG_MILLISECOND);
        assert_int_equal(cheng_barrier_wait_until(&barrier, NULL, CHENG_NOW), -EAGAIN);
        actor_start(&outsider, place, come, NULL); /* waits for the next round */
        wait_until_blocked(outsider.self, CHENGI_WAIT_BARRIER);
        cheng_barrier_reset(&barrier);
        cheng_barrier_abort(&barrier);
        cheng_event_set(&may_end);
        assert_int_equal(actor_join(&late), 0);
        assert_int_equal(actor_join(&cancelled), 0);
        assert_int_equal(actor_join(&last), 0);
        assert_int_equal(actor_join(&outsider), -EPIPE); /* of the abort */
        it_is_broken();
    }
}

TEST(who_gives_up_on_the_next_round_breaks_that)
{
    struct actor first, last;
    barrier = (cheng_barrier)CHENG_BARRIER(2, act_slowly, NULL);
    actor_start(&first, IN_COROUTINE, come, NULL);
    wait_until_blocked(first.self, CHENGI_WAIT_BARRIER);
    actor_start(&last, IN_COROUTINE, come, NULL);
    assert_int_equal(cheng_event_wait(&acting), 0);
    assert_int_equal(cheng_barrier_wait_until(&barrier, NULL, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    cheng_event_set(&may_end);
    assert_int_equal(actor_join(&first), 0);
    assert_int_equal(actor_join(&last), 0);
    it_is_broken();
}

TEST(one_party_alone)
{
    unsigned index = 99;
    cheng_barrier alone = CHENG_BARRIER(1, NULL, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_barrier_wait_until(&alone, &index, CHENG_NOW), 0);
    assert_int_equal(index, 0);
}

TEST(not_a_barrier)
{
    cheng_barrier none = { 0 }, many = CHENG_BARRIER(UINT32_MAX / 8 + 1, NULL, NULL);
    cheng_arena *arena;
    assert_int_equal(cheng_barrier_wait(&none, NULL), -EINVAL);
    assert_int_equal(cheng_barrier_wait(&many, NULL), -EINVAL);
    assert_int_equal(cheng_arena_new(&arena, 1 << 16, NULL), 0);
    cheng_barrier *odd = cheng_arena_alloc(arena, sizeof *odd);
    odd->parties = 2;
    assert_int_equal(cheng_barrier_wait_until(odd, NULL, cheng_after(-1)), -EINVAL);
    assert_int_equal(cheng_arena_free(arena), 0);
}
