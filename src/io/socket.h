/* What is inside a cheng_socket, for the files that add ways of sending and receiving: who is inside, one try that waits
 * until it succeeds. socket.c says how the words work. */
#ifndef CHENG_IO_SOCKET_H
#define CHENG_IO_SOCKET_H

#include <cheng/socket.h>

#include "io/sys_socket.h"
#include "run/worker.h"

/* Of `users`. A stream has one WRITER; of a datagram socket many may send, each adds a SENDER. */
enum { READER = 1, WRITER = 2, CLOSING = 4, SENDER = 8 };

struct cheng_socket {
    struct watch watch; /* first: its address is the event's data */
    int fd;
    uint32_t users;
    uint32_t in, out;
    uint64_t poller;            /* id of the one that watches it, as far as we know */
    struct cheng_socket *next;  /* free records */
    struct cheng_socket *older; /* all records, never changed */
};

/* A system call that does not block: a count or a descriptor, or a negative errno, of which -EAGAIN waits. */
typedef int chengi_attempt(int fd, void *request);

int chengi_socket_new(cheng_socket **out, int fd);
int chengi_socket_enter(cheng_socket *s, uint32_t who);
void chengi_socket_leave(cheng_socket *s, uint32_t who);

/* As the only reader: attempts until one does not say -EAGAIN. */
int chengi_socket_take(cheng_socket *s, chengi_attempt *attempt, void *request, cheng_deadline deadline);
/* The same as a WRITER or a SENDER. */
int chengi_socket_put(cheng_socket *s, uint32_t who, chengi_attempt *attempt, void *request,
                      cheng_deadline deadline);
/* For connect: waits for an event of writing; what the socket was before does not count. */
void chengi_socket_expect_writable(cheng_socket *s);
int chengi_socket_wait_writable(cheng_socket *s, cheng_deadline deadline);

#endif
