/* Streams of bytes in every rhythm, between all places, and by several tasks at once. */
#include "unit/sockets.h"

enum { MUCH = 1 << 20 };

struct half {
    cheng_socket *socket;
    uint64_t seed;
    size_t total, sent, got;
    bool bad;
};

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + (i >> 8));
}

static void pause_at_random(uint64_t *random)
{
    unsigned what = random_below(random, 16);
    if (what == 0)
        cheng_sleep(random_below(random, 200) * CHENG_MICROSECOND);
    else if (what < 6)
        cheng_yield();
}

static int send_half(void *context)
{
    struct half *half = context;
    unsigned char block[9000];
    while (half->sent < half->total) {
        size_t left = half->total - half->sent, n = 1 + random_below(&half->seed, sizeof block);
        n = n < left ? n : left;
        for (size_t i = 0; i < n; i++)
            block[i] = byte_at(half->sent + i);
        assert_int_equal(cheng_socket_write(half->socket, block, n), 0);
        half->sent += n;
        pause_at_random(&half->seed);
    }
    assert_int_equal(cheng_socket_finish(half->socket), 0);
    return 0;
}

static int receive_half(void *context)
{
    struct half *half = context;
    unsigned char block[9000];
    size_t n;
    do {
        size_t room = 1 + random_below(&half->seed, sizeof block);
        assert_int_equal(cheng_socket_read(half->socket, block, room, &n), 0);
        for (size_t i = 0; i < n; i++)
            half->bad |= block[i] != byte_at(half->got + i);
        half->got += n;
        pause_at_random(&half->seed);
    } while (n > 0);
    return 0;
}

/* Two ends, each with a reader and a writer at the same time, of all places. */
TEST(a_megabyte_both_ways)
{
    uint64_t random = test_seed();
    for (int round = 0; round < 9; round++) {
        struct pair pair = round % 2 ? unix_pair() : tcp_pair();
        struct half halves[4];
        struct actor actors[4];
        for (int i = 0; i < 4; i++) {
            halves[i] =
                (struct half){ i < 2 ? pair.a : pair.b, next_random(&random), scaled(MUCH), 0, 0, false };
            /* the place of the readers, and that of the writers */
            enum place place = (enum place)(i % 2 ? round % 3 : round / 3);
            actor_start(&actors[i], place, i % 2 ? send_half : receive_half, &halves[i]);
        }
        for (int i = 0; i < 4; i++)
            assert_int_equal(actor_join(&actors[i]), 0);
        for (int i = 0; i < 4; i += 2) {
            assert_int_equal(halves[i].got, scaled(MUCH));
            assert_false(halves[i].bad);
        }
        pair_free(&pair);
    }
}

static int many_small(const void *argument, void *result)
{
    struct half half = *(const struct half *)argument;
    (void)result;
    return half.got ? receive_half((half.got = 0, &half)) : send_half(&half);
}

static int many_connections(void *context)
{
    enum { PAIRS = 20 };
    uint64_t *random = context;
    cheng_task *tasks[2 * PAIRS];
    struct pair pairs[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = i % 2 ? tcp_pair() : unix_pair();
        struct half in = { pairs[i].a, next_random(random), 0, 0, 1, false },
                    out = { pairs[i].b, next_random(random), scaled(100000), 0, 0, false };
        assert_int_equal(cheng_start(&tasks[2 * i], CHENG_COROUTINE, many_small, &in, sizeof in, NULL), 0);
        assert_int_equal(cheng_start(&tasks[2 * i + 1], CHENG_COROUTINE, many_small, &out, sizeof out, NULL),
                         0);
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    for (int i = 0; i < PAIRS; i++)
        pair_free(&pairs[i]);
    return 0;
}

TEST(many_connections)
{
    uint64_t random = test_seed();
    everywhere(many_connections, &random);
}

/* One socket, used in turn by a thread and by coroutines of several runtimes, some of them gone. */
static int one_exchange(void *context)
{
    struct pair *pair = context;
    char buffer[8];
    size_t n;
    assert_int_equal(cheng_socket_read_until(pair->a, buffer, 8, &n, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_socket_read_until(pair->a, buffer, 8, &n, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_socket_write(pair->b, "1234", 4), 0);
    assert_int_equal(cheng_socket_read(pair->a, buffer, 8, &n), 0);
    assert_int_equal(n, 4);
    return 0;
}

TEST(one_socket_everywhere)
{
    struct pair pair = tcp_pair();
    for (int i = 0; i < 10; i++)
        everywhere(one_exchange, &pair);
    pair_free(&pair);
}

/* A reader in one place, a writer in another, on the same socket: two pollers. */
static int ping(void *context)
{
    struct pair *pair = context;
    for (unsigned i = 0; i < scaled(2000); i++) {
        unsigned char byte = (unsigned char)i, back;
        assert_int_equal(cheng_socket_write(pair->a, &byte, 1), 0);
        read_all(pair->a, &back, 1);
        assert_int_equal(back, byte);
    }
    return 0;
}

static int pong(void *context)
{
    struct pair *pair = context;
    for (unsigned i = 0; i < scaled(2000); i++) {
        unsigned char byte;
        read_all(pair->b, &byte, 1);
        assert_int_equal(cheng_socket_write(pair->b, &byte, 1), 0);
    }
    return 0;
}

TEST(ping_pong_of_all_places)
{
    EACH_PLACE(one)
    EACH_PLACE(two)
    {
        struct pair pair = tcp_pair();
        struct actor a, b;
        actor_start(&a, (enum place)one, ping, &pair);
        actor_start(&b, (enum place)two, pong, &pair);
        assert_int_equal(actor_join(&a), 0);
        assert_int_equal(actor_join(&b), 0);
        pair_free(&pair);
    }
}

/* A coroutine whose socket is always ready lets the others of its worker go on. */
static bool sibling_ran;

static int sibling(const void *argument, void *result)
{
    (void)argument, (void)result;
    sibling_ran = true;
    return 0;
}

static int read_on_and_on(const void *argument, void *result)
{
    enum { BYTES = 4096 };
    struct pair pair = unix_pair();
    char data[BYTES] = { 0 }, byte;
    size_t got;
    (void)argument, (void)result;
    assert_int_equal(cheng_socket_write(pair.a, data, sizeof data), 0);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, sibling, NULL, 0, NULL), 0);
    unsigned reads = 0;
    while (!sibling_ran && reads < BYTES) {
        assert_int_equal(cheng_socket_read(pair.b, &byte, 1, &got), 0);
        reads++;
    }
    cheng_socket_free(pair.a);
    cheng_socket_free(pair.b);
    return reads < 100 ? 0 : -EIO;
}

TEST(always_ready)
{
    int status = -1;
    assert_int_equal(cheng_run(&status, read_on_and_on, NULL, 0), 0);
    assert_int_equal(status, 0);
}
