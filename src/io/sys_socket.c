#include "io/sys_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/sys_call.h"

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

static const struct sockaddr *sockaddr_of(const cheng_endpoint *address)
{
    return (const struct sockaddr *)(const void *)address->words;
}

static int port_of(const cheng_endpoint *endpoint)
{
    const struct sockaddr *any = sockaddr_of(endpoint);
    if (any->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)any)->sin_port);
    if (any->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)any)->sin6_port);
    return -EAFNOSUPPORT;
}

/* glibc takes any number for a port, and cuts it: 99999 would be 34463. */
static bool is_no_port(const char *service)
{
    char *end;
    long number = strtol(service, &end, 10);
    return *end == '\0' && (number < 0 || number > UINT16_MAX);
}

int chengi_sys_lookup(const void *query, void *addresses)
{
    const struct net_query *q = query;
    struct net_addresses *out = addresses;
    struct addrinfo hints = { .ai_socktype = q->datagram ? SOCK_DGRAM : SOCK_STREAM }, *list, *item;
    if (q->any_host)
        hints.ai_flags |= AI_PASSIVE;
    if (q->numeric)
        hints.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    if (is_no_port(q->service))
        return -ENOENT;
    int rc =
        getaddrinfo(q->any_host ? NULL : q->host, q->service[0] == '\0' ? NULL : q->service, &hints, &list);
    if (rc != 0)
        return error_of_lookup(rc);
    out->count = 0;
    for (item = list; item != NULL && out->count < CHENGI_ADDRESSES; item = item->ai_next) {
        cheng_endpoint *address = &out->list[out->count];
        if (item->ai_addrlen > sizeof address->words)
            continue;
        *address = (cheng_endpoint){ .size = item->ai_addrlen };
        memcpy(address->words, item->ai_addr, item->ai_addrlen);
        out->count++;
    }
    freeaddrinfo(list);
    if (q->any_host && out->count == 2 && sockaddr_of(&out->list[1])->sa_family == AF_INET6) {
        cheng_endpoint v4 = out->list[0]; /* IPv6's takes both, where there is IPv6 */
        out->list[0] = out->list[1];
        out->list[1] = v4;
    }
    return out->count == 0 ? -ENOENT : 0;
}

int chengi_sys_lookup_name(const void *address, void *name)
{
    const cheng_endpoint *from = address;
    struct net_name *out = name;
    int rc = getnameinfo(sockaddr_of(from), from->size, out->text, sizeof out->text, NULL, 0, NI_NAMEREQD);
    return rc == 0 ? 0 : error_of_lookup(rc);
}

/* ---- endpoints ---- */

static const char unix_prefix[] = "unix:";
enum { UNIX_PREFIX = sizeof unix_prefix - 1 };

bool chengi_sys_is_unix_host(const char *host)
{
    return host != NULL && strncmp(host, unix_prefix, UNIX_PREFIX) == 0;
}

bool chengi_sys_is_unix(const cheng_endpoint *address)
{
    return sockaddr_of(address)->sa_family == AF_UNIX;
}

int chengi_sys_unix_endpoint(cheng_endpoint *out, const char *host)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = host + UNIX_PREFIX;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.sun_path)
        return -EINVAL;
    memcpy(address.sun_path, path, length);
    bool abstract = path[0] == '@';
    if (abstract)
        address.sun_path[0] = '\0';
    *out =
        (cheng_endpoint){ .size = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract) };
    memcpy(out->words, &address, sizeof address);
    return 0;
}

static void unix_text(const cheng_endpoint *endpoint, char text[CHENG_ENDPOINT_TEXT])
{
    const struct sockaddr_un *address = (const struct sockaddr_un *)(const void *)endpoint->words;
    size_t at = offsetof(struct sockaddr_un, sun_path),
           length = endpoint->size > at ? endpoint->size - at : 0;
    bool abstract = length > 0 && address->sun_path[0] == '\0';
    if (abstract)
        snprintf(text, CHENG_ENDPOINT_TEXT, "unix:@%.*s", (int)length - 1, address->sun_path + 1);
    else
        snprintf(text, CHENG_ENDPOINT_TEXT, "unix:%.*s", (int)length, address->sun_path);
}

void cheng_endpoint_text(const cheng_endpoint *endpoint, char text[CHENG_ENDPOINT_TEXT])
{
    char number[46];
    bool v6;
    if (chengi_sys_is_unix(endpoint)) {
        unix_text(endpoint, text);
        return;
    }
    chengi_sys_address_text(endpoint, number, &v6);
    snprintf(text, CHENG_ENDPOINT_TEXT, v6 ? "[%s]:%d" : "%s:%d", number, port_of(endpoint));
}

void chengi_sys_address_text(const cheng_endpoint *address, char text[46], bool *v6)
{
    const struct sockaddr *any = sockaddr_of(address);
    *v6 = any->sa_family == AF_INET6;
    const void *raw = *v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)any)->sin6_addr
                          : (const void *)&((const struct sockaddr_in *)(const void *)any)->sin_addr;
    if (inet_ntop(any->sa_family, raw, text, 46) == NULL)
        text[0] = '\0';
}

/* ---- making sockets ---- */

int chengi_sys_stream(const cheng_endpoint *address)
{
    int fd = socket(sockaddr_of(address)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int chengi_sys_connect(int fd, const cheng_endpoint *address)
{
    int rc = outcome(connect(fd, sockaddr_of(address), address->size));
    return rc == -EISCONN ? 0 : rc;
}

int chengi_sys_pair(int fds[2])
{
    return outcome(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
}

int chengi_sys_datagram(const cheng_endpoint *address)
{
    return outcome(socket(sockaddr_of(address)->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

int chengi_sys_bind(int fd, const cheng_endpoint *address, bool reuse_port)
{
    int on = 1, off = 0;
    if (sockaddr_of(address)->sa_family == AF_INET6) /* all addresses: those of IPv4 too */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return -errno;
    return outcome(bind(fd, sockaddr_of(address), address->size));
}

int chengi_sys_connect_datagram(int fd, const cheng_endpoint *address)
{
    static const struct sockaddr_un any_name = { .sun_family = AF_UNIX };
    if (chengi_sys_is_unix(address) &&
        bind(fd, (const struct sockaddr *)(const void *)&any_name, sizeof any_name.sun_family) < 0)
        return -errno;
    return outcome(connect(fd, sockaddr_of(address), address->size));
}

int chengi_sys_listen(int fd, const cheng_endpoint *address, int backlog, bool reuse_port)
{
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int rc = chengi_sys_bind(fd, address, reuse_port);
    return rc < 0 ? rc : outcome(listen(fd, backlog == 0 ? SOMAXCONN : backlog));
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
    return outcome(recv(fd, buffer, at_most(size), MSG_DONTWAIT));
}

int chengi_sys_send(int fd, const void *data, size_t size)
{
    return outcome(send(fd, data, at_most(size), MSG_DONTWAIT | MSG_NOSIGNAL));
}

int chengi_sys_send_to(int fd, const void *data, size_t size, const cheng_endpoint *to)
{
    const struct sockaddr *address = to == NULL ? NULL : sockaddr_of(to);
    return outcome(sendto(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, address, to == NULL ? 0 : to->size));
}

int chengi_sys_receive_from(int fd, void *buffer, size_t size, cheng_endpoint *from)
{
    cheng_endpoint source = { .size = sizeof source.words };
    ssize_t n = recvfrom(fd, buffer, size, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)(void *)source.words,
                         &source.size);
    if (n < 0)
        return -errno;
    if ((size_t)n > size)
        return -EMSGSIZE;
    *from = source;
    return (int)n;
}

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(CHENG_FDS_MAX * sizeof(int))];
};

int chengi_sys_send_fds(int fd, const void *data, size_t size, const int *fds, size_t count)
{
    union control control = { 0 };
    struct iovec part = { (void *)(uintptr_t)data, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes };
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    return outcome(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int chengi_sys_receive_fds(int fd, void *buffer, size_t size, int *fds, size_t room, size_t *count)
{
    union control control;
    int got[CHENG_FDS_MAX];
    struct iovec part = { buffer, at_most(size) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes };
    message.msg_controllen = sizeof control.bytes;
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    size_t have = 0;
    /* others may come first: credentials, if whoever made an adopted socket asked for them */
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    for (; header != NULL && have == 0; header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            have = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(got, CMSG_DATA(header), have * sizeof(int));
        }
    /* truncated: more than can be sent here, or no descriptors */
    if (have > room || (message.msg_flags & MSG_CTRUNC)) {
        while (have > 0)
            close(got[--have]);
        return -EMSGSIZE;
    }
    if (have > 0)
        memcpy(fds, got, have * sizeof(int));
    *count = have;
    return (int)n;
}

/* sendfile has no MSG_NOSIGNAL. */
int chengi_sys_send_file(int fd, int file, uint64_t offset, size_t size)
{
    off_t from = (off_t)offset;
    struct hush hush;
    chengi_sys_hush(&hush);
    int rc = outcome(sendfile(fd, file, &from, at_most(size)));
    chengi_sys_unhush(&hush, rc == -EPIPE);
    return rc;
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
    cheng_endpoint own = { .size = sizeof own.words };
    int rc = outcome(getsockname(fd, (struct sockaddr *)(void *)own.words, &own.size));
    return rc < 0 ? rc : port_of(&own);
}

int chengi_sys_peer(int fd, cheng_endpoint *peer)
{
    cheng_endpoint found = { .size = sizeof found.words };
    int rc = outcome(getpeername(fd, (struct sockaddr *)(void *)found.words, &found.size));
    if (rc == 0)
        *peer = found;
    return rc;
}

int chengi_sys_make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -errno : outcome(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}
