/* Who waits for a socket runs out of time, is cancelled, or has the socket closed under it. */
#include "unit/sockets.h"

TEST_EVERYWHERE(deadlines)
{
    struct pair pair = tcp_pair();
    char service[8], buffer[8];
    cheng_socket *listener = listen_here(service), *s = NULL;
    size_t n = 99;
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

TEST_EVERYWHERE(closed)
{
    struct pair pair = unix_pair();
    char service[8], byte;
    cheng_socket *listener = listen_here(service), *s;
    size_t n;
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
    int64_t until =
        cheng_clock_ns() + 5 * CHENG_SECOND; /* on a busy machine each of four spins for a slice */
    for (unsigned i = 0; i < scaled(400) && (i < 10 || cheng_clock_ns() < until); i++) {
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

/* ---- waiting without reading or writing ---- */

TEST_EVERYWHERE(readiness)
{
    struct pair pair = unix_pair();
    char byte;
    size_t n;
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE | CHENG_WRITABLE, CHENG_NOW), -EINVAL);
    assert_int_equal(cheng_socket_wait(pair.a, 0, CHENG_NOW), -EINVAL);
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_WRITABLE, CHENG_NOW), 0);
    assert_int_equal(cheng_socket_write(pair.b, "xy", 2), 0);
    for (int i = 0; i < 2; i++) { /* it stays readable until it is read, and reading finds it */
        assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, CHENG_FOREVER), 0);
        assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, CHENG_FOREVER), 0);
        assert_int_equal(cheng_socket_read(pair.a, &byte, 1, &n), 0);
    }
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, CHENG_NOW), -EAGAIN);
    fill(pair.a);
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_WRITABLE, CHENG_NOW), -EAGAIN);
    cheng_socket_free(pair.b);
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, CHENG_FOREVER), 0); /* the end can be read */
    cheng_socket_close(pair.a);
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, CHENG_FOREVER), -EBADF);
    assert_int_equal(cheng_socket_wait(pair.a, CHENG_WRITABLE, CHENG_FOREVER), -EBADF);
    cheng_socket_free(pair.a);
}

static int wait_for_bytes(void *context)
{
    return cheng_socket_wait(context, CHENG_READABLE, CHENG_FOREVER);
}

static int wait_for_room(void *context)
{
    return cheng_socket_wait(context, CHENG_WRITABLE, CHENG_FOREVER);
}

TEST(readiness_comes_late)
{
    EACH_PLACE(place)
    {
        static char block[1 << 16];
        struct pair pair = unix_pair();
        struct actor actor;
        size_t n;
        actor_start(&actor, (enum place)place, wait_for_bytes, pair.a);
        wait_until_blocked(actor.self, CHENGI_WAIT_READ);
        assert_int_equal(cheng_socket_wait(pair.a, CHENG_READABLE, CHENG_NOW), -EBUSY);
        assert_int_equal(cheng_socket_write(pair.b, "x", 1), 0);
        assert_int_equal(actor_join(&actor), 0);
        fill(pair.a);
        actor_start(&actor, (enum place)place, wait_for_room, pair.a);
        wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
        assert_int_equal(cheng_socket_write_until(pair.a, "x", 1, CHENG_NOW), -EBUSY);
        while (cheng_socket_read_until(pair.b, block, sizeof block, &n, CHENG_NOW) == 0)
            ;
        assert_int_equal(actor_join(&actor), 0);
        for (int cancel = 1; cancel >= 0; cancel--) {
            assert_int_equal(cheng_socket_read(pair.a, block, 1, &n), 0);
            actor_start(&actor, (enum place)place, wait_for_bytes, pair.a);
            wait_until_blocked(actor.self, CHENGI_WAIT_READ);
            cancel ? cheng_cancel(actor.self) : cheng_socket_close(pair.a);
            assert_int_equal(actor_join(&actor), cancel ? -ECANCELED : -EBADF);
            if (cancel)
                assert_int_equal(cheng_socket_write(pair.b, "x", 1), 0);
        }
        pair_free(&pair);
    }
}

/* ---- how much went out ---- */

TEST_EVERYWHERE(written_so_far)
{
    static char block[1 << 20], copy[1 << 20];
    struct pair pair = unix_pair();
    size_t put = 0, all = 0, got = 0, n;
    int rc;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 7 + i / 251);
    while ((rc = cheng_socket_write_some_until(pair.a, block + all, sizeof block - all, &put,
                                               cheng_after(CHENG_MILLISECOND))) == 0) {
        assert_true(put > 0);
        all += put;
    }
    assert_int_equal(rc, -ETIMEDOUT);
    assert_int_equal(cheng_socket_write_some_until(pair.a, block, 1, &n, CHENG_NOW), -EAGAIN);
    cheng_socket_finish(pair.a);
    while (cheng_socket_read(pair.b, copy + got, sizeof copy - got, &n) == 0 && n > 0)
        got += n;
    assert_int_equal(got, all); /* neither more nor less than it said */
    assert_memory_equal(copy, block, all);
    assert_int_equal(cheng_socket_write_some(pair.a, block, 1, &n), -EPIPE);
    pair_free(&pair);
}

TEST_EVERYWHERE(read_exactly)
{
    struct pair pair = unix_pair();
    char text[8] = "";
    assert_int_equal(cheng_socket_write(pair.b, "abcde", 5), 0);
    assert_int_equal(cheng_socket_read_exactly(pair.a, text, 3), 0);
    assert_string_equal(text, "abc");
    assert_int_equal(cheng_socket_read_exactly(pair.a, text, 0), 0);
    assert_int_equal(cheng_socket_read_exactly_until(pair.a, text, 3, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_socket_write(pair.b, "fg", 2), 0);
    cheng_socket_free(pair.b);
    assert_int_equal(cheng_socket_read_exactly(pair.a, text, 3), -EPIPE);
    cheng_socket_free(pair.a);
}
