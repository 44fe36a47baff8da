/* Datagrams. */
#include <cheng/datagram.h>

#include <errno.h>

#include "io/resolve.h"
#include "io/socket.h"

typedef int prepare(int fd, const cheng_endpoint *address, bool reuse_port);

/* For the first of the addresses that will do. */
static int make(cheng_socket **out, const struct net_addresses *addresses, prepare *ready, bool reuse_port)
{
    int rc = -ENOENT;
    for (uint32_t i = 0; rc != 0 && i < addresses->count; i++) {
        int fd = chengi_sys_datagram(&addresses->list[i]);
        rc = fd < 0 ? fd : ready(fd, &addresses->list[i], reuse_port);
        if (rc == 0)
            rc = chengi_socket_new(out, fd);
        if (rc < 0 && fd >= 0)
            chengi_sys_close(fd);
    }
    return rc;
}

int cheng_datagram_bind(cheng_socket **out, const char *host, const char *service,
                        const cheng_listen_options *options)
{
    struct net_addresses found;
    int rc = chengi_resolve(&found, host, service, true, CHENG_FOREVER);
    return rc < 0 ? rc : make(out, &found, chengi_sys_bind, options != NULL && options->reuse_port);
}

static int connect_datagram(int fd, const cheng_endpoint *address, bool unused)
{
    (void)unused;
    return chengi_sys_connect_datagram(fd, address);
}

int cheng_datagram_connect(cheng_socket **out, const char *host, const char *service, cheng_deadline deadline)
{
    struct net_addresses found;
    int rc = host == NULL ? -EINVAL : chengi_resolve(&found, host, service, true, deadline);
    return rc < 0 ? rc : make(out, &found, connect_datagram, false);
}

struct outgoing {
    const void *data;
    size_t size;
    const cheng_endpoint *to;
};

static int send_one(int fd, void *request)
{
    const struct outgoing *outgoing = request;
    return chengi_sys_send_to(fd, outgoing->data, outgoing->size, outgoing->to);
}

int cheng_datagram_send_until(cheng_socket *s, const void *data, size_t size, const cheng_endpoint *to,
                              cheng_deadline deadline)
{
    int rc = chengi_socket_put(s, SENDER, send_one, &(struct outgoing){ data, size, to }, deadline);
    return rc < 0 ? rc : 0;
}

int cheng_datagram_send(cheng_socket *s, const void *data, size_t size, const cheng_endpoint *to)
{
    return cheng_datagram_send_until(s, data, size, to, CHENG_FOREVER);
}

struct incoming {
    void *buffer;
    size_t size;
    cheng_endpoint from;
};

static int receive_one(int fd, void *request)
{
    struct incoming *incoming = request;
    return chengi_sys_receive_from(fd, incoming->buffer, incoming->size, &incoming->from);
}

int cheng_datagram_receive_until(cheng_socket *s, void *buffer, size_t size, size_t *got,
                                 cheng_endpoint *from, cheng_deadline deadline)
{
    struct incoming incoming = { .buffer = buffer, .size = size };
    int rc = chengi_socket_take(s, receive_one, &incoming, deadline);
    if (rc < 0)
        return rc;
    *got = (size_t)rc;
    if (from != NULL)
        *from = incoming.from;
    return 0;
}

int cheng_datagram_receive(cheng_socket *s, void *buffer, size_t size, size_t *got, cheng_endpoint *from)
{
    return cheng_datagram_receive_until(s, buffer, size, got, from, CHENG_FOREVER);
}
