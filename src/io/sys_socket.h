/* The system calls of sockets. Never block, never raise a signal; results are counts or descriptors, errors
 * negative errnos. */
#ifndef CHENG_IO_SYS_SOCKET_H
#define CHENG_IO_SYS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cheng/socket.h>

enum { CHENGI_ADDRESSES = 16 };

struct net_addresses {
    uint32_t count;
    cheng_endpoint list[CHENGI_ADDRESSES];
};

struct net_query {
    char host[256], service[32];
    bool any_host; /* no host: all addresses of this machine, to listen on */
    bool numeric;  /* only take numbers apart, ask nobody */
    bool datagram; /* the service of that name for datagrams */
};

/* Blocks, but for numeric queries: a cheng_fn from struct net_query to struct net_addresses. -ENOENT: unknown. */
int chengi_sys_lookup(const void *query, void *addresses);
/* "unix:/path", "unix:@name"; false: another kind of host. -EINVAL: too long. */
bool chengi_sys_is_unix_host(const char *host);
int chengi_sys_unix_endpoint(cheng_endpoint *out, const char *host);
bool chengi_sys_is_unix(const cheng_endpoint *address);

struct net_name {
    char text[256];
};
/* Blocks: a cheng_fn from cheng_endpoint to struct net_name. */
int chengi_sys_lookup_name(const void *address, void *name);
void chengi_sys_address_text(const cheng_endpoint *address, char text[46], bool *v6);

int chengi_sys_stream(const cheng_endpoint *address);
/* -EINPROGRESS, and -EALREADY when asked again: wait until it is writable, then ask again. */
int chengi_sys_connect(int fd, const cheng_endpoint *address);
/* A unix socket gets a name, so that it can be answered. */
int chengi_sys_connect_datagram(int fd, const cheng_endpoint *address);
int chengi_sys_listen(int fd, const cheng_endpoint *address, int backlog, bool reuse_port);
int chengi_sys_pair(int fds[2]);
int chengi_sys_datagram(const cheng_endpoint *address);
int chengi_sys_bind(int fd, const cheng_endpoint *address, bool reuse_port);
int chengi_sys_accept(int fd);
int chengi_sys_receive(int fd, void *buffer, size_t size);
int chengi_sys_send(int fd, const void *data, size_t size);
/* To `to`, or where it is connected to. */
int chengi_sys_send_to(int fd, const void *data, size_t size, const cheng_endpoint *to);
/* -EMSGSIZE: larger than the buffer, and gone. */
int chengi_sys_receive_from(int fd, void *buffer, size_t size, cheng_endpoint *from);
int chengi_sys_send_fds(int fd, const void *data, size_t size, const int *fds, size_t count);
int chengi_sys_receive_fds(int fd, void *buffer, size_t size, int *fds, size_t room, size_t *count);
/* Blocks for the file, not for the socket. */
int chengi_sys_send_file(int fd, int file, uint64_t offset, size_t size);
int chengi_sys_shutdown(int fd, bool both);
void chengi_sys_close(int fd);
int chengi_sys_port(int fd);
int chengi_sys_peer(int fd, cheng_endpoint *peer);
int chengi_sys_make_nonblocking(int fd);

#endif
