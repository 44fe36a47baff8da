/* Locks taken in any order: cycles come about all the time, and each is broken. Nobody hangs, and who is told of a
 * deadlock really was in one: the report names it. */
#include "unit/actors.h"

enum { LOCKS = 5, MOST = 24 };
static cheng_lock locks[LOCKS];
static uint64_t counters[LOCKS], expected[LOCKS];
static uint32_t deadlocks, timeouts; /* atomic */

struct dweller {
    uint64_t random;
    bool deadlines;
};

static int take(struct dweller *me, unsigned i)
{
    bool limited = me->deadlines && random_below(&me->random, 4) == 0;
    int rc = cheng_lock_acquire_until(
        &locks[i], limited ? cheng_after(random_below(&me->random, 300) * CHENG_MICROSECOND) : CHENG_FOREVER);
    if (rc == -EDEADLK) {
        __atomic_fetch_add(&deadlocks, 1, __ATOMIC_RELAXED);
        assert_non_null(strstr(cheng_deadlock_report(), cheng_name()));
    }
    if (rc == -ETIMEDOUT)
        __atomic_fetch_add(&timeouts, 1, __ATOMIC_RELAXED);
    assert_true(rc == 0 || rc == -EDEADLK || (limited && rc == -ETIMEDOUT));
    return rc;
}

static int take_in_any_order(void *context)
{
    struct dweller *me = context;
    for (unsigned i = 0; i < scaled(3000); i++) {
        unsigned taken[3], count = 0, want = 1 + random_below(&me->random, 3);
        while (count < want) {
            unsigned next = random_below(&me->random, LOCKS);
            bool have = (count > 0 && taken[0] == next) || (count > 1 && taken[1] == next);
            if (have || take(me, next) != 0)
                break;
            taken[count++] = next;
            if (random_below(&me->random, 32) == 0)
                (void)cheng_sleep(50 *
                                  CHENG_MICROSECOND); /* so that the others come, also on one processor */
            else if (random_below(&me->random, 2) == 0)
                cheng_yield();
        }
        while (count > 0) {
            unsigned last = taken[--count];
            counters[last]++;
            __atomic_fetch_add(&expected[last], 1, __ATOMIC_RELAXED);
            assert_int_equal(cheng_lock_release(&locks[last]), 0);
        }
    }
    return 0;
}

static void dwell(unsigned count, bool deadlines)
{
    struct actor actors[MOST];
    struct dweller dwellers[MOST];
    uint64_t seed = test_seed();
    assert_in_range(count, 1, MOST);
    for (unsigned i = 0; i < count; i++) {
        dwellers[i] = (struct dweller){ next_random(&seed), deadlines };
        actor_start(&actors[i], (enum place)(i % PLACES), take_in_any_order, &dwellers[i]);
    }
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    for (unsigned i = 0; i < LOCKS; i++) {
        assert_int_equal(locks[i].word, 0);
        assert_int_equal(counters[i], expected[i]);
    }
    printf("%u deadlocks, %u time-outs\n", deadlocks, timeouts);
    assert_true(deadlocks > 0 || slowed_down());
}

TEST(few)
{
    dwell(3, false);
}

TEST(many)
{
    dwell(MOST, false);
}

TEST(with_deadlines)
{
    dwell(12, true);
}
