/* Datagrams: UDP's on loopback, and unix sockets'. */
#include "unit/sockets.h"

#include <stdatomic.h>

static cheng_socket *bind_here(char service[8])
{
    cheng_socket *s;
    assert_int_equal(cheng_datagram_bind(&s, "127.0.0.1", "0", NULL), 0);
    snprintf(service, 8, "%d", cheng_socket_port(s));
    return s;
}

TEST_EVERYWHERE(udp)
{
    char service[8], wanted[32], text[CHENG_ENDPOINT_TEXT], buffer[16];
    cheng_socket *server = bind_here(service), *client;
    cheng_endpoint from, to;
    size_t n = 99;
    assert_int_equal(cheng_datagram_connect(&client, "127.0.0.1", service, CHENG_FOREVER), 0);
    assert_int_equal(cheng_datagram_send(client, "abc", 3, NULL), 0);
    assert_int_equal(cheng_datagram_send(client, "", 0, NULL), 0);
    assert_int_equal(cheng_datagram_receive(server, buffer, sizeof buffer, &n, &from), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(buffer, "abc", 3);
    snprintf(wanted, sizeof wanted, "127.0.0.1:%d", cheng_socket_port(client));
    cheng_endpoint_text(&from, text);
    assert_string_equal(text, wanted);
    assert_int_equal(cheng_datagram_receive(server, buffer, sizeof buffer, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cheng_datagram_send(server, "answer", 6, &from), 0);
    assert_int_equal(cheng_datagram_receive(client, buffer, sizeof buffer, &n, &from), 0);
    assert_int_equal(n, 6);
    assert_int_equal(cheng_resolve_endpoint(&to, "127.0.0.1", service, CHENG_NOW), 0);
    assert_memory_equal(&from, &to, sizeof to);
    cheng_socket_free(client);
    cheng_socket_free(server);
}

TEST_EVERYWHERE(unix_sockets)
{
    char host[64], text[CHENG_ENDPOINT_TEXT], buffer[16];
    cheng_socket *server, *client;
    cheng_endpoint from;
    size_t n;
    snprintf(host, sizeof host, "unix:@cheng-datagrams-%d", (int)getpid());
    assert_int_equal(cheng_datagram_connect(&client, host, NULL, CHENG_FOREVER), -ECONNREFUSED);
    assert_int_equal(cheng_datagram_bind(&server, host, NULL, NULL), 0);
    assert_int_equal(cheng_datagram_connect(&client, host, NULL, CHENG_FOREVER), 0);
    assert_int_equal(cheng_datagram_send(client, "abc", 3, NULL), 0);
    assert_int_equal(cheng_datagram_receive(server, buffer, sizeof buffer, &n, &from), 0);
    assert_int_equal(cheng_datagram_send(server, "answer", 6, &from), 0); /* the system has given it a name */
    assert_int_equal(cheng_datagram_receive(client, buffer, sizeof buffer, &n, &from), 0);
    assert_int_equal(n, 6);
    cheng_endpoint_text(&from, text);
    assert_string_equal(text, host);

    /* a unix socket's queue is short: who sends waits until somebody receives */
    int rc, sent = 0;
    while ((rc = cheng_datagram_send_until(client, "x", 1, NULL, CHENG_NOW)) == 0)
        sent++;
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(cheng_datagram_send_until(client, "x", 1, NULL, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    for (; sent > 0; sent--)
        assert_int_equal(cheng_datagram_receive_until(server, buffer, 1, &n, NULL, CHENG_NOW), 0);
    cheng_socket_free(client);
    cheng_socket_free(server);
}

TEST_EVERYWHERE(errors)
{
    static char huge[70000];
    char service[8], buffer[4];
    cheng_socket *server = bind_here(service), *client, *nobody = NULL;
    cheng_endpoint to;
    size_t n = 99;
    assert_int_equal(cheng_datagram_bind(&nobody, "127.0.0.1", service, NULL), -EADDRINUSE);
    assert_int_equal(cheng_datagram_bind(&nobody, "127.0.0.1", "no-such-service", NULL), -ENOENT);
    assert_int_equal(cheng_datagram_connect(&nobody, NULL, service, CHENG_FOREVER), -EINVAL);
    assert_int_equal(cheng_resolve_endpoint(&to, NULL, service, CHENG_FOREVER), -EINVAL);
    assert_int_equal(cheng_datagram_connect(&nobody, "no-such-host.invalid", service, CHENG_NOW), -EAGAIN);
    assert_null(nobody);

    assert_int_equal(cheng_datagram_connect(&client, "127.0.0.1", service, CHENG_FOREVER), 0);
    assert_int_equal(cheng_datagram_send(client, huge, sizeof huge, NULL), -EMSGSIZE);
    assert_int_equal(cheng_datagram_send(server, "x", 1, NULL), -EDESTADDRREQ);
    assert_int_equal(cheng_datagram_receive_until(server, buffer, 4, &n, NULL, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_datagram_receive_until(server, buffer, 4, &n, NULL, cheng_deadline_at(1)),
                     -ETIMEDOUT);
    assert_int_equal(
        cheng_datagram_receive_until(server, buffer, 4, &n, NULL, cheng_after(CHENG_MILLISECOND)),
        -ETIMEDOUT);
    assert_int_equal(cheng_datagram_send(client, "12345", 5, NULL),
                     0); /* too long: lost, the next is whole */
    assert_int_equal(cheng_datagram_send(client, "1234", 4, NULL), 0);
    assert_int_equal(cheng_datagram_receive(server, buffer, 4, &n, NULL), -EMSGSIZE);
    assert_int_equal(n, 99);
    assert_int_equal(cheng_datagram_receive(server, buffer, 4, &n, NULL), 0);
    assert_int_equal(n, 4);

    cheng_socket_free(server);
    assert_int_equal(cheng_datagram_send(client, "x", 1, NULL), 0);
    assert_int_equal(cheng_datagram_receive_until(client, buffer, 4, &n, NULL, cheng_after(CHENG_SECOND)),
                     -ECONNREFUSED);
    cheng_socket_close(client);
    assert_int_equal(cheng_datagram_send(client, "x", 1, NULL), -EBADF);
    assert_int_equal(cheng_datagram_receive(client, buffer, 4, &n, NULL), -EBADF);
    cheng_socket_free(client);
}

static int receive(void *context)
{
    char buffer[16];
    size_t n;
    return cheng_datagram_receive(context, buffer, sizeof buffer, &n, NULL);
}

TEST(close_and_cancel_wake)
{
    EACH_PLACE(place)
    {
        char service[8];
        struct actor actor;
        cheng_socket *s = bind_here(service);
        for (int cancel = 1; cancel >= 0; cancel--) {
            actor_start(&actor, (enum place)place, receive, s);
            wait_until_blocked(actor.self, CHENGI_WAIT_READ);
            assert_int_equal(receive(s), -EBUSY);
            cancel ? cheng_cancel(actor.self) : cheng_socket_close(s);
            assert_int_equal(actor_join(&actor), cancel ? -ECANCELED : -EBADF);
        }
        cheng_socket_free(s);
    }
}

/* ---- many senders ---- */

enum { SENDERS = 8, EACH = 200 };

static int send_many(void *context)
{
    for (int i = 0; i < EACH; i++)
        assert_int_equal(cheng_datagram_send(context, "x", 1, NULL), 0);
    return 0;
}

TEST(many_senders) /* of one socket, which has room for a few only: none stays asleep */
{
    EACH_PLACE(place)
    {
        char host[64], byte;
        struct actor actors[SENDERS];
        cheng_socket *server, *client;
        size_t n;
        snprintf(host, sizeof host, "unix:@cheng-senders-%d", (int)getpid());
        assert_int_equal(cheng_datagram_bind(&server, host, NULL, NULL), 0);
        assert_int_equal(cheng_datagram_connect(&client, host, NULL, CHENG_FOREVER), 0);
        for (int i = 0; i < SENDERS; i++)
            actor_start(&actors[i], (enum place)place, send_many, client);
        for (int i = 0; i < SENDERS * EACH; i++)
            assert_int_equal(
                cheng_datagram_receive_until(server, &byte, 1, &n, NULL, cheng_after(10 * CHENG_SECOND)), 0);
        for (int i = 0; i < SENDERS; i++)
            assert_int_equal(actor_join(&actors[i]), 0);
        cheng_socket_free(client);
        cheng_socket_free(server);
    }
}

/* ---- servers ---- */

struct house {
    cheng_socket *socket;
    cheng_serve_options options;
    atomic_int live, most, cancelled;
    cheng_event open;
    int rc;
};

static int answer(cheng_socket *s, const void *data, size_t size, const cheng_endpoint *from, void *context)
{
    struct house *house = context;
    int live = atomic_fetch_add(&house->live, 1) + 1;
    if (live > atomic_load(&house->most))
        atomic_store(&house->most, live);
    if (size > 0 && *(const char *)data == 'w' && cheng_event_wait(&house->open) == -ECANCELED)
        atomic_fetch_add(&house->cancelled, 1);
    else
        assert_int_equal(cheng_datagram_send(s, data, size, from), 0);
    atomic_fetch_sub(&house->live, 1);
    return 0;
}

static int serve(void *context)
{
    struct house *house = context;
    house->rc = cheng_serve_datagrams(house->socket, answer, house, &house->options);
    assert_int_equal(atomic_load(&house->live), 0);
    return 0;
}

TEST(server)
{
    static const enum cheng_kind kinds[] = { CHENG_COROUTINE, CHENG_THREAD };
    for (int k = 0; k < 2; k++)
        EACH_PLACE(place)
        {
            struct house house = { .options = { .kind = kinds[k], .max_clients = 3 } };
            struct actor actor;
            char service[8], buffer[8];
            cheng_socket *client;
            size_t n;
            house.socket = bind_here(service);
            actor_start(&actor, (enum place)place, serve, &house);
            assert_int_equal(cheng_datagram_connect(&client, "127.0.0.1", service, CHENG_FOREVER), 0);
            for (int i = 0; i < 20; i++)
                assert_int_equal(cheng_datagram_send(client, "w", 1, NULL), 0);
            while (atomic_load(&house.live) < 3)
                cheng_yield();
            cheng_event_set(&house.open);
            for (int i = 0; i < 20; i++)
                assert_int_equal(
                    cheng_datagram_receive_until(client, buffer, 8, &n, NULL, cheng_after(10 * CHENG_SECOND)),
                    0);
            assert_int_equal(atomic_load(&house.most), 3);
            while (atomic_load(&house.live) > 0)
                cheng_yield();
            cheng_event_clear(&house.open);
            assert_int_equal(cheng_datagram_send(client, "w", 1, NULL), 0);
            while (atomic_load(&house.live) == 0)
                cheng_yield();
            cheng_socket_close(house.socket);
            assert_int_equal(actor_join(&actor), 0);
            assert_int_equal(house.rc, 0);
            assert_int_equal(atomic_load(&house.cancelled), 1);
            assert_int_equal(cheng_serve_datagrams(house.socket, NULL, NULL, NULL), -EINVAL);
            cheng_socket_free(client);
            cheng_socket_free(house.socket);
        }
}
