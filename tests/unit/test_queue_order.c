/* What leaves a queue first, in each order, with a bound and without; the rendezvous; comparisons that go wrong. */
#include "unit/processes.h"
#include "unit/queues.h"

/* ---- against a model: a plain list that is searched ---- */

enum { MODEL_MOST = 400 };

struct item {
    int64_t key;
    uint32_t number; /* in the order of the puts */
    uint32_t filling[3];
};

struct model {
    enum cheng_order order;
    size_t count;
    struct item items[MODEL_MOST]; /* in the order of the puts */
};

static int greatest_first(const void *a, const void *b)
{
    int64_t x = ((const struct item *)a)->key, y = ((const struct item *)b)->key;
    return x > y ? -1 : x < y;
}

static size_t first_of(const struct model *model, bool greatest)
{
    size_t first = 0;
    if (model->order == CHENG_LIFO)
        return model->count - 1;
    for (size_t i = 1; model->order == CHENG_PRIORITY && i < model->count; i++)
        if (greatest ? model->items[i].key > model->items[first].key
                     : model->items[i].key < model->items[first].key)
            first = i;
    return first;
}

/* Fills and empties it by turns, so that it grows with its contents anywhere. */
static void compare_with_model(enum cheng_order order, size_t capacity, bool greatest, uint64_t seed)
{
    static struct model model;
    static const int64_t extremes[] = { INT64_MIN, INT64_MAX, 0, -1 };
    cheng_queue_options options = { .order = order, .capacity = capacity };
    options.compare = greatest ? greatest_first : NULL;
    cheng_queue *queue = make_queue_of(sizeof(struct item), options);
    size_t most = capacity == 0 ? MODEL_MOST : capacity;
    uint32_t number = 0;
    model.order = order;
    model.count = 0;
    for (unsigned i = 0; i < scaled(8000); i++) {
        struct item item = { 0 }, seen = { 0 };
        bool fills = i / 500 % 2 == 0 ? random_below(&seed, 4) > 0 : random_below(&seed, 4) == 0;
        assert_int_equal(cheng_queue_size(queue), model.count);
        if (fills && model.count < most) {
            item.key = random_below(&seed, 5) == 0 ? extremes[random_below(&seed, 4)]
                                                   : (int64_t)random_below(&seed, 9) - 4;
            item.number = item.filling[2] = number++;
            assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), 0);
            model.items[model.count++] = item;
        } else if (model.count > 0) {
            size_t first = first_of(&model, greatest);
            assert_int_equal(cheng_queue_peek(queue, &seen), 0);
            assert_memory_equal(&seen, &model.items[first], sizeof item);
            assert_int_equal(cheng_queue_get(queue, &item), 0);
            assert_memory_equal(&item, &seen, sizeof item);
            memmove(&model.items[first], &model.items[first + 1],
                    (--model.count - first) * sizeof *model.items);
        } else {
            assert_int_equal(cheng_queue_peek(queue, &seen), -EAGAIN);
            assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), -EAGAIN);
            assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(-1)), -ETIMEDOUT);
        }
        if (capacity != 0 && model.count == capacity) {
            assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), -EAGAIN);
            assert_int_equal(cheng_queue_put_until(queue, &item, cheng_after(-1)), -ETIMEDOUT);
        }
    }
    cheng_queue_free(queue); /* with what is left in it */
}

static void compare_in(enum cheng_order order, bool greatest)
{
    static const size_t capacities[] = { 0, 1, 2, 3, 8, 9, 100 };
    uint64_t seed = test_seed();
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++)
        compare_with_model(order, capacities[i], greatest, next_random(&seed));
}

TEST(fifo)
{
    compare_in(CHENG_FIFO, false);
}

TEST(lifo)
{
    compare_in(CHENG_LIFO, false);
}

TEST(priority)
{
    compare_in(CHENG_PRIORITY, false);
}

TEST(priority_by_comparison)
{
    compare_in(CHENG_PRIORITY, true);
}

/* Items without a key of eight bytes, of every size. */
TEST(compared_items_of_every_size)
{
    static const size_t sizes[] = { 1, 3, 8, 9, 16, 17, 1000, 64 << 10 };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        unsigned char *item = calloc(1, sizes[s]);
        cheng_queue_options options = { .order = CHENG_PRIORITY, .compare = compare_bytes };
        cheng_queue *queue = make_queue_of(sizes[s], options);
        assert_non_null(item);
        for (unsigned i = 0; i < 100; i++) {
            memset(item, (int)(i * 37 % 100), sizes[s]);
            assert_int_equal(cheng_queue_put(queue, item), 0);
        }
        for (unsigned i = 0; i < 100; i++) {
            assert_int_equal(cheng_queue_get(queue, item), 0);
            assert_int_equal(item[0], i);
            assert_int_equal(item[sizes[s] - 1], i);
        }
        cheng_queue_free(queue);
        free(item);
    }
}

/* NULL for the options: Python's Queue(). A put never waits. */
TEST(without_a_bound)
{
    cheng_queue *queue;
    assert_int_equal(cheng_queue_new(&queue, sizeof(uint32_t), NULL), 0);
    uint32_t count = scaled(300000), item;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(cheng_queue_put_until(queue, &i, CHENG_NOW), 0);
    assert_int_equal(cheng_queue_size(queue), count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
        assert_int_equal(item, i);
    }
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), -EAGAIN);
    cheng_queue_free(queue);
}

/* ---- who waits ---- */

struct waiting {
    cheng_queue *queue;
    int64_t item;
};

static int get_item(void *context)
{
    struct waiting *waiting = context;
    return cheng_queue_get(waiting->queue, &waiting->item);
}

static int put_item(void *context)
{
    struct waiting *waiting = context;
    return cheng_queue_put(waiting->queue, &waiting->item);
}

/* Each put is for the getter that has waited longest, and no later call is faster. */
TEST(getters_are_served_in_turn)
{
    enum { COUNT = 9 };
    for (enum cheng_order order = CHENG_FIFO; order <= CHENG_PRIORITY; order++) {
        struct actor actors[COUNT];
        struct waiting waiting[COUNT];
        cheng_queue *queue = make_queue_of(sizeof(int64_t), (cheng_queue_options){ .order = order });
        for (unsigned i = 0; i < COUNT; i++) {
            waiting[i].queue = queue;
            actor_start(&actors[i], (enum place)(i % PLACES), get_item, &waiting[i]);
            wait_until_blocked(actors[i].self, CHENGI_WAIT_GET);
        }
        for (int64_t i = 0, late; i < COUNT; i++) {
            assert_int_equal(cheng_queue_put(queue, &i), 0);
            assert_int_equal(cheng_queue_get_until(queue, &late, CHENG_NOW), -EAGAIN);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            assert_int_equal(actor_join(&actors[i]), 0);
            assert_int_equal(waiting[i].item, i);
        }
        cheng_queue_free(queue);
    }
}

/* What waits to be put is not in the queue: it comes in when there is room, and leaves by the order among what is there. */
TEST(putters_are_served_in_turn)
{
    static const int64_t expected[][3] = { { 5, 1, 9 }, { 5, 1, 9 }, { 5, 1, 9 } };
    static const int64_t of_two[][4] = { { 0 }, { 6, 1, 9, 5 }, { 5, 1, 6, 9 } };
    for (enum cheng_order order = CHENG_LIFO; order <= CHENG_PRIORITY; order++)
        for (size_t capacity = 1; capacity <= 2; capacity++) {
            struct actor actors[2];
            int64_t item = 5;
            cheng_queue_options options = { .order = order, .capacity = capacity };
            cheng_queue *queue = make_queue_of(sizeof item, options);
            struct waiting waiting[2] = { { queue, 1 }, { queue, 9 } };
            for (size_t i = 0; i < capacity; i++, item++)
                assert_int_equal(cheng_queue_put(queue, &item), 0);
            for (unsigned i = 0; i < 2; i++) {
                actor_start(&actors[i], (enum place)i, put_item, &waiting[i]);
                wait_until_blocked(actors[i].self, CHENGI_WAIT_PUT);
            }
            for (size_t i = 0; i < capacity + 2; i++) {
                assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
                assert_int_equal(item, capacity == 1 ? expected[order][i] : of_two[order][i]);
            }
            for (unsigned i = 0; i < 2; i++)
                assert_int_equal(actor_join(&actors[i]), 0);
            cheng_queue_free(queue);
        }
}

/* ---- rendezvous ---- */

TEST(rendezvous)
{
    cheng_queue *queue = make(sizeof(int64_t), CHENG_RENDEZVOUS);
    struct actor actor;
    struct waiting waiting = { queue, 42 };
    int64_t item = 7;
    for (enum place place = 0; place < PLACES; place++) {
        assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), -EAGAIN); /* nobody gets */
        assert_int_equal(cheng_queue_put_until(queue, &item, cheng_after(-1)), -ETIMEDOUT);
        assert_int_equal(cheng_queue_put_until(queue, &item, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
        assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW),
                         -EAGAIN); /* what was not taken was not put */
        assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
        assert_int_equal(item, 7);

        waiting.item = 42;
        actor_start(&actor, place, put_item, &waiting);
        wait_until_blocked(actor.self, CHENGI_WAIT_PUT);
        assert_int_equal(cheng_queue_size(queue), 0);
        assert_int_equal(cheng_queue_peek(queue, &item), -EAGAIN);
        assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
        assert_int_equal(item, 42);
        assert_int_equal(actor_join(&actor), 0);

        actor_start(&actor, place, get_item, &waiting);
        wait_until_blocked(actor.self, CHENGI_WAIT_GET);
        item = 7;
        assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), 0);
        assert_int_equal(actor_join(&actor), 0);
        assert_int_equal(waiting.item, 7);
        assert_int_equal(cheng_queue_size(queue), 0);
    }
    cheng_queue_close(queue);
    assert_int_equal(cheng_queue_put(queue, &item), -EPIPE);
    assert_int_equal(cheng_queue_get(queue, &item), -EPIPE);
    cheng_queue_free(queue);
}

/* A bounded put says nothing of whether the item was taken: this one does. */
TEST(a_rendezvous_returns_when_the_item_was_taken)
{
    cheng_queue *queue = make(sizeof(int64_t), CHENG_RENDEZVOUS);
    struct actor actor;
    struct waiting waiting = { queue, 1 };
    int64_t item;
    actor_start(&actor, IN_THREAD, put_item, &waiting);
    wait_until_blocked(actor.self, CHENGI_WAIT_PUT);
    assert_int_equal(cheng_sleep(5 * CHENG_MILLISECOND), 0);
    assert_true(cheng_task_is_alive(actor.self));
    assert_int_equal(cheng_queue_get(queue, &item), 0);
    assert_int_equal(actor_join(&actor), 0);
    cheng_queue_free(queue);
}

/* ---- comparisons that go wrong ---- */

static cheng_queue *recursive;
static int inner_rc = 1;
static size_t inner_size = 1;

static int use_the_queue(const void *a, const void *b)
{
    char item = 1;
    inner_rc = cheng_queue_get_until(recursive, &item, CHENG_NOW);
    inner_size = cheng_queue_size(recursive);
    cheng_queue_close(recursive);
    return compare_bytes(a, b);
}

TEST(a_comparison_cannot_use_its_queue)
{
    char item = 2;
    cheng_queue_options options = { .order = CHENG_PRIORITY, .compare = use_the_queue };
    recursive = make_queue_of(1, options);
    assert_int_equal(cheng_queue_put(recursive, &item), 0);
    assert_int_equal(cheng_queue_put(recursive, &item), 0);
    assert_int_equal(inner_rc, -EDEADLK);
    assert_int_equal(inner_size, 0);
    assert_int_equal(cheng_queue_put(recursive, &item), 0); /* not closed */
    assert_int_equal(cheng_queue_size(recursive), 3);
    cheng_queue_free(recursive);
}

/* ---- fork ---- */

static void in_child(void (*what)(cheng_queue *), cheng_queue *queue)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        what(queue);
        _exit(0);
    }
    wait_for(pid);
}

enum { ROOM = 5 }; /* in a ring of eight slots */
static uint32_t enough;

static int keep_it_moving(void *context)
{
    int64_t item = 0, taken;
    while (!__atomic_load_n(&enough, __ATOMIC_RELAXED)) {
        item += cheng_queue_put_until(context, &item, CHENG_NOW) == 0;
        (void)!cheng_queue_get_until(context, &taken, CHENG_NOW);
    }
    return 0;
}

/* What is there comes in order; then the queue works as ever, in each of its slots. */
static void drain_and_go_on(cheng_queue *queue)
{
    int64_t item, before = -1;
    while (cheng_queue_peek(queue, &item) == 0) {
        assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
        assert_true(item > before);
        before = item;
    }
    for (int round = 0; round < 4; round++) {
        for (int64_t i = 0; i < ROOM; i++)
            assert_int_equal(cheng_queue_put_until(queue, &i, CHENG_NOW), 0);
        assert_int_equal(cheng_queue_size(queue), ROOM);
        for (int64_t i = 0; i < ROOM; i++) {
            assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
            assert_int_equal(item, i);
        }
    }
    assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
}

/* A fork cuts others off in the middle of a put or a get: the child does without them. */
TEST(a_child_finishes_what_its_parents_tasks_had_begun)
{
    cheng_queue *queue = make(sizeof(int64_t), ROOM), *gone = make(1, 1);
    struct actor actor;
    actor_start(&actor, IN_THREAD, keep_it_moving, queue);
    for (unsigned n = scaled(100); n-- > 0;)
        in_child(drain_and_go_on, queue);
    cheng_queue_free(gone); /* one behind it, and one before, in the list of all */
    __atomic_store_n(&enough, 1, __ATOMIC_RELAXED);
    assert_int_equal(actor_join(&actor), 0);
    cheng_queue_free(queue);
}

static void put_and_get(cheng_queue *queue)
{
    int64_t item = 5;
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    item = 0;
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
    assert_int_equal(item, 5);
}

/* What a parent's thread had on its stack is another's there. */
static int use_much_stack(const void *argument, void *result)
{
    volatile char bytes[512 << 10];
    (void)argument, (void)result;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)0xa5;
    return bytes[0] == 0;
}

static void put_and_get_where_stacks_were(cheng_queue *queue)
{
    for (int i = 0; i < 4; i++) {
        cheng_task *task;
        assert_int_equal(cheng_start(&task, CHENG_THREAD, use_much_stack, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
    }
    put_and_get(queue);
}

/* The parent's getters do not come along: nothing is given to them. */
TEST(a_child_has_no_waiting_parents) // notsan: noasan: noqemu: no threads in a threaded program's child
{
    for (enum place place = 0; place < PLACES; place++) {
        cheng_queue *queue = make_queue_of(sizeof(int64_t), (cheng_queue_options){ .order = CHENG_LIFO });
        struct actor actor;
        struct waiting waiting = { queue, 0 };
        actor_start(&actor, place, get_item, &waiting);
        wait_until_blocked(actor.self, CHENGI_WAIT_GET);
        in_child(put_and_get, queue);
        in_child(put_and_get_where_stacks_were, queue);
        assert_int_equal(put_one(queue), 0);
        assert_int_equal(actor_join(&actor), 0);
        assert_int_equal(waiting.item, 1);
        cheng_queue_free(queue);
    }
}

static cheng_event comparing, compared;

static int compare_slowly(const void *a, const void *b)
{
    cheng_event_set(&comparing);
    assert_int_equal(cheng_event_wait(&compared), 0);
    return compare_bytes(a, b);
}

static void find_it_lost(cheng_queue *queue)
{
    int64_t item = 1;
    assert_int_equal(cheng_queue_put(queue, &item), -EOWNERDEAD);
    assert_int_equal(cheng_queue_get(queue, &item), -EOWNERDEAD);
    assert_int_equal(cheng_queue_peek(queue, &item), -EOWNERDEAD);
    cheng_queue_close_and_drop(queue);
    assert_int_equal(cheng_queue_put(queue, &item), -EOWNERDEAD);
    cheng_queue_free(queue);
}

/* Another was just inside: in the child, what is in the queue may be half changed. */
TEST(a_child_of_who_was_not_inside)
{
    cheng_queue_options options = { .order = CHENG_PRIORITY, .compare = compare_slowly };
    cheng_queue *queue = make_queue_of(sizeof(int64_t), options);
    struct actor actor;
    assert_int_equal(put_one(queue), 0);
    actor_start(&actor, IN_THREAD, put_one, queue);
    assert_int_equal(cheng_event_wait(&comparing), 0);
    in_child(find_it_lost, queue);
    cheng_event_set(&compared);
    assert_int_equal(actor_join(&actor), 0);
    assert_int_equal(cheng_queue_size(queue), 2);
    cheng_queue_free(queue);
}
