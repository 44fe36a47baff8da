/* Rows: victim and survivors repeat the operations of the other rows, all at once, until the victim is killed. Survivors
 * go on for AFTER rounds more, at the least. */
#include "kill.h"

#include "arena/arena.h"

enum { ROUNDS_AFTER = 20, NUMBERS = 1 << 16, BLOCK_MAX = 512, PATIENCE_S = 10 };

/* What a crowd shares beside the stage. */
struct crowd {
    uint32_t inside;          /* the lock; 0: nobody */
    uint32_t turn;            /* of the condition */
    uint32_t stop;            /* survivors may end */
    uint32_t given, returned; /* by the victim: what it has surely done */
    uint32_t taken, produced; /* by survivors */
    cheng_event to_survivor, to_victim;
    cheng_semaphore for_survivor, for_victim;
    uint8_t seen[2][NUMBERS]; /* items that came out, by the two producers */
};

/* A loop's header: rounds go on until the death, and then for a while. */
#define ROUNDS(stage) (int after = 0; after < ROUNDS_AFTER; after += READ((stage)->dead) != 0)

static void prepare_crowd(struct stage *stage)
{
    stage->crowd = cheng_arena_alloc(stage->arena, sizeof *stage->crowd);
    assert_non_null(stage->crowd);
}

/* A system call where the victim may be killed, between two of the library's. */
static void killable(void)
{
    (void)getppid();
}

static void become_true(bool (*condition)(struct stage *), struct stage *stage)
{
    cheng_deadline deadline = cheng_after(PATIENCE_S * CHENG_SECOND);
    while (!condition(stage)) {
        assert_true(cheng_clock_ns() < deadline.at_ns); /* somebody sleeps on what is there */
        between_looks();
    }
}

/* ---- lock ---- */

static void prepare_lock(struct stage *stage)
{
    prepare_crowd(stage);
    assert_int_equal(cheng_lock_share(stage->arena, &stage->lock), 0);
}

static void count(struct stage *stage, uint32_t me)
{
    uint32_t *inside = &stage->crowd->inside;
    assert_int_equal(READ(*inside), 0);
    assert_int_equal(stage->a, stage->b);
    WRITE(*inside, me);
    stage->a++;
    killable();
    spin(1000);
    stage->b++;
    WRITE(*inside, 0);
    assert_int_equal(cheng_lock_release(&stage->lock), 0);
    spin(500);
}

static void victim_counts(struct stage *stage)
{
    cheng_lock_acquire(&stage->lock);
    count(stage, 1);
}

static void survivor_counts(struct stage *stage, int who)
{
    for
        ROUNDS(stage)
        {
            int rc = cheng_lock_acquire_until(&stage->lock, CHENG_FOREVER);
            if (rc == -EOWNERDEAD) {
                stage->took_over++;
                stage->b = stage->a; /* the repair */
                WRITE(stage->crowd->inside, 0);
            } else
                assert_int_equal(rc, 0);
            count(stage, 2 + (uint32_t)who);
        }
}

static void lock_is_free(struct stage *stage)
{
    assert_int_equal(stage->a, stage->b);
    assert_true(stage->took_over <= 1);
    assert_int_equal(cheng_lock_acquire_until(&stage->lock, CHENG_NOW), 0);
}

CROWD(lock_crowd) = {
    .survivors = 2,
    .prepare = prepare_lock,
    .victim = victim_counts,
    .survivor = survivor_counts,
    .check = lock_is_free,
    .endless = true,
};

/* ---- condition: two take turns ---- */

static void prepare_condition(struct stage *stage)
{
    prepare_lock(stage);
    assert_int_equal(cheng_condition_share(stage->arena, &stage->condition), 0);
}

static void victim_takes_turns(struct stage *stage)
{
    cheng_lock_acquire(&stage->lock);
    while (stage->crowd->turn != 1)
        assert_int_equal(cheng_condition_wait(&stage->condition, &stage->lock), 0);
    killable();
    stage->crowd->turn = 0;
    cheng_condition_notify(&stage->condition, 1);
    assert_int_equal(cheng_lock_release(&stage->lock), 0);
}

static void survivor_takes_turns(struct stage *stage, int who)
{
    (void)who;
    for
        ROUNDS(stage)
        {
            int rc = cheng_lock_acquire_until(&stage->lock, CHENG_FOREVER);
            for (;;) {
                assert_true(rc == 0 || rc == -EOWNERDEAD);
                stage->took_over += rc == -EOWNERDEAD;
                if (stage->crowd->turn == 0 || READ(stage->dead))
                    break;
                rc = cheng_condition_wait(&stage->condition, &stage->lock); /* nobody tells it of the death */
            }
            stage->crowd->turn = 1;
            cheng_condition_notify(&stage->condition, UINT_MAX);
            assert_int_equal(cheng_lock_release(&stage->lock), 0);
            spin(500);
        }
}

CROWD(condition_crowd) = {
    .survivors = 1,
    .prepare = prepare_condition,
    .victim = victim_takes_turns,
    .survivor = survivor_takes_turns,
    .check = lock_is_free,
    .endless = true,
};

/* ---- semaphore: units go back and forth ---- */

static void prepare_semaphores(struct stage *stage)
{
    prepare_crowd(stage);
    assert_int_equal(cheng_semaphore_share(stage->arena, &stage->crowd->for_survivor, 0), 0);
    assert_int_equal(cheng_semaphore_share(stage->arena, &stage->crowd->for_victim, 0), 0);
}

static void victim_sends_units(struct stage *stage)
{
    struct crowd *crowd = stage->crowd;
    assert_int_equal(cheng_semaphore_release(&crowd->for_survivor, 1), 0);
    WRITE(crowd->given, crowd->given + 1);
    assert_int_equal(cheng_semaphore_acquire(&crowd->for_victim), 0);
    WRITE(crowd->returned, crowd->returned + 1);
}

static void survivor_returns_units(struct stage *stage, int who)
{
    struct crowd *crowd = stage->crowd;
    (void)who;
    for (;;) {
        assert_int_equal(cheng_semaphore_acquire(&crowd->for_survivor), 0);
        if (READ(crowd->stop))
            return;
        WRITE(crowd->taken, crowd->taken + 1);
        spin(1000);
        assert_int_equal(cheng_semaphore_release(&crowd->for_victim, 1), 0);
    }
}

static bool all_units_taken(struct stage *stage)
{
    struct crowd *crowd = stage->crowd;
    return cheng_semaphore_value(&crowd->for_survivor) == 0 && READ(crowd->taken) >= READ(crowd->given);
}

static void stop_semaphores(struct stage *stage)
{
    become_true(all_units_taken, stage);
    WRITE(stage->crowd->stop, 1);
    assert_int_equal(cheng_semaphore_release(&stage->crowd->for_survivor, 1), 0);
}

static void no_unit_doubled(struct stage *stage)
{
    const struct crowd *crowd = stage->crowd;
    assert_true(crowd->taken == crowd->given || crowd->taken == crowd->given + 1);
    unsigned gone = crowd->taken - cheng_semaphore_value(&crowd->for_victim);
    assert_true(gone == crowd->returned || gone == crowd->returned + 1); /* what it had acquired stays away */
}

CROWD(semaphore_crowd) = {
    .survivors = 1,
    .prepare = prepare_semaphores,
    .victim = victim_sends_units,
    .survivor = survivor_returns_units,
    .settle = stop_semaphores,
    .check = no_unit_doubled,
    .endless = true,
};

/* ---- event: each sets the other's ---- */

static void prepare_events(struct stage *stage)
{
    prepare_crowd(stage);
    assert_int_equal(cheng_event_share(stage->arena, &stage->crowd->to_survivor), 0);
    assert_int_equal(cheng_event_share(stage->arena, &stage->crowd->to_victim), 0);
}

static void victim_answers(struct stage *stage)
{
    struct crowd *crowd = stage->crowd;
    cheng_event_set(&crowd->to_survivor);
    WRITE(crowd->given, crowd->given + 1);
    assert_int_equal(cheng_event_wait(&crowd->to_victim), 0);
    cheng_event_clear(&crowd->to_victim);
}

static void survivor_answers(struct stage *stage, int who)
{
    struct crowd *crowd = stage->crowd;
    (void)who;
    for (;;) {
        assert_int_equal(cheng_event_wait(&crowd->to_survivor), 0);
        if (READ(crowd->stop))
            return;
        cheng_event_clear(&crowd->to_survivor);
        WRITE(crowd->taken, crowd->taken + 1);
        spin(1000);
        cheng_event_set(&crowd->to_victim);
    }
}

static bool event_seen(struct stage *stage)
{
    struct crowd *crowd = stage->crowd;
    return !cheng_event_is_set(&crowd->to_survivor) && READ(crowd->taken) >= READ(crowd->given);
}

static void stop_events(struct stage *stage)
{
    become_true(event_seen, stage);
    WRITE(stage->crowd->stop, 1);
    cheng_event_set(&stage->crowd->to_survivor);
}

static void no_event_lost(struct stage *stage)
{
    const struct crowd *crowd = stage->crowd;
    assert_true(crowd->taken == crowd->given || crowd->taken == crowd->given + 1);
}

CROWD(event_crowd) = {
    .survivors = 1,
    .prepare = prepare_events,
    .victim = victim_answers,
    .survivor = survivor_answers,
    .settle = stop_events,
    .check = no_event_lost,
    .endless = true,
};

/* ---- queue: two producers, whose numbers are those of one or the other half ---- */

static void prepare_queue(struct stage *stage)
{
    cheng_queue_options options = { .capacity = 2, .arena = stage->arena };
    prepare_crowd(stage);
    assert_int_equal(cheng_queue_new(&stage->queue, sizeof(struct item), &options), 0);
}

static void note(struct stage *stage, const struct item *item)
{
    assert_true(item_is_whole(item) && item->number < 2 * NUMBERS);
    uint8_t *seen = &stage->crowd->seen[item->number / NUMBERS][item->number % NUMBERS];
    assert_int_equal(__atomic_fetch_add(seen, 1, __ATOMIC_RELAXED), 0);
}

static void put(struct stage *stage, uint32_t producer, uint32_t number)
{
    struct item item = item_of(producer * NUMBERS + number);
    while (number >= NUMBERS - ROUNDS_AFTER - 1 && !READ(stage->dead))
        between_looks(); /* enough: the victim is slow */
    assert_int_equal(cheng_queue_put(stage->queue, &item), 0);
}

/* Until it is closed. */
static void survivor_consumes(struct stage *stage)
{
    struct item item;
    int rc;
    while ((rc = cheng_queue_get(stage->queue, &item)) == 0)
        note(stage, &item);
    assert_int_equal(rc, -EPIPE);
}

static void survivor_produces(struct stage *stage, uint32_t producer)
{
    struct crowd *crowd = stage->crowd;
    for
        ROUNDS(stage)
        {
            put(stage, producer, crowd->produced);
            WRITE(crowd->produced, crowd->produced + 1);
        }
    WRITE(crowd->stop, 1);
}

static bool producer_is_done(struct stage *stage)
{
    return READ(stage->crowd->stop) != 0;
}

static void close_queue(struct stage *stage)
{
    become_true(producer_is_done, stage);
    cheng_queue_close(stage->queue);
}

static void victim_puts(struct stage *stage)
{
    put(stage, 0, stage->crowd->given);
    WRITE(stage->crowd->given, stage->crowd->given + 1);
}

/* One of them competes for the end where the victim puts. */
static void survivor_of_puts(struct stage *stage, int who)
{
    if (who == 0)
        survivor_consumes(stage);
    else
        survivor_produces(stage, 1);
}

static void all_puts_came_out(struct stage *stage)
{
    const struct crowd *crowd = stage->crowd;
    uint32_t from_victim = 0;
    while (from_victim < NUMBERS && crowd->seen[0][from_victim])
        from_victim++;
    assert_true(from_victim == crowd->given || from_victim == crowd->given + 1);
    for (uint32_t i = 0; i < NUMBERS; i++) {
        assert_int_equal(crowd->seen[0][i], i < from_victim);
        assert_int_equal(crowd->seen[1][i], i < crowd->produced);
    }
}

CROWD(queue_put_crowd) = {
    .survivors = 2,
    .prepare = prepare_queue,
    .victim = victim_puts,
    .survivor = survivor_of_puts,
    .settle = close_queue,
    .check = all_puts_came_out,
    .endless = true,
};

static void prepare_to_get(struct stage *stage)
{
    prepare_queue(stage);
    stage->in_hand.number = UINT32_MAX;
}

static void victim_gets(struct stage *stage)
{
    if (READ(stage->crowd->stop))
        return;
    assert_int_equal(cheng_queue_get(stage->queue, &stage->in_hand), 0);
    note(stage, &stage->in_hand);
}

static void survivor_of_gets(struct stage *stage, int who)
{
    if (who == 0)
        survivor_consumes(stage);
    else
        survivor_produces(stage, 0);
}

/* One may be with the victim, in the very buffer that it got it into. */
static void all_gets_came_out(struct stage *stage)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < stage->crowd->produced; i++)
        if (stage->crowd->seen[0][i] == 0) {
            missing++;
            assert_int_equal(stage->in_hand.number, i);
        }
    assert_true(missing <= 1);
}

CROWD(queue_get_crowd) = {
    .survivors = 2,
    .prepare = prepare_to_get,
    .victim = victim_gets,
    .survivor = survivor_of_gets,
    .settle = close_queue,
    .check = all_gets_came_out,
    .endless = true,
};

/* ---- the allocator ---- */

static size_t some_size(uint32_t round)
{
    return (size_t)(round * 2654435761u >> 7) % BLOCK_MAX;
}

static void victim_allocates(struct stage *stage)
{
    void *block = cheng_arena_alloc(stage->arena, some_size(stage->rounds));
    assert_non_null(block);
    killable();
    assert_int_equal(cheng_arena_release(stage->arena, block), 0);
}

static void survivor_allocates(struct stage *stage, int who)
{
    void *blocks[8] = { 0 };
    uint32_t round = (uint32_t)who;
    for
        ROUNDS(stage)
        {
            void **slot = &blocks[round++ % 8];
            assert_int_equal(cheng_arena_release(stage->arena, *slot), 0);
            size_t size = some_size(round);
            unsigned char *block = cheng_arena_alloc(stage->arena, size);
            assert_non_null(block);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(block[i], 0);
            memset(block, 0xbb, size);
            *slot = block;
        }
    for (int i = 0; i < 8; i++)
        assert_int_equal(cheng_arena_release(stage->arena, blocks[i]), 0);
}

CROWD(allocator_crowd) = {
    .survivors = 2,
    .prepare = prepare_crowd,
    .victim = victim_allocates,
    .survivor = survivor_allocates,
    .keeps = OWN_BLOCK,
    .endless = true,
};

/* ---- attaching: few rows, so that they come round ---- */

enum { ROWS_OF_NAMED = 9, NAMED_BYTES = 4096 };

static void prepare_to_attach(struct stage *stage)
{
    cheng_arena *other;
    cheng_arena_options options = { .name = stage->name };
    (void)cheng_arena_unlink(stage->name); /* of a run that failed */
    assert_int_equal(chengi_arena_new_with_rows(&other, NAMED_BYTES, &options, ROWS_OF_NAMED), 0);
    cheng_arena_set_root(other, cheng_arena_alloc(other, 16));
    assert_int_equal(cheng_arena_free(other), 0);
}

static void victim_attaches(struct stage *stage)
{
    cheng_arena *other;
    assert_int_equal(cheng_arena_attach(&other, stage->name), 0);
    assert_non_null(cheng_arena_root(other));
    assert_int_equal(cheng_arena_free(other), 0);
}

static void survivor_attaches(struct stage *stage, int who)
{
    (void)who;
    for
        ROUNDS(stage)
    victim_attaches(stage);
}

static void unlink_named(struct stage *stage)
{
    assert_int_equal(cheng_arena_unlink(stage->name), 0);
}

CROWD(attach_crowd) = {
    .survivors = 2,
    .prepare = prepare_to_attach,
    .victim = victim_attaches,
    .survivor = survivor_attaches,
    .check = unlink_named,
    .endless = true,
};
