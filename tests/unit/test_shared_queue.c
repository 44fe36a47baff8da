/* The queue in shared memory, between processes. */
#include "unit/actors.h"
#include "unit/shared_objects.h"

#include "queue/shared_ring.h"

TEST(errors)
{
    begin();
    cheng_queue *queue;
    cheng_queue_options options = { .capacity = 3, .arena = arena };
    assert_int_equal(cheng_queue_new(&queue, 0, &options), -EINVAL);
    assert_int_equal(cheng_queue_new(&queue, 65537, &options), -EINVAL);
    assert_int_equal(
        cheng_queue_new(&queue, 65536, &(cheng_queue_options){ .capacity = 100, .arena = arena }), -ENOMEM);
    assert_int_equal(cheng_queue_new(&queue, 4, &(cheng_queue_options){ .arena = arena }), -ENOTSUP);
    size_t used = cheng_arena_used(arena);
    queue = make_queue(sizeof(int), 3);
    assert_int_equal(cheng_arena_free(arena), -EBUSY);
    int item = 77;
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(item, 77);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_queue_put(queue, &i), 0);
    assert_int_equal(cheng_queue_size(queue), 3);
    assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_queue_put_until(queue, &item, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_queue_put_until(queue, &item, cheng_after(-1)), -ETIMEDOUT);
    cheng_queue_close(queue);
    cheng_queue_close(queue);
    assert_int_equal(cheng_queue_put(queue, &item), -EPIPE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(-1)), 0);
        assert_int_equal(item, i);
    }
    assert_int_equal(cheng_queue_get(queue, &item), -EPIPE);
    assert_int_equal(cheng_queue_size(queue), 0);
    cheng_queue_free(queue);
    assert_int_equal(cheng_arena_used(arena), used);
    assert_int_equal(cheng_arena_free(arena), 0);
}

enum { PRODUCERS = 2, CONSUMERS = 2, ITEMS = 10000 };

struct flow {
    cheng_queue *queue;
    uint32_t producer; /* the next one's number */
    uint8_t seen[PRODUCERS][ITEMS];
};

struct item {
    uint32_t producer, number;
    unsigned char filling[24];
};

static void produce(void *arg)
{
    struct flow *flow = arg;
    struct item item = { .producer = __atomic_fetch_add(&flow->producer, 1, __ATOMIC_RELAXED) };
    for (item.number = 0; item.number < ITEMS; item.number++) {
        memset(item.filling, (int)item.number, sizeof item.filling);
        assert_int_equal(cheng_queue_put(flow->queue, &item), 0);
    }
}

static void consume(void *arg)
{
    struct flow *flow = arg;
    struct item item;
    int64_t last[PRODUCERS] = { -1, -1 };
    int rc;
    while ((rc = cheng_queue_get(flow->queue, &item)) == 0) {
        for (size_t i = 0; i < sizeof item.filling; i++)
            assert_int_equal(item.filling[i], (unsigned char)item.number);
        assert_true(item.number > last[item.producer]); /* in order, each producer's */
        last[item.producer] = item.number;
        __atomic_fetch_add(&flow->seen[item.producer][item.number], 1, __ATOMIC_RELAXED);
    }
    assert_int_equal(rc, -EPIPE);
}

TEST(between_processes)
{
    for (size_t capacity = 1; capacity < 200; capacity = capacity * 5 + 2) {
        begin();
        struct flow *flow = take(sizeof *flow);
        flow->queue = make_queue(sizeof(struct item), capacity);
        pid_t producers[PRODUCERS], consumers[CONSUMERS];
        for (int i = 0; i < CONSUMERS; i++)
            consumers[i] = start(consume, flow);
        for (int i = 0; i < PRODUCERS; i++)
            producers[i] = start(produce, flow);
        for (int i = 0; i < PRODUCERS; i++)
            wait_for(producers[i]);
        cheng_queue_close(flow->queue);
        for (int i = 0; i < CONSUMERS; i++)
            wait_for(consumers[i]);
        for (int i = 0; i < PRODUCERS; i++)
            for (int j = 0; j < ITEMS; j++)
                assert_int_equal(flow->seen[i][j], 1);
        cheng_queue_free(flow->queue);
        assert_int_equal(cheng_arena_free(arena), 0);
    }
}

struct closing {
    cheng_queue *queue;
    cheng_task *waiter;
    enum wait_kind kind;
};

static void *close_under(void *arg)
{
    struct closing *closing = arg;
    wait_until_blocked(closing->waiter, closing->kind);
    cheng_queue_close(closing->queue);
    return NULL;
}

TEST(close_wakes_who_waits)
{
    begin();
    int item = 1;
    for (int putting = 0; putting < 2; putting++) {
        struct closing closing = { make_queue(4, 1), cheng_current(),
                                   putting ? CHENGI_WAIT_PUT : CHENGI_WAIT_GET };
        pthread_t thread;
        if (putting)
            assert_int_equal(cheng_queue_put(closing.queue, &item), 0);
        assert_int_equal(pthread_create(&thread, NULL, close_under, &closing), 0);
        int rc = putting ? cheng_queue_put(closing.queue, &item) : cheng_queue_get(closing.queue, &item);
        assert_int_equal(rc, -EPIPE);
        assert_int_equal(pthread_join(thread, NULL), 0);
        cheng_queue_free(closing.queue);
    }
}

static void *close_now(void *arg)
{
    cheng_queue_close((cheng_queue *)arg);
    return NULL;
}

/* The same, with close anywhere in the call: nobody goes to sleep on a queue that has just been closed. */
TEST(close_races_with_going_to_sleep)
{
    begin();
    for (int i = 0; i < 2000; i++) {
        cheng_queue *queue = make_queue(4, 1);
        int item = 1;
        pthread_t thread;
        if (i % 2 == 0)
            assert_int_equal(cheng_queue_put(queue, &item), 0);
        assert_int_equal(pthread_create(&thread, NULL, close_now, queue), 0);
        for (int j = 0; j < i * 7 % 4000; j++)
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
        int rc = i % 2 == 0 ? cheng_queue_put(queue, &item) : cheng_queue_get(queue, &item);
        assert_int_equal(rc, -EPIPE);
        assert_int_equal(pthread_join(thread, NULL), 0);
        cheng_queue_free(queue);
    }
}

TEST(only_the_maker_frees_it)
{
    begin();
    cheng_queue *queue = make_queue(sizeof(int), 8);
    size_t used = cheng_arena_used(arena);
    pid_t child = fork();
    if (child == 0) {
        int item = 5;
        assert_int_equal(cheng_queue_put(queue, &item), 0);
        cheng_queue_free(queue);
        _exit(0);
    }
    wait_for(child);
    int item = 0;
    assert_int_equal(cheng_arena_used(arena), used);
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
    assert_int_equal(item, 5);
    cheng_queue_free(queue);
    assert_true(cheng_arena_used(arena) < used);
}

static int consume_as_task(const void *arg, void *result)
{
    (void)result;
    consume((void *)(uintptr_t)arg);
    return 0;
}

TEST(a_process_puts_and_coroutines_get)
{
    begin();
    struct flow *flow = take(sizeof *flow);
    flow->queue = make_queue(sizeof(struct item), 16);
    pid_t child = start(produce, flow);
    cheng_task *tasks[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, consume_as_task, flow, 0, NULL), 0);
    wait_for(child);
    cheng_queue_close(flow->queue);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(flow->seen[0][i], 1);
    cheng_queue_free(flow->queue);
}

static int wait_in_get(const void *arg, void *result)
{
    cheng_queue *queue = (cheng_queue *)(uintptr_t)arg;
    int item;
    (void)result;
    return cheng_queue_get(queue, &item);
}

TEST(cancel)
{
    begin();
    cheng_queue *queue = make_queue(sizeof(int), 4);
    for (int kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task;
        int status = 0;
        assert_int_equal(cheng_start(&task, (enum cheng_kind)kind, wait_in_get, queue, 0, NULL), 0);
        wait_until_blocked(task, CHENGI_WAIT_GET);
        cheng_cancel(task);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, -ECANCELED);
        cheng_task_free(task);
    }
    int item = 1;
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
    cheng_queue_free(queue);
}

TEST(each_bit_flipped)
{
    begin();
    struct shared_ring *ring, *other;
    uint64_t item = 1;
    assert_int_equal(chengi_shared_ring_new(&ring, arena, sizeof item, 4), 0);
    unsigned char *part = (unsigned char *)(uintptr_t)chengi_shared_ring_part(ring);
    assert_int_equal(chengi_shared_ring_put(ring, &item, CHENG_NOW), 0);
    assert_int_equal(chengi_shared_ring_put(ring, &item, CHENG_NOW), 0);
    unsigned char saved[192];
    memcpy(saved, part, sizeof saved);
    unsigned noticed = 0;
    for (unsigned bit = 0; bit < sizeof saved * 8; bit++) {
        part[bit / 8] ^= (unsigned char)(1 << bit % 8);
        for (int i = 0; i < 3; i++) {
            int got = chengi_shared_ring_get(ring, &item, cheng_after(0));
            int put = chengi_shared_ring_put(ring, &item, cheng_after(0));
            noticed += got != 0 && put != 0;
        }
        (void)chengi_shared_ring_size(ring);
        chengi_shared_ring_close(ring);
        if (chengi_shared_ring_open(&other, arena, part) == 0)
            chengi_shared_ring_free(other);
        memcpy(part, saved, sizeof saved);
    }
    assert_true(noticed >= 3 * (64 + 64 + 32)); /* both indexes and the magic, each bit */
    assert_int_equal(chengi_shared_ring_get(ring, &item, CHENG_NOW), 0);
    chengi_shared_ring_free(ring);
}
