/* cheng/socket.h: sockets for tasks (Python: socket and gevent's; socketserver). Datagrams: cheng/datagram.h.
 *
 * A blocking call here blocks the calling task only: a coroutine lets its worker go on, a thread waits
 * in the system. Every wait ends by a deadline or a cancel, too. Descriptors are close-on-exec; writing
 * to a closed peer is -EPIPE, never a signal.
 *
 * @code
 * static int echo(cheng_socket *client, void *context)
 * {
 *     char buffer[4096];
 *     size_t n;
 *     (void)context;
 *     while (cheng_socket_read(client, buffer, sizeof buffer, &n) == 0 && n > 0)
 *         if (cheng_socket_write(client, buffer, n) < 0)
 *             break;
 *     return 0;
 * }
 *
 * int serve_echo(void)
 * {
 *     cheng_socket *listener;
 *     int rc = cheng_listen(&listener, "127.0.0.1", "7", NULL);
 *     if (rc < 0)
 *         return rc;
 *     rc = cheng_serve(listener, echo, NULL, NULL);
 *     cheng_socket_free(listener);
 *     return rc;
 * }
 * @endcode
 *
 * A host "unix:/path" is a unix socket, "unix:@name" one of the abstract names; the service is not looked at then.
 * Who listens on a path removes it, before (a path that is there is -EADDRINUSE) or after.
 *
 * One reader and one writer at a time for each socket (accept reads); a second is -EBUSY. Closing wakes
 * both: -EBADF for them and for all calls after.
 *
 *   -EBUSY       another task is reading (writing) this socket
 *   -EBADF       closed
 *   -EAGAIN      would block, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   the deadline passed; a write may have sent a part. connect, without a deadline too: the peer does not answer
 *   -ECANCELED   the calling task was cancelled; a write may have sent a part
 *   -EPIPE       write: the peer is gone; read_exactly: it has finished before that
 *   -EMSGSIZE    receive_fds: more descriptors than there is room for; they and the data with them are lost
 *   -EINVAL      connect, resolve: no host, or a name that is too long; poll, wait: no events; serve: no handler
 *   -ENOENT      connect, listen, resolve: no such host, service or path
 *   -EHOSTUNREACH  also: no name server answers
 *   -ECONNREFUSED, -ECONNRESET, -EADDRINUSE, -EMFILE, ... as the system means them */
#ifndef CHENG_SOCKET_H
#define CHENG_SOCKET_H

#include <cheng/base.h>
#include <cheng/task.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_socket cheng_socket;

typedef struct cheng_listen_options {
    int backlog;     /* 0: as many as the system allows */
    bool reuse_port; /* several listeners of one port */
} cheng_listen_options;

/* Connects to host and service ("80" or "http"); looks the name up without stopping the worker. Of several
 * addresses the next is tried when one has failed, or has not answered for 250 ms (RFC 8305, in its simple form): the
 * first that answers is taken. The error is that of the last which failed. */
CHENG_API CHENG_NODISCARD int cheng_connect(cheng_socket **out, const char *host, const char *service);
CHENG_API CHENG_NODISCARD int cheng_connect_until(cheng_socket **out, const char *host, const char *service,
                                                  cheng_deadline deadline);

/* Listens on host (NULL: all) and service ("0": any free port, cheng_socket_port tells which). */
CHENG_API CHENG_NODISCARD int cheng_listen(cheng_socket **out, const char *host, const char *service,
                                           const cheng_listen_options *options);

CHENG_API CHENG_NODISCARD int cheng_accept(cheng_socket **out, cheng_socket *listener);
CHENG_API CHENG_NODISCARD int cheng_accept_until(cheng_socket **out, cheng_socket *listener,
                                                 cheng_deadline deadline);

/* Takes a connected stream descriptor over (it is made non-blocking, and closed with the socket). */
CHENG_API CHENG_NODISCARD int cheng_socket_adopt(cheng_socket **out, int fd);

/* Reads what is there, `size` bytes at the most, and blocks while nothing is; `got` 0: the peer has
 * finished. */
CHENG_API CHENG_NODISCARD int cheng_socket_read(cheng_socket *s, void *buffer, size_t size, size_t *got);
CHENG_API CHENG_NODISCARD int cheng_socket_read_until(cheng_socket *s, void *buffer, size_t size, size_t *got,
                                                      cheng_deadline deadline);

/* Reads `size` bytes, no fewer. What came before an error is lost; who needs it reads in a loop of his own. */
CHENG_API CHENG_NODISCARD int cheng_socket_read_exactly(cheng_socket *s, void *buffer, size_t size);
CHENG_API CHENG_NODISCARD int cheng_socket_read_exactly_until(cheng_socket *s, void *buffer, size_t size,
                                                              cheng_deadline deadline);

/* Writes all `size` bytes; blocks while the peer's window is full. */
CHENG_API CHENG_NODISCARD int cheng_socket_write(cheng_socket *s, const void *data, size_t size);
CHENG_API CHENG_NODISCARD int cheng_socket_write_until(cheng_socket *s, const void *data, size_t size,
                                                       cheng_deadline deadline);

/* Writes what the peer's window has room for, and blocks while it has none: `put` is at least 1, of a size that is. For
 * who must know how much went out when the deadline came. */
CHENG_API CHENG_NODISCARD int cheng_socket_write_some(cheng_socket *s, const void *data, size_t size,
                                                      size_t *put);
CHENG_API CHENG_NODISCARD int cheng_socket_write_some_until(cheng_socket *s, const void *data, size_t size,
                                                            size_t *put, cheng_deadline deadline);

/* Writes a part of the file `fd`, `size` bytes from `offset` on, or up to its end, without copying it through memory of
 * yours; as write_some, it may be less: `put` 0 is the end of the file. A helper thread waits for the disk. */
CHENG_API CHENG_NODISCARD int cheng_socket_write_file_until(cheng_socket *s, int fd, uint64_t offset,
                                                            size_t size, size_t *put,
                                                            cheng_deadline deadline);

/* Tells the peer that no more comes; reading goes on. */
CHENG_API int cheng_socket_finish(cheng_socket *s);

/* Waits until reading (CHENG_READABLE) or writing (CHENG_WRITABLE), one of them, would not block. Counts as a reader or
 * writer meanwhile. */
CHENG_API CHENG_NODISCARD int cheng_socket_wait(cheng_socket *s, unsigned event, cheng_deadline deadline);

/* Two unix sockets, each the other's peer. */
CHENG_API CHENG_NODISCARD int cheng_socket_pair(cheng_socket **a, cheng_socket **b);

/* Over unix sockets: descriptors with data, at least one byte, all of which is written. The receiver gets copies,
 * close-on-exec, with the first byte read; `count` is 0 for data that came without. */
enum { CHENG_FDS_MAX = 64 };
CHENG_API CHENG_NODISCARD int cheng_socket_send_fds_until(cheng_socket *s, const void *data, size_t size,
                                                          const int *fds, size_t count,
                                                          cheng_deadline deadline);
CHENG_API CHENG_NODISCARD int cheng_socket_receive_fds_until(cheng_socket *s, void *buffer, size_t size,
                                                             size_t *got, int *fds, size_t room,
                                                             size_t *count, cheng_deadline deadline);

/* Closes now and wakes who waits on it; the handle stays valid until cheng_socket_free. Any task. */
CHENG_API void cheng_socket_close(cheng_socket *s);

/* Closes, if that has not happened, and frees the handle, which nobody else may be using. NULL is
 * allowed. */
CHENG_API void cheng_socket_free(cheng_socket *s);

/* The descriptor, still the socket's; -EBADF once closed. The local port, or a negative errno. */
CHENG_API int cheng_socket_fd(const cheng_socket *s);
CHENG_API int cheng_socket_port(const cheng_socket *s);

/* Any descriptor of yours, but not that of a cheng_socket: it would take the socket's events. Waits until it
 * can be read (CHENG_READABLE) or written (CHENG_WRITABLE), has failed or was hung up; `ready` (may be NULL)
 * tells which. The descriptor's flags are not touched. -EBUSY: another coroutine of this kernel thread waits for
 * the same of it. Do not close it while anybody waits. */
enum { CHENG_READABLE = 1, CHENG_WRITABLE = 2 };
CHENG_API CHENG_NODISCARD int cheng_poll(int fd, unsigned events, unsigned *ready, cheng_deadline deadline);

/* An address with its port, or a unix socket's path, as the system has it: a value, to copy and to compare. */
typedef struct cheng_endpoint {
    uint32_t size;
    uint32_t zero;
    uint64_t words[16];
} cheng_endpoint;
enum { CHENG_ENDPOINT_TEXT = 128 };
/* "127.0.0.1:80", "[::1]:80", "unix:/path"; "unix:" for a socket without a name. */
CHENG_API void cheng_endpoint_text(const cheng_endpoint *endpoint, char text[CHENG_ENDPOINT_TEXT]);

/* The other end's. */
CHENG_API int cheng_socket_peer(const cheng_socket *s, cheng_endpoint *peer);

/* Names are looked up on helper threads; a deadline or a cancel leaves that behind, and ends the wait. */

/* The first address of host and service. */
CHENG_API CHENG_NODISCARD int cheng_resolve_endpoint(cheng_endpoint *out, const char *host,
                                                     const char *service, cheng_deadline deadline);

/* The name of a numeric address: -ENOENT if it has none, -EINVAL for what is no address, -EMSGSIZE for a name that is
 * longer than `size` allows. */
CHENG_API CHENG_NODISCARD int cheng_resolve_name(char *name, size_t size, const char *address,
                                                 cheng_deadline deadline);

/* The numeric addresses of host, at most `room` of them, as text. */
typedef struct cheng_address {
    char text[46]; /* "127.0.0.1", "::1" */
    bool v6;
} cheng_address;
CHENG_API CHENG_NODISCARD int cheng_resolve(const char *host, cheng_address *addresses, size_t room,
                                            size_t *found);
CHENG_API CHENG_NODISCARD int cheng_resolve_until(const char *host, cheng_address *addresses, size_t room,
                                                  size_t *found, cheng_deadline deadline);

/* A server: accepts until the listener is closed or the calling task cancelled, and runs the handler for
 * each connection in a task of its own; the connection is closed and freed when the handler returns, whose result
 * nobody looks at: what is to be known of it the handler tells itself.
 * Before it returns, it gives the handlers that still run their grace, then cancels them and waits for them. Returns 0
 * when the listener was closed. It keeps accepting, after a pause, when descriptors or memory run out; a
 * client for whose task there is no stack is disconnected. */
typedef int cheng_handler(cheng_socket *client, void *context);
typedef struct cheng_serve_options {
    enum cheng_kind kind; /* of the handlers' tasks; 0: CHENG_COROUTINE */
    size_t max_clients;   /* at the same time; 0: no limit; further ones wait in the backlog */
    cheng_duration
        grace; /* how long handlers may go on after the listener was closed; 0: not at all. A cancel of
                             the calling task ends that, too */
} cheng_serve_options;
CHENG_API int cheng_serve(cheng_socket *listener, cheng_handler *handler, void *context,
                          const cheng_serve_options *options);

#ifdef __cplusplus
}
#endif
#endif
