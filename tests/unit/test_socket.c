/* Stream sockets, in threads, in coroutines of the default runtime and of cheng_run: every promise and every error
 * of cheng/socket.h. */
#include <sys/wait.h>

#include "unit/sockets.h"

/* ---- talking ---- */

static int talk(void *context)
{
    struct pair pair = tcp_pair();
    char buffer[16];
    size_t n = 99;
    (void)context;
    assert_int_equal(cheng_socket_write(pair.a, "hello", 5), 0);
    read_all(pair.b, buffer, 5);
    assert_memory_equal(buffer, "hello", 5);
    assert_int_equal(cheng_socket_write(pair.b, "abcdef", 6), 0);
    assert_int_equal(cheng_socket_read(pair.a, buffer, 4, &n), 0); /* as many as there is room for */
    assert_int_equal(n, 4);
    assert_int_equal(cheng_socket_read(pair.a, buffer, 4, &n), 0); /* as many as there are */
    assert_int_equal(n, 2);
    assert_int_equal(cheng_socket_write(pair.a, "", 0), 0);
    pair_free(&pair);
    return 0;
}

TEST(talk)
{
    everywhere(talk, NULL);
}

static int half_close(void *context)
{
    struct pair pair = tcp_pair();
    char buffer[8];
    size_t n = 99;
    (void)context;
    assert_int_equal(cheng_socket_write(pair.a, "question", 8), 0);
    assert_int_equal(cheng_socket_finish(pair.a), 0);
    read_all(pair.b, buffer, 8);
    for (int i = 0; i < 3; i++) { /* the end stays the end */
        n = 99;
        assert_int_equal(cheng_socket_read(pair.b, buffer, 8, &n), 0);
        assert_int_equal(n, 0);
    }
    assert_int_equal(cheng_socket_write(pair.b, "answer", 6), 0);
    read_all(pair.a, buffer, 6);
    assert_int_equal(cheng_socket_write(pair.a, "x", 1), -EPIPE);
    pair_free(&pair);
    return 0;
}

TEST(half_close)
{
    everywhere(half_close, NULL);
}

/* What came together with the end, while the reader waited: one event tells of both. */
static int read_two_and_the_end(void *context)
{
    cheng_socket *s = context;
    char buffer[100];
    size_t n = 99, have = 0;
    do {
        assert_int_equal(
            cheng_socket_read_until(s, buffer, sizeof buffer, &n, cheng_after(10 * CHENG_SECOND)), 0);
        have += n;
    } while (n > 0);
    return (int)have;
}

static int reader_task(const void *argument, void *result)
{
    (void)result;
    return read_two_and_the_end(*(void *const *)argument);
}

static int end_with_the_last_bytes(void *context)
{
    for (int i = 0; i < 4; i++) {
        struct pair pair = i % 2 ? tcp_pair() : unix_pair();
        cheng_task *task;
        int status;
        (void)context;
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, reader_task, &pair.a, sizeof pair.a, NULL), 0);
        wait_until_blocked(task, CHENGI_WAIT_READ);
        assert_int_equal(cheng_socket_write(pair.b, "ab", 2), 0); /* no poll comes in between */
        if (i < 2)
            assert_int_equal(cheng_socket_finish(pair.b), 0);
        else
            cheng_socket_close(pair.b);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 2);
        cheng_task_free(task);
        pair_free(&pair);
    }
    return 0;
}

TEST(end_with_the_last_bytes)
{
    everywhere(end_with_the_last_bytes, NULL);
}

/* ---- much, and in every rhythm ---- */

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

/* ---- deadlines ---- */

static int deadlines(void *context)
{
    struct pair pair = tcp_pair();
    char service[8], buffer[8];
    cheng_socket *listener = listen_here(service), *s = NULL;
    size_t n = 99;
    (void)context;
    const cheng_deadline past = cheng_deadline_at(1);
    assert_int_equal(cheng_socket_read_until(pair.a, buffer, 8, &n, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_socket_read_until(pair.a, buffer, 8, &n, past), -ETIMEDOUT);
    assert_int_equal(cheng_accept_until(&s, listener, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_accept_until(&s, listener, past), -ETIMEDOUT);

    int64_t before = cheng_clock_ns();
    assert_int_equal(cheng_socket_read_until(pair.a, buffer, 8, &n, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_accept_until(&s, listener, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_true(cheng_clock_ns() - before >= 40 * CHENG_MILLISECOND);

    fill(pair.a);
    before = cheng_clock_ns();
    assert_int_equal(cheng_socket_write_until(pair.a, "x", 1, past), -ETIMEDOUT);
    assert_int_equal(cheng_socket_write_until(pair.a, "x", 1, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_true(cheng_clock_ns() - before >= 20 * CHENG_MILLISECOND);
    assert_int_equal(n, 99); /* out-parameters are left alone */
    assert_null(s);

    assert_int_equal(cheng_socket_write(pair.b, "late", 4), 0); /* who is late, or in a hurry, tries once */
    assert_int_equal(cheng_socket_read_until(pair.a, buffer, 2, &n, past), 0);
    assert_int_equal(n, 2);
    assert_int_equal(cheng_socket_read_until(pair.a, buffer, 2, &n, CHENG_NOW), 0);
    assert_int_equal(n, 2);
    int client = raw_connect(service);
    assert_int_equal(cheng_accept_until(&s, listener, past), 0);
    close(client);
    cheng_socket_free(s);
    cheng_socket_free(listener);
    pair_free(&pair);
    return 0;
}

TEST(deadlines)
{
    everywhere(deadlines, NULL);
}

/* ---- who waits is cancelled, or the socket closed under it ---- */

struct waiting {
    struct pair pair;
    cheng_socket *listener;
    int which, rc;
};

static int wait_for_it(void *context)
{
    struct waiting *w = context;
    static const char block[1 << 16];
    char byte;
    size_t n;
    cheng_socket *s;
    if (w->which == 0)
        w->rc = cheng_socket_read(w->pair.a, &byte, 1, &n);
    else if (w->which == 1)
        w->rc = cheng_accept(&s, w->listener);
    else
        do
            w->rc = cheng_socket_write(w->pair.a, block, sizeof block);
        while (w->rc == 0);
    return 0;
}

static void begin_waiting(struct waiting *w, struct actor *actor, enum place place, int which)
{
    char service[8];
    *w = (struct waiting){ tcp_pair(), listen_here(service), which, 1 };
    if (which == 2)
        fill(w->pair.a);
    actor_start(actor, place, wait_for_it, w);
    wait_until_blocked(actor->self, which == 2 ? CHENGI_WAIT_WRITE : CHENGI_WAIT_READ);
}

static void end_waiting(struct waiting *w)
{
    cheng_socket_free(w->listener);
    pair_free(&w->pair);
}

TEST(cancel)
{
    EACH_PLACE(place)
    for (int which = 0; which < 3; which++) {
        struct waiting w;
        struct actor actor;
        char byte;
        size_t n;
        begin_waiting(&w, &actor, (enum place)place, which);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), 0);
        assert_int_equal(w.rc, -ECANCELED);
        if (which == 0) { /* the socket is as it was */
            assert_int_equal(cheng_socket_write(w.pair.b, "x", 1), 0);
            assert_int_equal(cheng_socket_read(w.pair.a, &byte, 1, &n), 0);
        }
        end_waiting(&w);
    }
}

TEST(close_wakes_who_waits)
{
    EACH_PLACE(place)
    for (int which = 0; which < 3; which++) {
        struct waiting w;
        struct actor actor;
        begin_waiting(&w, &actor, (enum place)place, which);
        cheng_socket_close(which == 1 ? w.listener : w.pair.a);
        assert_int_equal(actor_join(&actor), 0);
        assert_int_equal(w.rc, -EBADF);
        end_waiting(&w);
    }
}

static int closed(void *context)
{
    struct pair pair = unix_pair();
    char service[8], byte;
    cheng_socket *listener = listen_here(service), *s;
    size_t n;
    (void)context;
    int fd = cheng_socket_fd(pair.a);
    assert_true(fd >= 0);
    cheng_socket_close(pair.a);
    cheng_socket_close(pair.a); /* again is harmless */
    cheng_socket_close(listener);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(cheng_socket_read(pair.a, &byte, 1, &n), -EBADF);
    assert_int_equal(cheng_socket_read_until(pair.a, &byte, 1, &n, CHENG_NOW), -EBADF);
    assert_int_equal(cheng_socket_write(pair.a, "x", 1), -EBADF);
    assert_int_equal(cheng_socket_finish(pair.a), -EBADF);
    assert_int_equal(cheng_accept(&s, listener), -EBADF);
    assert_int_equal(cheng_socket_fd(pair.a), -EBADF);
    assert_int_equal(cheng_socket_port(listener), -EBADF);
    cheng_socket_free(listener);
    pair_free(&pair);
    cheng_socket_free(NULL);
    return 0;
}

TEST(closed)
{
    everywhere(closed, NULL);
}

TEST(busy)
{
    EACH_PLACE(place)
    for (int which = 0; which < 3; which++) {
        struct waiting w;
        struct actor actor;
        char byte;
        size_t n;
        cheng_socket *s;
        begin_waiting(&w, &actor, (enum place)place, which);
        if (which == 0) {
            assert_int_equal(cheng_socket_read(w.pair.a, &byte, 1, &n), -EBUSY);
            assert_int_equal(cheng_socket_read_until(w.pair.a, &byte, 1, &n, CHENG_NOW), -EBUSY);
            assert_int_equal(cheng_socket_write(w.pair.a, "x", 1), 0); /* the other direction is free */
        } else if (which == 1) {
            assert_int_equal(cheng_accept_until(&s, w.listener, CHENG_NOW), -EBUSY);
        } else {
            assert_int_equal(cheng_socket_write(w.pair.a, "x", 1), -EBUSY);
            assert_int_equal(cheng_socket_read_until(w.pair.a, &byte, 1, &n, CHENG_NOW), -EAGAIN);
        }
        cheng_socket_close(which == 1 ? w.listener : w.pair.a);
        actor_join(&actor);
        end_waiting(&w);
    }
}

/* Readers and writers come and go while it is closed: each call ends, and the descriptor is closed once. */
struct rush {
    cheng_socket *socket;
    cheng_event *go;
    bool writes;
};

static int rush_in(void *context)
{
    struct rush *rush = context;
    char byte;
    size_t n;
    int rc = 0;
    cheng_event_wait(rush->go);
    while (rc != -EBADF)
        rc = rush->writes ? cheng_socket_write_until(rush->socket, "x", 1, CHENG_NOW)
                          : cheng_socket_read_until(rush->socket, &byte, 1, &n, CHENG_NOW);
    return 0;
}

TEST(close_while_others_come)
{
    unsigned before = 0;
    for (unsigned i = 0; i < scaled(400); i++) {
        struct pair pair = unix_pair();
        struct actor actors[4];
        cheng_event go = { 0 };
        struct rush in = { pair.a, &go, false }, out = { pair.a, &go, true };
        for (unsigned k = 0; k < 4; k++)
            actor_start(&actors[k], k < 2 ? IN_THREAD : IN_COROUTINE, rush_in, k % 2 ? &in : &out);
        cheng_event_set(&go);
        cheng_yield();
        cheng_socket_close(pair.a);
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(actor_join(&actors[k]), 0);
        pair_free(&pair);
        if (i == 0)
            before = open_descriptors();
    }
    assert_true(open_descriptors() <= before + 4); /* a thread's wake descriptor stays with its slot */
}

/* ---- connecting and listening ---- */

static int refused(void *context)
{
    char service[8];
    cheng_socket *s = NULL;
    (void)context;
    cheng_socket_free(listen_here(service)); /* nobody listens there any more */
    unsigned before = open_descriptors();
    assert_int_equal(cheng_connect(&s, "127.0.0.1", service), -ECONNREFUSED);
    assert_int_equal(cheng_connect_until(&s, "127.0.0.1", service, cheng_after(CHENG_SECOND)), -ECONNREFUSED);
    assert_int_equal(cheng_connect(&s, NULL, service), -EINVAL);
    assert_int_equal(cheng_connect(&s, "127.0.0.1", "no-such-service"), -ENOENT);
    assert_null(s);
    if (chengi_runner_self()->worker != NULL) /* a thread keeps a descriptor to be woken by */
        assert_int_equal(open_descriptors(), before);
    return 0;
}

TEST(refused)
{
    everywhere(refused, NULL);
}

/* A listener whose queue is full: the system lets a connect wait. */
struct crowded {
    cheng_socket *listener;
    char service[8];
    int fds[4], count;
};

static void crowd(struct crowded *c)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    assert_int_equal(cheng_listen(&c->listener, "127.0.0.1", "0", &(cheng_listen_options){ .backlog = 1 }),
                     0);
    int port = cheng_socket_port(c->listener);
    snprintf(c->service, sizeof c->service, "%d", port);
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (c->count = 0; c->count < 4; c->count++) {
        int fd = c->fds[c->count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fd, (struct sockaddr *)&address, sizeof address);
    }
}

static void crowd_free(struct crowded *c)
{
    while (c->count > 0)
        close(c->fds[--c->count]);
    cheng_socket_free(c->listener);
}

static int connect_in_vain(void *context)
{
    struct crowded *c = context;
    cheng_socket *s;
    return cheng_connect(&s, "127.0.0.1", c->service);
}

static int connect_late(void *context)
{
    struct crowded *c = context;
    cheng_socket *s;
    assert_int_equal(cheng_connect_until(&s, "127.0.0.1", c->service, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_connect_until(&s, "127.0.0.1", c->service, cheng_deadline_at(1)), -ETIMEDOUT);
    assert_int_equal(cheng_connect_until(&s, "127.0.0.1", c->service, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    return 0;
}

TEST(connect_deadline_and_cancel) // noqemu: needs the kernel's listen queue as it is on Linux
{
    struct crowded c;
    crowd(&c);
    everywhere(connect_late, &c);
    EACH_PLACE(place)
    {
        struct actor actor;
        actor_start(&actor, (enum place)place, connect_in_vain, &c);
        wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
    }
    crowd_free(&c);
}

static int listening(void *context)
{
    char service[8];
    cheng_socket *one = listen_here(service), *two = NULL, *three;
    (void)context;
    assert_int_equal(cheng_listen(&two, "127.0.0.1", service, NULL), -EADDRINUSE);
    assert_int_equal(cheng_listen(&two, "127.0.0.1", "no-such-service", NULL), -ENOENT);
    assert_int_equal(cheng_listen(&two, "192.0.2.1", "0", NULL), -EADDRNOTAVAIL);
    assert_null(two);
    cheng_socket_free(one);

    const cheng_listen_options shared = { .reuse_port = true };
    assert_int_equal(cheng_listen(&one, "127.0.0.1", "0", &shared), 0);
    snprintf(service, sizeof service, "%d", cheng_socket_port(one));
    assert_int_equal(cheng_listen(&two, "127.0.0.1", service, &shared), 0);
    cheng_socket_free(two);
    cheng_socket_free(one);

    assert_int_equal(cheng_listen(&one, NULL, "0", NULL), 0); /* all addresses */
    snprintf(service, sizeof service, "%d", cheng_socket_port(one));
    assert_int_equal(cheng_connect(&two, "127.0.0.1", service), 0);
    assert_int_equal(cheng_accept(&three, one), 0);
    assert_int_equal(cheng_socket_port(three), atoi(service));
    cheng_socket_free(three);
    cheng_socket_free(two);
    cheng_socket_free(one);
    return 0;
}

TEST(listening)
{
    everywhere(listening, NULL);
}

static int descriptors_are_private(void *context)
{
    char service[8];
    cheng_socket *listener = listen_here(service), *sockets[3] = { listener };
    (void)context;
    assert_int_equal(cheng_connect(&sockets[1], "127.0.0.1", service), 0);
    assert_int_equal(cheng_accept(&sockets[2], listener), 0);
    for (int i = 0; i < 3; i++) {
        int fd = cheng_socket_fd(sockets[i]);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        cheng_socket_free(sockets[i]);
    }
    return 0;
}

TEST(descriptors_are_private)
{
    everywhere(descriptors_are_private, NULL);
}

TEST(adopt)
{
    cheng_socket *s = NULL;
    int fds[2];
    char byte;
    size_t n;
    assert_int_equal(cheng_socket_adopt(&s, -1), -EBADF);
    assert_null(s);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(cheng_socket_adopt(&s, fds[0]), 0); /* no socket: told at the first use */
    assert_int_equal(cheng_socket_read(s, &byte, 1, &n), -ENOTSOCK);
    cheng_socket_free(s);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
}

/* ---- peers that are gone ---- */

static int reset(void *context)
{
    char service[8], buffer[8];
    cheng_socket *listener = listen_here(service), *s;
    size_t n;
    (void)context;
    for (int waiting = 0; waiting < 2; waiting++) {
        int client = raw_connect(service);
        struct linger now = { 1, 0 }; /* close sends a reset */
        assert_int_equal(cheng_accept(&s, listener), 0);
        assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
        if (waiting) /* so that a poller knows the socket */
            assert_int_equal(cheng_socket_read_until(s, buffer, 8, &n, cheng_after(CHENG_MILLISECOND)),
                             -ETIMEDOUT);
        close(client);
        assert_int_equal(cheng_socket_read(s, buffer, 8, &n), -ECONNRESET);
        assert_int_equal(cheng_socket_read(s, buffer, 8, &n), 0); /* told once; then it is the end */
        assert_int_equal(n, 0);
        assert_int_equal(cheng_socket_write(s, "x", 1), -EPIPE);
        cheng_socket_free(s);
    }
    cheng_socket_free(listener);
    return 0;
}

TEST(reset)
{
    everywhere(reset, NULL);
}

/* The default action of SIGPIPE would end the test. */
static int write_to_nobody(void *context)
{
    struct pair pair = context == NULL ? unix_pair() : tcp_pair();
    int rc = 0;
    cheng_socket_free(pair.b);
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = cheng_socket_write(pair.a, "x", 1);
    assert_true(rc == -EPIPE || rc == -ECONNRESET);
    assert_int_equal(cheng_socket_write(pair.a, "x", 1), -EPIPE);
    cheng_socket_free(pair.a);
    return 0;
}

TEST(listening_on_all_addresses)
{
    cheng_socket *listener, *client;
    char service[8];
    assert_int_equal(cheng_listen(&listener, NULL, "0", NULL), 0);
    snprintf(service, sizeof service, "%d", cheng_socket_port(listener));
    assert_int_equal(cheng_connect(&client, "127.0.0.1", service), 0);
    cheng_socket_free(client);
    int v6 = socket(AF_INET6, SOCK_STREAM, 0); /* some machines have no IPv6, or no loopback of it */
    struct sockaddr_in6 loopback = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    if (v6 >= 0 && bind(v6, (struct sockaddr *)&loopback, sizeof loopback) == 0) {
        assert_int_equal(cheng_connect(&client, "::1", service), 0);
        cheng_socket_free(client);
    }
    close(v6);
    cheng_socket_free(listener);
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

TEST(no_sigpipe)
{
    everywhere(write_to_nobody, NULL);
    everywhere(write_to_nobody, &(int){ 1 });
}

static int give_up_writing(void *context)
{
    cheng_socket *s = *(cheng_socket **)context;
    static const char block[1 << 16];
    int rc;
    do
        rc = cheng_socket_write(s, block, sizeof block);
    while (rc == 0);
    return rc;
}

TEST(peer_closes_under_a_writer)
{
    EACH_PLACE(place)
    {
        struct pair pair = tcp_pair();
        struct actor actor;
        fill(pair.a);
        actor_start(&actor, (enum place)place, give_up_writing, &pair.a);
        wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
        cheng_socket_free(pair.b); /* unread bytes: a reset */
        int rc = actor_join(&actor);
        assert_true(rc == -EPIPE || rc == -ECONNRESET);
        cheng_socket_free(pair.a);
    }
}

/* ---- no more descriptors ---- */

static int no_descriptors(void *context)
{
    char service[8], byte;
    cheng_socket *listener = listen_here(service), *s = NULL;
    size_t n;
    (void)context;
    int client = raw_connect(service);
    (void)!cheng_poll(client, CHENG_READABLE, NULL, cheng_after(1)); /* a thread gets its wake descriptor */
    struct rlimit limit = no_more_descriptors();
    assert_int_equal(cheng_accept(&s, listener), -EMFILE);
    assert_int_equal(cheng_accept(&s, listener), -EMFILE); /* not lost: asked again, told again */
    assert_int_equal(cheng_connect(&s, "127.0.0.1", service), -EMFILE);
    assert_null(s);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(cheng_accept(&s, listener), 0);
    assert_int_equal(write(client, "x", 1), 1);
    assert_int_equal(cheng_socket_read(s, &byte, 1, &n), 0);
    close(client);
    cheng_socket_free(s);
    cheng_socket_free(listener);
    return 0;
}

TEST(no_descriptors) // novalgrind: it opens descriptors beyond the limit for itself
{
    everywhere(no_descriptors, NULL);
}

/* ---- fork ---- */

TEST(sockets_in_a_forks_child)
{
    struct pair pair = unix_pair();
    char byte = 0;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(cheng_socket_write(pair.b, "x", 1) == 0 && talk(NULL) == 0 ? 0 : 1);
    read_all(pair.a, &byte, 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pair_free(&pair);
}
