/* Random mixtures of threads and coroutines over all primitives at once, with deadlines and cancels. Whatever is
 * counted must come out even. Each actor's choices come from the seed; the interleaving is the machine's. */
#include "unit/actors.h"

enum { LOCKS = 4, SEMAPHORES = 2, UNITS = 3, CAPACITY = 4, EVENTS = 2, ITEMS = 1 << 20, TOKENS = 3 };

static struct {
    cheng_lock locks[LOCKS];
    uint64_t counters[LOCKS]; /* protected by the lock of the same number */
    uint64_t expected[LOCKS]; /* atomic */
    cheng_semaphore semaphores[SEMAPHORES];
    int inside[SEMAPHORES]; /* atomic: units out */
    cheng_queue *queue;
    uint32_t next_item;  /* atomic */
    uint8_t got[ITEMS];  /* atomic: how often each item came out */
    uint32_t puts, gets; /* atomic */
    cheng_event events[EVENTS];
    cheng_lock store_lock;
    cheng_condition more, less;
    int store;           /* protected by store_lock: 0 to TOKENS */
    uint32_t returns[8]; /* atomic: how often 0, -ETIMEDOUT, -ECANCELED, -EAGAIN came */
} world;

static void count(uint32_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static int note(int rc)
{
    switch (rc) {
    case 0:
        count(&world.returns[0]);
        break;
    case -ETIMEDOUT:
        count(&world.returns[1]);
        break;
    case -ECANCELED:
        count(&world.returns[2]);
        break;
    case -EAGAIN:
        count(&world.returns[3]);
        break;
    default:
        fail_msg("unexpected: %s", cheng_strerror(rc));
    }
    return rc;
}

static cheng_deadline some_deadline(uint64_t *random)
{
    switch (random_below(random, 4)) {
    case 0:
        return CHENG_FOREVER;
    case 1:
        return CHENG_NOW;
    default:
        return cheng_after(random_below(random, 300) * CHENG_MICROSECOND);
    }
}

static void increment(unsigned i, uint64_t *random)
{
    uint64_t value = world.counters[i];
    if (random_below(random, 16) == 0)
        cheng_yield();
    else if (random_below(random, 256) == 0)
        (void)cheng_sleep(random_below(random, 2000) * CHENG_MICROSECOND);
    world.counters[i] = value + 1;
    __atomic_fetch_add(&world.expected[i], 1, __ATOMIC_RELAXED);
}

static void use_lock(uint64_t *random)
{
    unsigned i = random_below(random, LOCKS);
    if (random_below(random, 3) == 0) {
        CHENG_WITH(&world.locks[i])
            increment(i, random);
    } else if (note(cheng_lock_acquire_until(&world.locks[i], some_deadline(random))) == 0) {
        if (i + 1 < LOCKS && random_below(random, 4) == 0)
            CHENG_WITH(&world.locks[i + 1]) /* in order: no cycle */
                increment(i + 1, random);
        increment(i, random);
        assert_int_equal(cheng_lock_release(&world.locks[i]), 0);
    }
}

static void use_semaphore(uint64_t *random)
{
    unsigned i = random_below(random, SEMAPHORES);
    if (note(cheng_semaphore_acquire_until(&world.semaphores[i], some_deadline(random))) != 0)
        return;
    assert_in_range(__atomic_add_fetch(&world.inside[i], 1, __ATOMIC_RELAXED), 1, UNITS);
    if (random_below(random, 4) == 0)
        cheng_yield();
    __atomic_fetch_sub(&world.inside[i], 1, __ATOMIC_RELAXED);
    assert_int_equal(cheng_semaphore_release(&world.semaphores[i], 1), 0);
}

/* Whoever has put an item also takes one, whatever happens: so neither side can wait for ever. */
static void use_queue(uint64_t *random)
{
    uint32_t item = __atomic_fetch_add(&world.next_item, 1, __ATOMIC_RELAXED);
    if (item >= ITEMS || note(cheng_queue_put_until(world.queue, &item, some_deadline(random))) != 0)
        return;
    count(&world.puts);
    uint32_t out = UINT32_MAX;
    if (note(cheng_queue_get_until(world.queue, &out, some_deadline(random))) != 0) {
        assert_int_equal(out, UINT32_MAX);
        cheng_shield(true);
        assert_int_equal(cheng_queue_get(world.queue, &out), 0);
        cheng_shield(false);
    }
    count(&world.gets);
    assert_in_range(out, 0, ITEMS - 1);
    assert_int_equal(__atomic_fetch_add(&world.got[out], 1, __ATOMIC_RELAXED), 0);
}

static void use_event(uint64_t *random)
{
    cheng_event *event = &world.events[random_below(random, EVENTS)];
    switch (random_below(random, 3)) {
    case 0:
        cheng_event_set(event);
        break;
    case 1:
        cheng_event_clear(event);
        break;
    default:
        note(cheng_event_wait_until(event, cheng_after(random_below(random, 300) * CHENG_MICROSECOND)));
    }
}

/* A store of tokens: puts one in, takes one out, each a wait for the condition. */
static void use_condition(uint64_t *random)
{
    int step = random_below(random, 2) ? 1 : -1, rc = 0;
    cheng_condition *mine = step > 0 ? &world.less : &world.more,
                    *others = step > 0 ? &world.more : &world.less;
    CHENG_WITH(&world.store_lock) {
        while (rc == 0 && (step > 0 ? world.store == TOKENS : world.store == 0))
            rc = note(cheng_condition_wait_until(mine, &world.store_lock,
                                                 cheng_after(random_below(random, 300) * CHENG_MICROSECOND)));
        if (rc == 0)
            world.store += step;
        assert_in_range(world.store, 0, TOKENS);
    }
    if (rc == 0)
        cheng_condition_notify(others, random_below(random, 4) ? 1 : UINT32_MAX);
}

struct life {
    uint64_t random;
    unsigned steps;
};

static int live(void *context)
{
    struct life *life = context;
    for (unsigned i = 0; i < life->steps && !cheng_cancelled(); i++) {
        switch (random_below(&life->random, 6)) {
        case 0:
            use_lock(&life->random);
            break;
        case 1:
            use_semaphore(&life->random);
            break;
        case 2:
            use_queue(&life->random);
            break;
        case 3:
            use_event(&life->random);
            break;
        case 4:
            use_condition(&life->random);
            break;
        default:
            if (random_below(&life->random, 2))
                cheng_yield();
            else
                note(cheng_sleep(random_below(&life->random, 100) * CHENG_MICROSECOND));
        }
    }
    return 0;
}

/* Starts actors one after the other, cancels some of them at some moment, joins them. */
static int manage(void *context)
{
    struct life *mine = context;
    for (unsigned i = 0; i < mine->steps; i++) {
        struct life life = { next_random(&mine->random), 200 };
        struct actor actor;
        actor_start(&actor, (enum place)random_below(&mine->random, PLACES), live, &life);
        if (random_below(&mine->random, 2)) {
            (void)cheng_sleep(random_below(&mine->random, 1000) * CHENG_MICROSECOND);
            cheng_cancel(actor.self);
        }
        assert_int_equal(actor_join(&actor), 0);
    }
    return 0;
}

static void check_sums(void)
{
    for (int i = 0; i < LOCKS; i++) {
        assert_false(cheng_lock_locked(&world.locks[i]));
        assert_int_equal(world.counters[i], world.expected[i]);
    }
    for (int i = 0; i < SEMAPHORES; i++)
        assert_int_equal(cheng_semaphore_value(&world.semaphores[i]), UNITS);
    assert_int_equal(world.puts, world.gets);
    assert_int_equal(cheng_queue_size(world.queue), 0);
    for (int i = 0; i < 4; i++) /* each way to end a wait has happened */
        assert_true(world.returns[i] > 0 || slowed_down());
}

static void mixture(unsigned managers, unsigned lives)
{
    uint64_t seed = test_seed();
    struct actor actors[24];
    struct life plans[24];
    assert_in_range(managers, 1, 24);
    for (int i = 0; i < SEMAPHORES; i++)
        assert_int_equal(cheng_semaphore_release(&world.semaphores[i], UNITS), 0);
    assert_int_equal(
        cheng_queue_new(&world.queue, sizeof(uint32_t), &(cheng_queue_options){ .capacity = CAPACITY }), 0);
    for (unsigned i = 0; i < managers; i++) {
        plans[i] = (struct life){ next_random(&seed), lives };
        actor_start(&actors[i], (enum place)(i % PLACES), manage, &plans[i]);
    }
    for (unsigned i = 0; i < managers; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    check_sums();
    cheng_queue_free(world.queue);
}

TEST(few)
{
    mixture(3, scaled(test_long() ? 4000 : 400));
}

TEST(many)
{
    mixture(24, scaled(test_long() ? 1000 : 100));
}
