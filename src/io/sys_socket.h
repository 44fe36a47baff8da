/* The system calls of sockets. Never block, never raise a signal; results are counts or descriptors, errors
 * negative errnos. */
#ifndef CHENG_IO_SYS_SOCKET_H
#define CHENG_IO_SYS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHENGI_ADDRESSES = 16 };

/* An address as the system has it: a struct sockaddr of some family. */
struct net_address {
    uint32_t size;
    _Alignas(8) unsigned char bytes[124];
};

struct net_addresses {
    uint32_t count;
    struct net_address list[CHENGI_ADDRESSES];
};

struct net_query {
    char host[256], service[32];
    bool any_host; /* no host: all addresses of this machine, to listen on */
    bool numeric;  /* only take numbers apart, ask nobody */
};

/* Blocks, but for numeric queries: a cheng_fn from struct net_query to struct net_addresses. -ENOENT: unknown. */
int chengi_sys_lookup(const void *query, void *addresses);
void chengi_sys_address_text(const struct net_address *address, char text[46], bool *v6);

int chengi_sys_stream(const struct net_address *address);
/* -EINPROGRESS, and -EALREADY when asked again: wait until it is writable, then ask again. */
int chengi_sys_connect(int fd, const struct net_address *address);
int chengi_sys_listen(int fd, const struct net_address *address, int backlog, bool reuse_port);
int chengi_sys_accept(int fd);
int chengi_sys_receive(int fd, void *buffer, size_t size);
int chengi_sys_send(int fd, const void *data, size_t size);
int chengi_sys_shutdown(int fd, bool both);
void chengi_sys_close(int fd);
int chengi_sys_port(int fd);
int chengi_sys_make_nonblocking(int fd);

#endif
