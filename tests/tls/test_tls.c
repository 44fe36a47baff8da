/* TLS between two of ours: what goes through, and who may do what at the same time. */
#include "tls/certificates.h"

TEST_EVERYWHERE(handshake)
{
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    cheng_tls_info info;
    cheng_tls_describe(l.client.tls, &info);
    assert_string_equal(info.version, "TLSv1.3");
    assert_true(strncmp(info.cipher, "TLS_", 4) == 0);
    assert_string_equal(info.alpn, "");
    assert_string_equal(info.peer, "/CN=server");
    assert_string_equal(info.server_name, "localhost");
    cheng_tls_describe(l.server.tls, &info);
    assert_string_equal(info.server_name, "localhost"); /* that is how a server knows whom it is taken for */
    assert_string_equal(info.peer, "");
    assert_ptr_equal(cheng_tls_socket(l.server.tls), l.pair.b);
    unlink_two(&l);
    world_free(&w);
}

TEST_EVERYWHERE(there_and_back_and_the_end)
{
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    cheng_deadline soon = cheng_after(20 * CHENG_SECOND);
    char buffer[8] = "";
    size_t n = 99;
    assert_int_equal(cheng_tls_write(l.client.tls, "hello", 5), 0);
    assert_int_equal(cheng_tls_read(l.server.tls, buffer, 0, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cheng_tls_read(l.server.tls, buffer, sizeof buffer, &n), 0);
    assert_int_equal(n, 5);
    assert_int_equal(cheng_tls_finish_until(l.client.tls, soon), 0);
    assert_int_equal(cheng_tls_finish_until(l.client.tls, soon), 0); /* said already */
    assert_int_equal(cheng_tls_write(l.client.tls, "x", 1), -EPIPE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cheng_tls_read(l.server.tls, buffer, sizeof buffer, &n), 0);
        assert_int_equal(n, 0);
    }
    assert_int_equal(cheng_tls_write(l.server.tls, buffer, 5), 0); /* the other direction goes on */
    assert_int_equal(cheng_tls_read_exactly(l.client.tls, buffer + 1, 5), 0);
    assert_memory_equal(buffer, "hhello", 6);
    assert_int_equal(cheng_tls_finish_until(l.server.tls, soon), 0);
    assert_int_equal(cheng_tls_read_exactly(l.client.tls, buffer, 1), -EPIPE);
    unlink_two(&l);
    world_free(&w);
}

/* ---- a server of many ---- */

struct house {
    cheng_socket *listener;
    char service[8];
    cheng_tls_config *config;
};

static int echo(cheng_socket *client, void *context)
{
    struct house *house = context;
    cheng_tls *t;
    char buffer[512];
    size_t n;
    int rc = cheng_tls_server_until(&t, client, house->config, cheng_after(20 * CHENG_SECOND));
    if (rc < 0)
        return rc;
    while ((rc = cheng_tls_read(t, buffer, sizeof buffer, &n)) == 0 && n > 0)
        assert_int_equal(cheng_tls_write(t, buffer, n), 0);
    assert_int_equal(cheng_tls_finish_until(t, CHENG_FOREVER), 0);
    cheng_tls_free(t);
    return rc;
}

static int serve(void *context)
{
    struct house *house = context;
    return cheng_serve(house->listener, echo, house, NULL);
}

struct visit {
    const struct world *world;
    const char *host, *service;
};

static int visit(const void *arg, void *result)
{
    const struct visit *v = arg;
    cheng_tls *t;
    char buffer[64];
    size_t n;
    (void)result;
    assert_int_equal(cheng_tls_connect(&t, v->host, v->service, v->world->client_config), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cheng_tls_write(t, "0123456789", 10), 0);
        assert_int_equal(cheng_tls_read_exactly(t, buffer, 10), 0);
        assert_memory_equal(buffer, "0123456789", 10);
    }
    assert_int_equal(cheng_tls_finish_until(t, CHENG_FOREVER), 0);
    assert_int_equal(cheng_tls_read(t, buffer, sizeof buffer, &n), 0);
    assert_int_equal(n, 0);
    cheng_tls_free(t);
    return 0;
}

static void visit_all(enum cheng_kind kind, const char *host, unsigned visitors)
{
    struct world w = world_new();
    struct house house = { .config = w.server_config };
    struct visit v = { &w, host, house.service };
    struct actor server;
    cheng_task *tasks[200];
    unsigned before = open_descriptors();
    house.listener = listen_here(house.service);
    actor_start(&server, IN_COROUTINE, serve, &house);
    for (unsigned i = 0; i < visitors; i++)
        assert_int_equal(cheng_start(&tasks[i], kind, visit, &v, sizeof v, NULL), 0);
    for (unsigned i = 0; i < visitors; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    cheng_socket_close(house.listener);
    assert_int_equal(actor_join(&server), 0);
    cheng_socket_free(house.listener);
    if (kind == CHENG_THREAD) /* coroutines' workers keep theirs */
        assert_true(open_descriptors() <= before + 8);
    world_free(&w);
}

TEST(two_hundred_coroutines)
{
    visit_all(CHENG_COROUTINE, "localhost", 200);
}

TEST(threads_by_address)
{
    visit_all(CHENG_THREAD, "127.0.0.1", 4);
}

/* ---- large ones, both ways at the same time ---- */

enum { MESSAGE = 64 << 10, MESSAGES = 16 };

static char message_sent[MESSAGE]; /* the writers only read it */

static int write_messages(void *context)
{
    cheng_tls *t = context;
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(cheng_tls_write(t, message_sent, sizeof message_sent), 0);
    return cheng_tls_finish_until(t, CHENG_FOREVER);
}

static int read_messages(void *context)
{
    cheng_tls *t = context;
    char message[MESSAGE / 4];
    size_t n = 1;
    for (int i = 0; i < 4 * MESSAGES; i++) {
        assert_int_equal(cheng_tls_read_exactly(t, message, sizeof message), 0);
        for (size_t k = 0; k < sizeof message; k++)
            assert_int_equal(message[k], (char)((size_t)i % 4 * sizeof message * 7 + k * 7));
    }
    assert_int_equal(cheng_tls_read(t, message, 1, &n), 0);
    assert_int_equal(n, 0);
    return 0;
}

TEST(both_ways_at_once)
{
    struct world w = world_new();
    for (int i = 0; i < MESSAGE; i++)
        message_sent[i] = (char)(i * 7);
    EACH_PLACE(place)
    {
        struct link_of_two l = link_two(&w);
        struct actor actors[4];
        for (int i = 0; i < 4; i++) /* each end has a writer and a reader */
            actor_start(&actors[i], (enum place)place, i % 2 == 0 ? write_messages : read_messages,
                        i < 2 ? l.client.tls : l.server.tls);
        for (int i = 0; i < 4; i++)
            assert_int_equal(actor_join(&actors[i]), 0);
        unlink_two(&l);
    }
    world_free(&w);
}

static int read_one(void *context)
{
    char byte;
    return cheng_tls_read_exactly(context, &byte, 1);
}

static int write_much(void *context)
{
    static const char data[16 << 20];
    return cheng_tls_write(context, data, sizeof data);
}

TEST_EVERYWHERE(a_second_is_refused)
{
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    struct actor reader, writer;
    char byte;
    size_t n;
    actor_start(&reader, IN_THREAD, read_one, l.client.tls);
    wait_until_blocked(reader.self, CHENGI_WAIT_READ);
    assert_int_equal(cheng_tls_read_until(l.client.tls, &byte, 1, &n, CHENG_NOW), -EBUSY);
    actor_start(&writer, IN_COROUTINE, write_much, l.client.tls);
    wait_until_blocked(writer.self, CHENGI_WAIT_WRITE);
    assert_int_equal(cheng_tls_write(l.client.tls, "x", 1), -EBUSY);
    assert_int_equal(cheng_tls_finish_until(l.client.tls, CHENG_FOREVER), -EBUSY);
    assert_int_equal(cheng_tls_write(l.server.tls, "x", 1),
                     0); /* one may read while another waits to write */
    assert_int_equal(actor_join(&reader), 0);
    cheng_socket_close(cheng_tls_socket(l.client.tls));
    assert_int_equal(actor_join(&writer), -EBADF);
    unlink_two(&l);
    world_free(&w);
}

struct taking {
    cheng_tls *tls;
    unsigned sum, count;
};

static int take_numbers(void *context)
{
    struct taking *taking = context;
    unsigned number;
    size_t n = 1;
    int rc;
    while ((rc = cheng_tls_read(taking->tls, &number, sizeof number, &n)) == -EBUSY || (rc == 0 && n > 0)) {
        if (rc == 0)
            assert_int_equal(n, sizeof number);
        taking->sum += rc == 0 ? number : 0;
        taking->count += rc == 0;
    }
    return rc;
}

TEST(two_readers_take_nothing_twice)
{
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    struct taking taking[2] = { { .tls = l.client.tls }, { .tls = l.client.tls } };
    struct actor readers[2];
    unsigned count = scaled(20000);
    for (int i = 0; i < 2; i++)
        actor_start(&readers[i], IN_THREAD, take_numbers, &taking[i]);
    for (unsigned number = 0; number < count; number++)
        assert_int_equal(cheng_tls_write(l.server.tls, &number, sizeof number), 0);
    assert_int_equal(cheng_tls_finish_until(l.server.tls, CHENG_FOREVER), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(actor_join(&readers[i]), 0);
    assert_int_equal(taking[0].count + taking[1].count, count);
    assert_int_equal(taking[0].sum + taking[1].sum, count * (count - 1) / 2);
    unlink_two(&l);
    world_free(&w);
}

TEST_EVERYWHERE(lines)
{
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    char buffer[32], *line;
    size_t size;
    cheng_reader reader = cheng_tls_reader(l.server.tls, buffer, sizeof buffer);
    assert_int_equal(cheng_tls_write(l.client.tls, "one\ntwo\nthr", 11), 0);
    const char *const lines[] = { "one\n", "two\n", "three" };
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            assert_int_equal(cheng_reader_line_until(&reader, '\n', &line, &size, CHENG_NOW), -EAGAIN);
            assert_int_equal(cheng_tls_write(l.client.tls, "ee", 2), 0);
            assert_int_equal(cheng_tls_finish_until(l.client.tls, CHENG_FOREVER), 0);
        }
        assert_int_equal(cheng_reader_line(&reader, '\n', &line, &size), 0);
        assert_int_equal(size, strlen(lines[i]));
        assert_memory_equal(line, lines[i], size);
    }
    assert_int_equal(cheng_reader_line(&reader, '\n', &line, &size), 0);
    assert_int_equal(size, 0);
    unlink_two(&l);
    world_free(&w);
}
