/* The private queue: sizes, order, closing, capacity; many at once. test_queue_order.c has what leaves first,
 * test_queue_done.c joining and dropping, test_matrix.c the ways a wait ends. */
#include "unit/actors.h"
#include "unit/queues.h"

TEST(new_checks_its_arguments)
{
    cheng_queue *const untouched = (cheng_queue *)&errno;
    cheng_queue *queue = untouched;
    cheng_queue_options one = { .capacity = 1 }, huge = { .capacity = SIZE_MAX - 1 };
    cheng_queue_options odd = { .capacity = 1, .order = (enum cheng_order)9 };
    cheng_queue_options compared = { .compare = compare_bytes };
    cheng_queue_options keys = { .order = CHENG_PRIORITY };
    cheng_queue_options stack = { .order = CHENG_LIFO, .capacity = CHENG_RENDEZVOUS };
    assert_int_equal(cheng_queue_new(NULL, 4, &one), -EINVAL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cheng_queue_new(&queue, 0, i ? &one : NULL), -EINVAL);
        assert_int_equal(cheng_queue_new(&queue, (64 << 10) + 1, i ? &one : NULL), -EINVAL);
    }
    assert_int_equal(cheng_queue_new(&queue, 4, &odd), -EINVAL);
    assert_int_equal(cheng_queue_new(&queue, 4, &compared), -EINVAL); /* nothing to compare for */
    assert_int_equal(cheng_queue_new(&queue, 7, &keys), -EINVAL);     /* no room for a key */
    assert_int_equal(cheng_queue_new(&queue, 4, &stack), -EINVAL);
    assert_int_equal(cheng_queue_new(&queue, 4, &huge), -ENOMEM);
    assert_ptr_equal(queue, untouched);
    cheng_queue_free(NULL);
}

/* Every capacity from 1 up, powers of two or not: exactly that many fit, many times around. */
TEST(capacity_and_order)
{
    for (size_t capacity = 1; capacity <= 20; capacity++) {
        cheng_queue *queue = make(sizeof(uint32_t), capacity);
        uint32_t in = 0, out = 0, item;
        for (unsigned round = 0; round < 60; round++) {
            while (cheng_queue_put_until(queue, &in, CHENG_NOW) == 0)
                in++;
            assert_int_equal(cheng_queue_size(queue), capacity);
            assert_int_equal(in - out, capacity);
            assert_int_equal(cheng_queue_put_until(queue, &in, CHENG_NOW), -EAGAIN);
            assert_int_equal(cheng_queue_put_until(queue, &in, cheng_after(-1)), -ETIMEDOUT);
            for (size_t i = 0; i <= round % capacity; i++, out++) {
                assert_int_equal(cheng_queue_get(queue, &item), 0);
                assert_int_equal(item, out);
            }
        }
        while (cheng_queue_get_until(queue, &item, CHENG_NOW) == 0)
            assert_int_equal(item, out++);
        assert_int_equal(in, out);
        item = 123;
        assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), -EAGAIN);
        assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(-1)), -ETIMEDOUT);
        assert_int_equal(item, 123);
        cheng_queue_free(queue);
    }
}

TEST(items_of_every_size)
{
    static const size_t sizes[] = { 1, 2, 3, 4, 7, 8, 9, 16, 63, 64, 65, 1000, 64 << 10 };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t size = sizes[s];
        unsigned char *in = malloc(size), *out = malloc(size + 1);
        assert_non_null(in);
        assert_non_null(out);
        cheng_queue *queue = make(size, 3);
        for (unsigned i = 0; i < 10; i++) {
            memset(in, (int)i + 1, size);
            in[size - 1] = (unsigned char)(i * 3);
            assert_int_equal(cheng_queue_put(queue, in), 0);
            out[size] = 0xee;
            assert_int_equal(cheng_queue_get(queue, out), 0);
            assert_memory_equal(in, out, size);
            assert_int_equal(out[size], 0xee);
        }
        assert_int_equal(cheng_queue_put(queue, in), 0);
        cheng_queue_free(queue); /* with what is left in it */
        free(in);
        free(out);
    }
}

/* ---- closing ---- */

static void closes(cheng_queue_options options)
{
    cheng_queue *queue = make_queue_of(sizeof(int64_t), options);
    int64_t item = options.order == CHENG_LIFO ? 6 : 5;
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    item = 11 - item;
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_queue_close(queue);
    cheng_queue_close(queue);
    assert_int_equal(cheng_queue_put(queue, &item), -EPIPE);
    assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), -EPIPE);
    assert_int_equal(cheng_queue_put_until(queue, &item, cheng_after(-1)), -EPIPE);
    assert_int_equal(cheng_queue_size(queue), 2);
    assert_int_equal(cheng_queue_get(queue, &item), 0); /* gets go on until it is empty */
    assert_int_equal(item, 5);
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
    assert_int_equal(item, 6);
    item = 7;
    assert_int_equal(cheng_queue_get(queue, &item), -EPIPE);
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), -EPIPE);
    assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(-1)), -EPIPE);
    assert_int_equal(item, 7);
    assert_int_equal(cheng_queue_peek(queue, &item), -EPIPE);
    cheng_queue_free(queue);
}

TEST(closed)
{
    closes((cheng_queue_options){ .capacity = 4 });
    for (enum cheng_order order = CHENG_FIFO; order <= CHENG_PRIORITY; order++)
        closes((cheng_queue_options){ .order = order });
}

TEST(closed_when_full)
{
    cheng_queue *queue = make(sizeof(int), 1);
    int item = 5;
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    cheng_queue_close(queue);
    assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), -EPIPE);
    assert_int_equal(cheng_queue_put(queue, &item), -EPIPE);
    cheng_queue_free(queue);
}

static void close_wakes(cheng_queue_options options, bool drop)
{
    enum { COUNT = 12 };
    struct actor actors[COUNT];
    for (int putting = 0; putting < 2; putting++) {
        cheng_queue *queue = make_queue_of(sizeof(int64_t), options);
        bool full = putting && options.capacity != CHENG_RENDEZVOUS;
        if (full)
            assert_int_equal(put_one(queue), 0);
        for (unsigned i = 0; i < COUNT; i++)
            actor_start(&actors[i], (enum place)(i % PLACES), putting ? put_one : get_one, queue);
        for (unsigned i = 0; i < COUNT; i++)
            wait_until_blocked(actors[i].self, putting ? CHENGI_WAIT_PUT : CHENGI_WAIT_GET);
        if (drop)
            cheng_queue_close_and_drop(queue);
        else
            cheng_queue_close(queue);
        for (unsigned i = 0; i < COUNT; i++)
            assert_int_equal(actor_join(&actors[i]), -EPIPE);
        assert_int_equal(cheng_queue_size(queue), full && !drop);
        cheng_queue_free(queue);
    }
}

TEST(close_wakes_all)
{
    for (int drop = 0; drop < 2; drop++) {
        close_wakes((cheng_queue_options){ .capacity = 1 }, drop);
        close_wakes((cheng_queue_options){ .capacity = 1, .order = CHENG_LIFO }, drop);
        close_wakes((cheng_queue_options){ .capacity = 1, .order = CHENG_PRIORITY }, drop);
        close_wakes((cheng_queue_options){ .capacity = CHENG_RENDEZVOUS }, drop);
    }
}

/* ---- many at once ---- */

struct crowd {
    cheng_queue *queue;
    unsigned producers, each;
    bool newest_first;
    unsigned next;  /* atomic: numbers for producers */
    uint64_t sum;   /* atomic */
    uint32_t taken; /* atomic */
};

struct item {
    int64_t key; /* equal for all: what leaves first among them */
    uint32_t producer, number;
};

static int produce(void *context)
{
    struct crowd *crowd = context;
    struct item item = { 0, __atomic_fetch_add(&crowd->next, 1, __ATOMIC_RELAXED), 0 };
    for (; item.number < crowd->each; item.number++)
        assert_int_equal(cheng_queue_put(crowd->queue, &item), 0);
    return 0;
}

/* What one consumer gets of one producer comes in the producer's order. */
static int consume(void *context)
{
    struct crowd *crowd = context;
    int64_t last[32];
    struct item item;
    int rc;
    memset(last, -1, sizeof last);
    while ((rc = cheng_queue_get(crowd->queue, &item)) == 0) {
        assert_in_range(item.producer, 0, crowd->producers - 1);
        assert_true(crowd->newest_first || item.number > last[item.producer]);
        last[item.producer] = item.number;
        __atomic_fetch_add(&crowd->sum, item.number, __ATOMIC_RELAXED);
        __atomic_fetch_add(&crowd->taken, 1, __ATOMIC_RELAXED);
    }
    return rc;
}

static void meet_by(cheng_queue_options options, unsigned producers, unsigned consumers, unsigned each)
{
    struct crowd crowd = { .queue = make_queue_of(sizeof(struct item), options),
                           .producers = producers,
                           .newest_first = options.order == CHENG_LIFO,
                           .each = each };
    struct actor makers[32], takers[32];
    for (unsigned i = 0; i < consumers; i++)
        actor_start(&takers[i], (enum place)(i % PLACES), consume, &crowd);
    for (unsigned i = 0; i < producers; i++)
        actor_start(&makers[i], (enum place)((i + 1) % PLACES), produce, &crowd);
    for (unsigned i = 0; i < producers; i++)
        assert_int_equal(actor_join(&makers[i]), 0);
    cheng_queue_close(crowd.queue);
    for (unsigned i = 0; i < consumers; i++)
        assert_int_equal(actor_join(&takers[i]), -EPIPE);
    assert_int_equal(crowd.taken, producers * each);
    assert_int_equal(crowd.sum, (uint64_t)producers * each * (each - 1) / 2);
    cheng_queue_free(crowd.queue);
}

static void meet(unsigned producers, unsigned consumers, size_t capacity, unsigned each)
{
    meet_by((cheng_queue_options){ .capacity = capacity }, producers, consumers, each);
}

TEST(one_to_one)
{
    meet(1, 1, 1, scaled(20000));
    meet(1, 1, 2, scaled(20000));
    meet(1, 1, 1000, scaled(100000));
}

TEST(many_to_one)
{
    meet(9, 1, 1, scaled(2000));
    meet(9, 1, 5, scaled(5000));
}

TEST(one_to_many)
{
    meet(1, 9, 1, scaled(5000));
    meet(1, 9, 7, scaled(20000));
}

TEST(many_to_many)
{
    meet(9, 9, 1, scaled(1000));
    meet(9, 9, 3, scaled(3000));
    meet(30, 30, 64, scaled(1000));
}

TEST(many_to_many_in_every_order)
{
    for (enum cheng_order order = CHENG_FIFO; order <= CHENG_PRIORITY; order++) {
        meet_by((cheng_queue_options){ .order = order }, 5, 5, scaled(2000));
        meet_by((cheng_queue_options){ .order = order, .capacity = 1 }, 9, 9, scaled(500));
        meet_by((cheng_queue_options){ .order = order, .capacity = 5 }, 9, 3, scaled(1000));
    }
}

TEST(many_rendezvous)
{
    meet_by((cheng_queue_options){ .capacity = CHENG_RENDEZVOUS }, 1, 1, scaled(5000));
    meet_by((cheng_queue_options){ .capacity = CHENG_RENDEZVOUS }, 9, 9, scaled(500));
    meet_by((cheng_queue_options){ .capacity = CHENG_RENDEZVOUS }, 1, 9, scaled(3000));
}

/* A wait that ends by deadline or cancel has put or taken nothing: what went in comes out, once. */
struct hasty {
    cheng_queue *queue;
    uint64_t random;
    uint32_t done;
};

static int put_hastily(void *context)
{
    struct hasty *hasty = context;
    for (unsigned i = 0; i < scaled(2000); i++) {
        int64_t item = 1;
        int rc = cheng_queue_put_until(hasty->queue, &item,
                                       cheng_after(random_below(&hasty->random, 20) * CHENG_MICROSECOND));
        assert_true(rc == 0 || rc == -ETIMEDOUT);
        hasty->done += rc == 0;
    }
    return 0;
}

static int get_hastily(void *context)
{
    struct hasty *hasty = context;
    for (unsigned i = 0; i < scaled(2000); i++) {
        int64_t item = 0;
        int rc = cheng_queue_get_until(hasty->queue, &item,
                                       cheng_after(random_below(&hasty->random, 20) * CHENG_MICROSECOND));
        assert_true(rc == 0 ? item == 1 : rc == -ETIMEDOUT && item == 0);
        hasty->done += rc == 0;
    }
    return 0;
}

static void hurry(cheng_queue_options options)
{
    enum { COUNT = 6 };
    struct actor actors[2 * COUNT];
    struct hasty hasty[2 * COUNT];
    cheng_queue *queue = make_queue_of(sizeof(int64_t), options);
    uint64_t seed = test_seed();
    uint32_t in = 0, out = 0;
    for (unsigned i = 0; i < 2 * COUNT; i++) {
        hasty[i] = (struct hasty){ queue, next_random(&seed), 0 };
        actor_start(&actors[i], (enum place)(i / 2 % PLACES), i % 2 ? put_hastily : get_hastily, &hasty[i]);
    }
    for (unsigned i = 0; i < 2 * COUNT; i++) {
        assert_int_equal(actor_join(&actors[i]), 0);
        *(i % 2 ? &in : &out) += hasty[i].done;
    }
    assert_int_equal(in, out + cheng_queue_size(queue));
    assert_true(in > 0);
    cheng_queue_free(queue);
}

TEST(deadlines_lose_nothing)
{
    hurry((cheng_queue_options){ .capacity = 2 });
}

TEST(deadlines_lose_nothing_in_other_orders)
{
    hurry((cheng_queue_options){ .capacity = 2, .order = CHENG_LIFO });
    hurry((cheng_queue_options){ .order = CHENG_PRIORITY });
    hurry((cheng_queue_options){ .capacity = CHENG_RENDEZVOUS });
}
