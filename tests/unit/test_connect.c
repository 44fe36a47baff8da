/* Connecting, listening and accepting. */
#include "unit/sockets.h"

TEST_EVERYWHERE(refused)
{
    char service[8];
    cheng_socket *s = NULL;
    int held = refusing_port(service);
    unsigned before = open_descriptors();
    assert_int_equal(cheng_connect(&s, "127.0.0.1", service), -ECONNREFUSED);
    assert_int_equal(cheng_connect_until(&s, "127.0.0.1", service, cheng_after(CHENG_SECOND)), -ECONNREFUSED);
    assert_int_equal(cheng_connect(&s, NULL, service), -EINVAL);
    assert_int_equal(cheng_connect(&s, "127.0.0.1", "no-such-service"), -ENOENT);
    assert_null(s);
    if (chengi_runner_self()->worker != NULL) /* a thread keeps a descriptor to be woken by */
        assert_int_equal(open_descriptors(), before);
    close(held);
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

TEST_EVERYWHERE(listening)
{
    char service[8];
    cheng_socket *one = listen_here(service), *two = NULL;
    assert_int_equal(cheng_listen(&two, "127.0.0.1", service, NULL), -EADDRINUSE);
    assert_int_equal(cheng_listen(&two, "127.0.0.1", "no-such-service", NULL), -ENOENT);
    assert_int_equal(cheng_listen(&two, "127.0.0.1", "65536", NULL), -ENOENT); /* not port 0 */
    assert_int_equal(cheng_listen(&two, "127.0.0.1", "-1", NULL), -ENOENT);
    assert_int_equal(cheng_listen(&two, "192.0.2.1", "0", NULL), -EADDRNOTAVAIL);
    assert_null(two);
    cheng_socket_free(one);

    const cheng_listen_options shared = { .reuse_port = true };
    assert_int_equal(cheng_listen(&one, "127.0.0.1", "0", &shared), 0);
    snprintf(service, sizeof service, "%d", cheng_socket_port(one));
    assert_int_equal(cheng_listen(&two, "127.0.0.1", service, &shared), 0);
    cheng_socket_free(two);
    cheng_socket_free(one);
}

TEST_EVERYWHERE(listening_on_all_addresses)
{
    cheng_socket *listener, *client, *accepted;
    char service[8];
    assert_int_equal(cheng_listen(&listener, NULL, "0", NULL), 0);
    snprintf(service, sizeof service, "%d", cheng_socket_port(listener));
    assert_int_equal(cheng_connect(&client, "127.0.0.1", service), 0);
    assert_int_equal(cheng_accept(&accepted, listener), 0);
    assert_int_equal(cheng_socket_port(accepted), atoi(service));
    cheng_socket_free(accepted);
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

TEST_EVERYWHERE(no_descriptors) // novalgrind: it opens descriptors beyond the limit for itself
{
    char service[8], byte;
    cheng_socket *listener = listen_here(service), *s = NULL;
    size_t n;
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
}
