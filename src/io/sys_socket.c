#include "io/sys_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int outcome(long rc)
{
    return rc < 0 ? -errno : (int)rc;
}

static int error_of_lookup(int rc)
{
    switch (rc) {
    case EAI_AGAIN:
        return -EHOSTUNREACH; /* no name server answered; -EAGAIN is CHENG_NOW's */
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return -errno;
    default:
        return -ENOENT;
    }
}

static const struct sockaddr *sockaddr_of(const struct net_address *address)
{
    return (const struct sockaddr *)(const void *)address->bytes;
}

int chengi_sys_lookup(const void *query, void *addresses)
{
    const struct net_query *q = query;
    struct net_addresses *out = addresses;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *item;
    if (q->any_host)
        hints.ai_flags |= AI_PASSIVE;
    if (q->numeric)
        hints.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    int rc =
        getaddrinfo(q->any_host ? NULL : q->host, q->service[0] == '\0' ? NULL : q->service, &hints, &list);
    if (rc != 0)
        return error_of_lookup(rc);
    out->count = 0;
    for (item = list; item != NULL && out->count < CHENGI_ADDRESSES; item = item->ai_next) {
        struct net_address *address = &out->list[out->count];
        if (item->ai_addrlen > sizeof address->bytes)
            continue;
        address->size = item->ai_addrlen;
        memcpy(address->bytes, item->ai_addr, item->ai_addrlen);
        out->count++;
    }
    freeaddrinfo(list);
    if (q->any_host && out->count == 2 && sockaddr_of(&out->list[1])->sa_family == AF_INET6) {
        struct net_address v4 = out->list[0]; /* IPv6's takes both, where there is IPv6 */
        out->list[0] = out->list[1];
        out->list[1] = v4;
    }
    return out->count == 0 ? -ENOENT : 0;
}

void chengi_sys_address_text(const struct net_address *address, char text[46], bool *v6)
{
    const struct sockaddr *any = sockaddr_of(address);
    *v6 = any->sa_family == AF_INET6;
    const void *raw = *v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)any)->sin6_addr
                          : (const void *)&((const struct sockaddr_in *)(const void *)any)->sin_addr;
    if (inet_ntop(any->sa_family, raw, text, 46) == NULL)
        text[0] = '\0';
}

int chengi_sys_stream(const struct net_address *address)
{
    int fd = socket(sockaddr_of(address)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int chengi_sys_connect(int fd, const struct net_address *address)
{
    int rc = outcome(connect(fd, sockaddr_of(address), address->size));
    return rc == -EISCONN ? 0 : rc;
}

int chengi_sys_listen(int fd, const struct net_address *address, int backlog, bool reuse_port)
{
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sockaddr_of(address)->sa_family == AF_INET6) /* all addresses: those of IPv4 too */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return -errno;
    if (bind(fd, sockaddr_of(address), address->size) < 0)
        return -errno;
    return outcome(listen(fd, backlog == 0 ? SOMAXCONN : backlog));
}

int chengi_sys_accept(int fd)
{
    int on = 1, client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return -errno;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on other families: fine */
    return client;
}

int chengi_sys_receive(int fd, void *buffer, size_t size)
{
    return outcome(recv(fd, buffer, size > INT_MAX ? INT_MAX : size, MSG_DONTWAIT));
}

int chengi_sys_send(int fd, const void *data, size_t size)
{
    return outcome(send(fd, data, size > INT_MAX ? INT_MAX : size, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int chengi_sys_shutdown(int fd, bool both)
{
    return outcome(shutdown(fd, both ? SHUT_RDWR : SHUT_WR));
}

void chengi_sys_close(int fd)
{
    close(fd);
}

int chengi_sys_port(int fd)
{
    struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &size) < 0)
        return -errno;
    if (storage.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&storage)->sin_port);
    if (storage.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&storage)->sin6_port);
    return -EAFNOSUPPORT;
}

int chengi_sys_make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -errno : outcome(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}
