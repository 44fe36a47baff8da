/* The parking lot under many words and waiters: growth, collisions, waits that end while the table is replaced. */
#include "unit/actors.h"

/* ---- thousands of waiters, each on a word of its own ---- */

struct place_of_wait {
    cheng_event event;
    char apart[40];
};

static int wait_there(const void *argument, void *result)
{
    struct place_of_wait *there = *(struct place_of_wait *const *)argument;
    (void)result;
    return cheng_event_wait(&there->event);
}

static void wake_in_random_order(unsigned count, unsigned waiters_each)
{
    uint64_t random = test_seed();
    struct place_of_wait *places = calloc(count, sizeof *places);
    cheng_task **tasks = calloc(count * waiters_each, sizeof *tasks);
    unsigned *order = calloc(count, sizeof *order);
    assert_non_null(places);
    assert_non_null(tasks);
    assert_non_null(order);
    for (unsigned i = 0; i < count; i++) {
        struct place_of_wait *there = &places[i];
        unsigned swap = random_below(&random, i + 1);
        order[i] = order[swap];
        order[swap] = i;
        for (unsigned w = 0; w < waiters_each; w++)
            assert_int_equal(cheng_start(&tasks[i * waiters_each + w], CHENG_COROUTINE, wait_there, &there,
                                         sizeof there, NULL),
                             0);
    }
    for (unsigned i = 0; i < count * waiters_each; i++)
        wait_until_blocked(tasks[i], CHENGI_WAIT_EVENT);
    for (unsigned i = 0; i < count; i++)
        cheng_event_set(&places[order[i]].event);
    for (unsigned i = 0; i < count * waiters_each; i++) {
        int status = -1;
        assert_int_equal(cheng_join(tasks[i], &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(tasks[i]);
    }
    free(order);
    free(tasks);
    free(places);
}

TEST(ten_thousand_words)
{
    wake_in_random_order(coroutines_at_most(10000), 1);
}

TEST(words_with_several_waiters)
{
    wake_in_random_order(coroutines_at_most(9000) / 3, 3);
}

/* ---- the table grows while others wait and wake ---- */

enum { PAIRS = 16 };
static cheng_semaphore there[PAIRS], back[PAIRS];
static bool done[PAIRS]; /* ordered by `there` */
static bool enough;

static int answer(void *context)
{
    unsigned i = *(unsigned *)context;
    while (cheng_semaphore_acquire(&there[i]) == 0 && !done[i])
        assert_int_equal(cheng_semaphore_release(&back[i], 1), 0);
    return 0;
}

static int ask(void *context)
{
    unsigned i = *(unsigned *)context;
    while (!__atomic_load_n(&enough, __ATOMIC_RELAXED)) {
        assert_int_equal(cheng_semaphore_release(&there[i], 1), 0);
        assert_int_equal(cheng_semaphore_acquire(&back[i]), 0);
    }
    done[i] = true;
    return cheng_semaphore_release(&there[i], 1);
}

TEST(grows_under_traffic)
{
    struct actor askers[PAIRS], answerers[PAIRS];
    unsigned numbers[PAIRS];
    for (unsigned i = 0; i < PAIRS; i++) {
        numbers[i] = i;
        actor_start(&answerers[i], (enum place)(i % PLACES), answer, &numbers[i]);
        actor_start(&askers[i], (enum place)(i / PLACES % PLACES), ask, &numbers[i]);
    }
    wake_in_random_order(coroutines_at_most(10000), 1); /* from 256 buckets to thousands */
    __atomic_store_n(&enough, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_int_equal(actor_join(&askers[i]), 0);
        assert_int_equal(actor_join(&answerers[i]), 0);
    }
}

/* ---- every wait ends by deadline or wake, at about the same time ---- */

struct race {
    uint64_t random;
    cheng_event *events;
    unsigned count;
};

static int race_with_deadlines(void *context)
{
    struct race *race = context;
    for (unsigned i = 0; i < scaled(3000); i++) {
        cheng_event *event = &race->events[random_below(&race->random, race->count)];
        switch (random_below(&race->random, 4)) {
        case 0:
            cheng_event_set(event);
            break;
        case 1:
            cheng_event_clear(event);
            break;
        default: {
            int rc = cheng_event_wait_until(event,
                                            cheng_after(random_below(&race->random, 60) * CHENG_MICROSECOND));
            assert_true(rc == 0 || rc == -ETIMEDOUT);
        }
        }
    }
    return 0;
}

TEST(deadlines_against_wakes)
{
    enum { COUNT = 24 };
    static cheng_event events[8];
    struct actor actors[COUNT];
    struct race races[COUNT];
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < COUNT; i++) {
        races[i] = (struct race){ next_random(&seed), events, 8 };
        actor_start(&actors[i], (enum place)(i % PLACES), race_with_deadlines, &races[i]);
    }
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
}
