/* Waits that end early, and what is left of the connection then. */
#include "tls/certificates.h"
#include "tls/tls.h"

static int stall(const struct world *w, bool server, cheng_deadline deadline)
{
    struct pair pair = tcp_pair();
    cheng_tls *t = NULL;
    int rc = server ? cheng_tls_server_until(&t, pair.a, w->server_config, deadline)
                    : cheng_tls_client_until(&t, pair.a, "localhost", w->client_config, deadline);
    assert_null(t);
    pair_free(&pair);
    return rc;
}

TEST_EVERYWHERE(a_stalled_handshake)
{
    struct world w = world_new();
    for (int server = 0; server < 2; server++) {
        int64_t begun = cheng_clock_ns();
        assert_int_equal(stall(&w, server, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
        assert_true(cheng_clock_ns() - begun >= 20 * CHENG_MILLISECOND);
        assert_int_equal(stall(&w, server, CHENG_NOW), -EAGAIN);
    }
    char service[8];
    cheng_tls *t = NULL;
    cheng_socket *listener = listen_here(service); /* whose backlog connects, and says nothing */
    unsigned before = open_descriptors();
    assert_int_equal(cheng_tls_connect_until(&t, "127.0.0.1", service, w.client_config,
                                             cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_true(open_descriptors() <= before + 1); /* one for the wake-up of this thread */
    cheng_socket_free(listener);
    world_free(&w);
}

struct stalled {
    const struct world *world;
    bool server;
};

static int stall_for_ever(void *context)
{
    const struct stalled *stalled = context;
    return stall(stalled->world, stalled->server, CHENG_FOREVER);
}

TEST(cancelled_handshake)
{
    struct world w = world_new();
    for (int i = 0; i < 2 * PLACES; i++) {
        struct stalled stalled = { &w, i % 2 };
        struct actor actor;
        actor_start(&actor, (enum place)(i / 2), stall_for_ever, &stalled);
        wait_until_blocked(actor.self, CHENGI_WAIT_READ);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
    }
    world_free(&w);
}

static int read_until_cancelled(void *context)
{
    char byte;
    size_t n;
    return cheng_tls_read(context, &byte, 1, &n);
}

TEST(a_cancelled_read_takes_nothing)
{
    struct world w = world_new();
    EACH_PLACE(place)
    {
        struct link_of_two l = link_two(&w);
        struct actor actor;
        char byte = 0;
        actor_start(&actor, (enum place)place, read_until_cancelled, l.client.tls);
        wait_until_blocked(actor.self, CHENGI_WAIT_READ);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
        assert_int_equal(cheng_tls_write(l.server.tls, "x", 1), 0);
        assert_int_equal(cheng_tls_read_exactly(l.client.tls, &byte, 1), 0);
        assert_int_equal(byte, 'x');
        actor_start(&actor, (enum place)place, read_until_cancelled, l.client.tls);
        wait_until_blocked(actor.self, CHENGI_WAIT_READ);
        cheng_socket_close(cheng_tls_socket(l.client.tls));
        assert_int_equal(actor_join(&actor), -EBADF);
        unlink_two(&l);
    }
    world_free(&w);
}

/* ---- a record that comes byte by byte ---- */

TEST_EVERYWHERE(a_read_goes_on_in_the_middle_of_a_record)
{
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    struct pair far = tcp_pair(); /* the server writes into this, and we hand on what it wrote */
    cheng_socket *near = l.server.tls->socket;
    char bytes[200], text[16];
    size_t size, n = 0;
    assert_int_equal(cheng_tls_read_until(l.client.tls, text, sizeof text, &n, CHENG_NOW),
                     -EAGAIN); /* tickets */
    l.server.tls->socket = far.a;
    assert_int_equal(cheng_tls_write(l.server.tls, "whole", 5), 0);
    assert_int_equal(cheng_socket_read(far.b, bytes, sizeof bytes, &size), 0);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(cheng_tls_read_until(l.client.tls, text, sizeof text, &n,
                                              i % 2 == 0 ? CHENG_NOW : cheng_after(CHENG_MILLISECOND)),
                         i % 2 == 0 ? -EAGAIN : -ETIMEDOUT);
        assert_int_equal(cheng_socket_write(near, bytes + i, 1), 0);
    }
    assert_int_equal(cheng_tls_read(l.client.tls, text, sizeof text, &n), 0);
    assert_int_equal(n, 5);
    assert_memory_equal(text, "whole", 5);
    l.server.tls->socket = near;
    pair_free(&far);
    unlink_two(&l);
    world_free(&w);
}

/* ---- a peer that does not read ---- */

enum { MUCH = 16 << 20 };

static int write_tail(void *context)
{
    return cheng_tls_write(context, "tail", 4);
}

TEST_EVERYWHERE(a_write_that_timed_out_breaks_nothing)
{
    static char data[MUCH];
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    struct actor writer;
    char buffer[CHENGI_TLS_RECORD] = "";
    size_t n, got = 0;
    memset(data, 'a', sizeof data);
    assert_int_equal(
        cheng_tls_write_until(l.client.tls, data, sizeof data, cheng_after(20 * CHENG_MILLISECOND)),
        -ETIMEDOUT);
    for (int i = 0; i < 3; i++) /* nothing of it is taken while there is no room */
        assert_int_equal(cheng_tls_write_until(l.client.tls, "never", 5, CHENG_NOW), -EAGAIN);
    actor_start(&writer, IN_COROUTINE, write_tail, l.client.tls);
    while (buffer[0] != 't') {
        assert_int_equal(cheng_tls_read(l.server.tls, buffer, sizeof buffer, &n), 0);
        for (size_t i = 0; buffer[0] != 't' && i < n; i++)
            assert_int_equal(buffer[i], 'a');
        got += n;
    }
    assert_int_equal(n, 4);
    assert_memory_equal(buffer, "tail", 4);
    assert_true(got > 4 && got < MUCH && got % CHENGI_TLS_RECORD == 4);
    assert_int_equal(actor_join(&writer), 0);
    unlink_two(&l);
    world_free(&w);
}
