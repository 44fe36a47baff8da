/* Peers that keep to TLS, but do what few do; and tasks that meet at the socket. */
#include "tls/certificates.h"
#include "tls/tls.h"

static void read_x(cheng_tls *from, cheng_tls *to)
{
    char byte = 0;
    assert_int_equal(cheng_tls_write(from, "x", 1), 0);
    assert_int_equal(cheng_tls_read_exactly(to, &byte, 1), 0);
    assert_int_equal(byte, 'x');
}

/* A reader hands on what waits to go out, unless there is a writer: who is about to wait for room would find the socket
 * busy, and say so. */
TEST_EVERYWHERE(a_reader_leaves_the_socket_to_the_writer)
{
    static char much[16 << 20];
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    cheng_tls *t = l.client.tls;
    size_t n;
    assert_int_equal(cheng_tls_write_until(t, much, sizeof much, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    size_t from = t->out.from;
    assert_true(from < t->out.to);
    while (cheng_socket_read_until(l.pair.b, much, sizeof much, &n, cheng_after(20 * CHENG_MILLISECOND)) == 0)
        assert_true(n > 0); /* now there is room */
    t->writing = true;      /* as one that has released the lock to wait */
    read_x(l.server.tls, t);
    assert_int_equal(t->out.from, from);
    t->writing = false;
    read_x(l.server.tls, t);
    assert_int_equal(t->out.to, 0);
    unlink_two(&l);
    world_free(&w);
}

/* ---- what OpenSSL can do by itself ---- */

/* A stranger at the other end: OpenSSL over memory, whose bytes the test hands on. */
struct stranger {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
};

static struct stranger stranger_new(const struct world *w)
{
    struct stranger s = { .context = SSL_CTX_new(TLS_server_method()) };
    assert_int_equal(SSL_CTX_use_certificate(s.context, w->server.x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(s.context, w->server.key), 1);
    SSL_CTX_set_num_tickets(s.context, 0);
    s.ssl = SSL_new(s.context);
    s.in = BIO_new(BIO_s_mem());
    s.out = BIO_new(BIO_s_mem());
    SSL_set_bio(s.ssl, s.in, s.out);
    SSL_set_accept_state(s.ssl);
    return s;
}

static void stranger_free(struct stranger *s)
{
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
}

/* At most `most` bytes of what it has said. */
static void hand_out(struct stranger *s, cheng_socket *socket, size_t most)
{
    char bytes[4096];
    int n;
    while (most > 0 && (n = BIO_read(s->out, bytes, (int)(most < sizeof bytes ? most : sizeof bytes))) > 0) {
        assert_int_equal(cheng_socket_write(socket, bytes, (size_t)n), 0);
        most -= (size_t)n;
    }
}

static void hand_in(struct stranger *s, cheng_socket *socket)
{
    char bytes[4096];
    size_t n;
    assert_int_equal(cheng_socket_read(socket, bytes, sizeof bytes, &n), 0);
    assert_true(n > 0);
    assert_int_equal(BIO_write(s->in, bytes, (int)n), n);
}

struct strange_link {
    struct pair pair;
    struct end client;
    struct stranger server;
};

static void link_stranger(struct strange_link *l, const struct world *w)
{
    struct actor actor;
    *l = (struct strange_link){ .pair = tcp_pair(), .server = stranger_new(w) };
    l->client = (struct end){ .socket = l->pair.a, .config = w->client_config, .host = "localhost" };
    actor_start(&actor, IN_COROUTINE, shake, &l->client);
    while (SSL_do_handshake(l->server.ssl) != 1) {
        hand_out(&l->server, l->pair.b, SIZE_MAX);
        hand_in(&l->server, l->pair.b);
    }
    hand_out(&l->server, l->pair.b, SIZE_MAX);
    actor_join(&actor);
    assert_int_equal(l->client.rc, 0);
}

static void unlink_stranger(struct strange_link *l)
{
    stranger_free(&l->server);
    cheng_tls_free(l->client.tls);
    pair_free(&l->pair);
}

static int read_y(void *t)
{
    char byte = 0;
    int rc = cheng_tls_read_exactly(t, &byte, 1);
    return rc == 0 && byte != 'y' ? -EBADMSG : rc;
}

static int write_z(void *t)
{
    return cheng_tls_write(t, "z", 1);
}

static int finish(void *t)
{
    return cheng_tls_finish_until(t, CHENG_FOREVER);
}

/* A ticket of three records, of which one has come: OpenSSL writes nothing until it has all of it. */
static void in_the_middle_of_a_ticket(enum place place, bool reader, int (*write)(void *t))
{
    static char appendix[1000];
    struct world w = world_new();
    struct strange_link l;
    struct actor reading, writing;
    char byte;
    link_stranger(&l, &w);
    memset(appendix, 'a', sizeof appendix);
    SSL_set_max_send_fragment(l.server.ssl, 512);
    assert_int_equal(
        SSL_SESSION_set1_ticket_appdata(SSL_get_session(l.server.ssl), appendix, sizeof appendix), 1);
    assert_int_equal(SSL_new_session_ticket(l.server.ssl), 1);
    assert_int_equal(SSL_write(l.server.ssl, "y", 1), 1);
    assert_true(BIO_pending(l.server.out) > 1100);
    hand_out(&l.server, l.pair.b, 600);
    size_t n;
    assert_int_equal(cheng_tls_read_until(l.client.tls, &byte, 1, &n, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_int_equal(SSL_in_init(l.client.tls->ssl), 1);
    if (reader) {
        actor_start(&reading, place, read_y, l.client.tls);
        wait_until_blocked(reading.self, CHENGI_WAIT_READ);
    }
    actor_start(&writing, place, write, l.client.tls);
    cheng_sleep(5 * CHENG_MILLISECOND);
    hand_out(&l.server, l.pair.b, SIZE_MAX);
    assert_int_equal(actor_join(&writing), 0);
    if (reader)
        assert_int_equal(actor_join(&reading), 0);
    else
        assert_int_equal(read_y(l.client.tls), 0);
    hand_in(&l.server, l.pair.b);
    assert_int_equal(SSL_read(l.server.ssl, &byte, 1), write == write_z);
    unlink_stranger(&l);
    world_free(&w);
}

TEST(a_write_in_the_middle_of_a_ticket)
{
    EACH_PLACE(place)
    {
        in_the_middle_of_a_ticket((enum place)place, true, write_z);
        in_the_middle_of_a_ticket((enum place)place, false, write_z);
        in_the_middle_of_a_ticket((enum place)place, true, finish);
        in_the_middle_of_a_ticket((enum place)place, false, finish);
    }
}

/* A peer that wants new keys again and again, and reads no answer. */
TEST(new_keys_without_end)
{
    struct world w = world_new();
    struct strange_link l;
    int rc = 0, little = 4096;
    link_stranger(&l, &w);
    assert_int_equal(setsockopt(cheng_socket_fd(l.pair.a), SOL_SOCKET, SO_SNDBUF, &little, sizeof little), 0);
    assert_int_equal(setsockopt(cheng_socket_fd(l.pair.b), SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
    for (int i = 0; i < 400 && (rc == 0 || rc == -EAGAIN); i++) {
        char byte;
        size_t n;
        for (int k = 0; k < 500; k++) {
            assert_int_equal(SSL_key_update(l.server.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
            assert_int_equal(SSL_do_handshake(l.server.ssl), 1);
        }
        hand_out(&l.server, l.pair.b, SIZE_MAX);
        while ((rc = cheng_tls_read_until(l.client.tls, &byte, 1, &n, CHENG_NOW)) == 0)
            ;
    }
    assert_int_equal(rc, -ENOMEM);
    assert_true(l.client.tls->out.room <= 256 << 10);
    unlink_stranger(&l);
    world_free(&w);
}

/* ---- one that never reads ---- */

/* The server's tickets are unread when the client closes. */
TEST_EVERYWHERE(who_only_speaks_is_heard)
{
    static char speech[512 << 10];
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    size_t n;
    assert_int_equal(cheng_tls_write(l.client.tls, speech, sizeof speech), 0);
    assert_int_equal(cheng_tls_finish_until(l.client.tls, CHENG_FOREVER), 0);
    cheng_tls_free(l.client.tls);
    l.client.tls = NULL;
    cheng_socket_close(l.pair.a);
    assert_int_equal(cheng_tls_read_exactly(l.server.tls, speech, sizeof speech), 0);
    assert_int_equal(cheng_tls_read(l.server.tls, speech, 1, &n), 0);
    assert_int_equal(n, 0);
    unlink_two(&l);
    world_free(&w);
}
