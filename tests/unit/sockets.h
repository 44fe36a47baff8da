/* What the tests of sockets share: pairs of them, and one function run in every place. Loopback only. */
#ifndef CHENG_TEST_SOCKETS_H
#define CHENG_TEST_SOCKETS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/actors.h"

#define EACH_PLACE(name) for (int name = IN_THREAD; name < PLACES; name++)

static inline void everywhere(int (*function)(void *context), void *context)
{
    EACH_PLACE(place)
    {
        struct actor actor;
        actor_start(&actor, (enum place)place, function, context);
        assert_int_equal(actor_join(&actor), 0);
    }
}

static inline int everywhere_body(void *context)
{
    (*(void (**)(void))context)();
    return 0;
}

/* A case that is run in every place. */
#define TEST_EVERYWHERE(name)                                                                                \
    static void name##_anywhere(void);                                                                       \
    TEST(name)                                                                                               \
    {                                                                                                        \
        everywhere(everywhere_body, &(void (*)(void)){ name##_anywhere });                                   \
    }                                                                                                        \
    static void name##_anywhere(void)

struct pair {
    cheng_socket *a, *b;
};

static inline struct pair unix_pair(void)
{
    struct pair pair;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(cheng_socket_adopt(&pair.a, fds[0]), 0);
    assert_int_equal(cheng_socket_adopt(&pair.b, fds[1]), 0);
    return pair;
}

static inline cheng_socket *listen_here(char service[8])
{
    cheng_socket *listener;
    assert_int_equal(cheng_listen(&listener, "127.0.0.1", "0", NULL), 0);
    int port = cheng_socket_port(listener);
    assert_true(port > 0 && port < 65536);
    snprintf(service, 8, "%d", port);
    return listener;
}

/* A port that is ours, and at which nobody listens: nor can anybody else get it. Close the descriptor in the end. */
static inline int refusing_port(char service[8])
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(service, 8, "%d", ntohs(address.sin_port));
    return fd;
}

static inline struct pair tcp_pair(void)
{
    struct pair pair;
    char service[8];
    cheng_socket *listener = listen_here(service);
    assert_int_equal(cheng_connect(&pair.a, "127.0.0.1", service), 0);
    assert_int_equal(cheng_accept(&pair.b, listener), 0);
    cheng_socket_free(listener);
    return pair;
}

static inline void pair_free(struct pair *pair)
{
    cheng_socket_free(pair->a);
    cheng_socket_free(pair->b);
}

/* A connection by the system's own calls, blocking. */
static inline int raw_connect(const char *service)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(service)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* No descriptor can be opened until the returned limit is set again. */
static inline struct rlimit no_more_descriptors(void)
{
    struct rlimit before, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    int lowest = dup(0);
    assert_true(lowest >= 0);
    close(lowest);
    now.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static inline void read_all(cheng_socket *s, void *buffer, size_t size)
{
    for (size_t have = 0, n; have < size; have += n) {
        assert_int_equal(cheng_socket_read(s, (char *)buffer + have, size - have, &n), 0);
        assert_true(n > 0);
    }
}

static inline void fill(cheng_socket *s) /* until a write would block */
{
    static const char block[1 << 16];
    int rc;
    while ((rc = cheng_socket_write_until(s, block, sizeof block, CHENG_NOW)) == 0)
        ;
    assert_int_equal(rc, -EAGAIN);
}

#endif
