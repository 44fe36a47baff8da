/* Rows: the queue. Its capacity is 2; each item has a number, and comes out once. */
#include "kill.h"

enum { CAPACITY = 2, OF_VICTIM = 7, OF_SURVIVOR = 8, OF_DRIVER = 9, OF_CHECK = 20 };

static void prepare_empty(struct stage *stage)
{
    cheng_queue_options options = { .capacity = CAPACITY, .arena = stage->arena };
    assert_int_equal(cheng_queue_new(&stage->queue, sizeof(struct item), &options), 0);
}

static void put(struct stage *stage, uint32_t number)
{
    struct item item = item_of(number);
    assert_int_equal(cheng_queue_put(stage->queue, &item), 0);
}

static void note(struct stage *stage, const struct item *item)
{
    assert_true(item_is_whole(item) && item->number < 16);
    assert_int_equal(__atomic_fetch_add(&stage->seen[item->number], 1, __ATOMIC_ACQ_REL), 0);
}

static void get(struct stage *stage)
{
    struct item item;
    assert_int_equal(cheng_queue_get(stage->queue, &item), 0);
    note(stage, &item);
}

static void prepare_full(struct stage *stage)
{
    prepare_empty(stage);
    put(stage, 1);
    put(stage, 2);
}

/* In the order in which they were put. */
static void empty(struct stage *stage)
{
    struct item item;
    uint32_t last = 0;
    while (cheng_queue_get_until(stage->queue, &item, CHENG_NOW) == 0) {
        if (item.number < OF_VICTIM)
            assert_true(item.number > last);
        last = item.number;
        note(stage, &item);
    }
    assert_int_equal(cheng_queue_size(stage->queue), 0);
}

/* Empties it; and then both ends must work still. */
static void drain(struct stage *stage)
{
    struct item item;
    empty(stage);
    for (uint32_t i = 0; i <= CAPACITY; i++) {
        put(stage, OF_CHECK + i);
        assert_int_equal(cheng_queue_get_until(stage->queue, &item, CHENG_NOW), 0);
        assert_true(item_is_whole(&item) && item.number == OF_CHECK + i);
    }
}

static void survivor_puts(struct stage *stage, int who)
{
    (void)who;
    put(stage, OF_SURVIVOR);
}

static void survivor_gets(struct stage *stage, int who)
{
    (void)who;
    get(stage);
}

static void victim_puts(struct stage *stage)
{
    put(stage, OF_VICTIM);
}

/* Its buffer lies in the arena, so that an item that left the queue is found there. */
static void victim_gets(struct stage *stage)
{
    assert_int_equal(cheng_queue_get(stage->queue, &stage->in_hand), 0);
}

/* From the queue, or into the victim's hand. One that died while it took an item may have the bytes in its hand, and
 * the item is still in the queue. */
static void came_out_once(struct stage *stage, uint32_t number)
{
    bool in_hand = stage->in_hand.number == number && item_is_whole(&stage->in_hand);
    assert_true(stage->seen[number] == 1 || in_hand);
    assert_false(stage->finished && in_hand && stage->seen[number] != 0);
}

/* ---- put ---- */

static void put_if_empty(struct stage *stage)
{
    if (cheng_queue_size(stage->queue) > 0 || READ(stage->seen[OF_VICTIM]) > 0)
        return;
    put(stage, OF_DRIVER);
    stage->given = 1;
}

static void check_put(struct stage *stage)
{
    drain(stage);
    assert_true(stage->seen[OF_VICTIM] == 1 || !stage->finished);
    assert_int_equal(stage->seen[OF_DRIVER], stage->given);
}

OPERATION(queue_put) = {
    .survivors = 1,
    .prepare = prepare_empty,
    .victim = victim_puts,
    .survivor = survivor_gets,
    .settle = put_if_empty,
    .check = check_put,
};

static void coroutine_gets(struct stage *stage, int who)
{
    as_coroutine(survivor_gets, stage, who);
}

OPERATION(queue_put_for_a_coroutine) = {
    .survivors = 1,
    .prepare = prepare_empty,
    .victim = victim_puts,
    .survivor = coroutine_gets,
    .settle = put_if_empty,
    .check = check_put,
};

static void get_two(struct stage *stage)
{
    get(stage);
    get(stage);
}

static void check_put_when_full(struct stage *stage)
{
    drain(stage);
    for (uint32_t number = 1; number <= 2; number++)
        assert_int_equal(stage->seen[number], 1);
    assert_int_equal(stage->seen[OF_SURVIVOR], 1);
    assert_true(stage->seen[OF_VICTIM] == 1 || !stage->finished);
}

OPERATION(queue_put_when_full) = {
    .survivors = 1,
    .prepare = prepare_full,
    .victim = victim_puts,
    .survivor = survivor_puts,
    .wake = get_two,
    .check = check_put_when_full,
};

static void victim_puts_if_soon(struct stage *stage)
{
    struct item item = item_of(OF_VICTIM);
    cheng_deadline deadline = cheng_after(SOON);
    assert_int_equal(cheng_queue_put_until(stage->queue, &item, deadline), -ETIMEDOUT);
}

static void check_put_timed_out(struct stage *stage)
{
    drain(stage);
    assert_int_equal(stage->seen[OF_VICTIM], 0);
    assert_int_equal(stage->seen[OF_SURVIVOR], 1);
}

OPERATION(queue_put_timed_out) = {
    .survivors = 1,
    .prepare = prepare_full,
    .victim = victim_puts_if_soon,
    .survivor = survivor_puts,
    .settle = get,
    .check = check_put_timed_out,
};

/* ---- get ---- */

static void get_if_full(struct stage *stage)
{
    if (cheng_queue_size(stage->queue) == CAPACITY && !READ(stage->taken))
        get(stage);
}

static void survivor_puts_and_tells(struct stage *stage, int who)
{
    survivor_puts(stage, who);
    WRITE(stage->taken, 1);
}

static void check_get(struct stage *stage)
{
    drain(stage);
    came_out_once(stage, 1);
    came_out_once(stage, 2);
    came_out_once(stage, OF_SURVIVOR);
    assert_true(!stage->finished || stage->in_hand.number == 1);
}

OPERATION(queue_get) = {
    .survivors = 1,
    .prepare = prepare_full,
    .victim = victim_gets,
    .survivor = survivor_puts_and_tells,
    .settle = get_if_full,
    .check = check_get,
};

static void put_two(struct stage *stage)
{
    put(stage, 1);
    put(stage, 2);
}

static void check_get_when_empty(struct stage *stage)
{
    drain(stage);
    came_out_once(stage, 1);
    came_out_once(stage, 2);
}

OPERATION(queue_get_when_empty) = {
    .survivors = 1,
    .prepare = prepare_empty,
    .victim = victim_gets,
    .survivor = survivor_gets,
    .wake = put_two,
    .check = check_get_when_empty,
};

static void victim_gets_if_soon(struct stage *stage)
{
    cheng_deadline deadline = cheng_after(SOON);
    assert_int_equal(cheng_queue_get_until(stage->queue, &stage->in_hand, deadline), -ETIMEDOUT);
}

static void put_one(struct stage *stage)
{
    put(stage, 1);
}

static void check_get_timed_out(struct stage *stage)
{
    drain(stage);
    assert_int_equal(stage->seen[1], 1);
}

OPERATION(queue_get_timed_out) = {
    .survivors = 1,
    .prepare = prepare_empty,
    .victim = victim_gets_if_soon,
    .survivor = survivor_gets,
    .settle = put_one,
    .check = check_get_timed_out,
};

/* ---- close ---- */

static void close_it(struct stage *stage)
{
    cheng_queue_close(stage->queue);
}

static void survivor_finds_it_empty(struct stage *stage, int who)
{
    struct item item;
    (void)who;
    assert_int_equal(cheng_queue_get(stage->queue, &item), -EPIPE);
}

static void survivor_finds_it_closed(struct stage *stage, int who)
{
    struct item item = item_of(OF_SURVIVOR);
    (void)who;
    assert_int_equal(cheng_queue_put(stage->queue, &item), -EPIPE);
}

/* Closing again would wake those whom the victim did not; they must see it by themselves. */
static void close_if_empty_and_open(struct stage *stage)
{
    struct item item;
    if (cheng_queue_get_until(stage->queue, &item, CHENG_NOW) == -EAGAIN)
        close_it(stage);
}

static void close_if_full_and_open(struct stage *stage)
{
    struct item item = item_of(OF_DRIVER);
    if (cheng_queue_put_until(stage->queue, &item, CHENG_NOW) == -EAGAIN)
        close_it(stage);
}

static void check_closed(struct stage *stage)
{
    survivor_finds_it_closed(stage, 0);
    empty(stage);
    assert_int_equal(stage->seen[1], stage->given);
    assert_int_equal(stage->seen[2], stage->given);
    survivor_finds_it_empty(stage, 0);
}

static void prepare_full_to_close(struct stage *stage)
{
    prepare_full(stage);
    stage->given = 1;
}

OPERATION(queue_close_empty) = {
    .survivors = 2,
    .prepare = prepare_empty,
    .victim = close_it,
    .survivor = survivor_finds_it_empty,
    .settle = close_if_empty_and_open,
    .check = check_closed,
};

OPERATION(queue_close_full) = {
    .survivors = 2,
    .prepare = prepare_full_to_close,
    .victim = close_it,
    .survivor = survivor_finds_it_closed,
    .settle = close_if_full_and_open,
    .check = check_closed,
};

/* ---- making one ---- */

static void prepare_none(struct stage *stage)
{
    (void)stage;
}

static void free_it(struct stage *stage)
{
    cheng_queue_free(stage->queue);
    stage->queue = NULL;
}

static void survivor_makes_and_frees(struct stage *stage, int who)
{
    cheng_queue *queue;
    cheng_queue_options options = { .capacity = CAPACITY, .arena = stage->arena };
    (void)who;
    assert_int_equal(cheng_queue_new(&queue, sizeof(struct item), &options), 0);
    cheng_queue_free(queue);
}

static void forget_it(struct stage *stage)
{
    stage->queue = NULL; /* a handle of the victim's */
}

OPERATION(queue_new) = {
    .survivors = 2,
    .prepare = prepare_none,
    .victim = prepare_empty,
    .survivor = survivor_makes_and_frees,
    .check = forget_it,
    .keeps = GIVEN_BLOCK,
};

OPERATION(queue_free) = {
    .survivors = 2,
    .prepare = prepare_none,
    .ready = prepare_empty,
    .victim = free_it,
    .survivor = survivor_makes_and_frees,
    .check = forget_it,
    .keeps = OWN_BLOCK,
};
