/* cheng/socket.h: stream sockets for tasks (Python: socket and gevent's; socketserver).
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
 *     return cheng_serve(listener, echo, NULL, NULL);
 * }
 * @endcode
 *
 * One reader and one writer at a time for each socket (accept reads); a second is -EBUSY. Closing wakes
 * both: -EBADF for them and for all calls after.
 *
 *   -EBUSY       another task is reading (writing) this socket
 *   -EBADF       closed
 *   -EAGAIN      would block, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   the deadline passed; a write may have sent a part
 *   -ECANCELED   the calling task was cancelled; a write may have sent a part
 *   -EPIPE       write: the peer is gone
 *   -EINVAL      connect, resolve: no host, or a name that is too long; poll: no events; serve: no handler
 *   -ENOENT      connect, listen, resolve: no such host or service
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

/* Connects to host and service ("80" or "http"); looks the name up without stopping the worker, and
 * tries each address until one answers. */
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

/* Writes all `size` bytes; blocks while the peer's window is full. */
CHENG_API CHENG_NODISCARD int cheng_socket_write(cheng_socket *s, const void *data, size_t size);
CHENG_API CHENG_NODISCARD int cheng_socket_write_until(cheng_socket *s, const void *data, size_t size,
                                                       cheng_deadline deadline);

/* Tells the peer that no more comes; reading goes on. */
CHENG_API int cheng_socket_finish(cheng_socket *s);

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

/* Name look-up on a helper thread: the numeric addresses of host, at most `room` of them, as text. */
typedef struct cheng_address {
    char text[46]; /* "127.0.0.1", "::1" */
    bool v6;
} cheng_address;
CHENG_API CHENG_NODISCARD int cheng_resolve(const char *host, cheng_address *addresses, size_t room,
                                            size_t *found);

/* A server: accepts until the listener is closed or the calling task cancelled, and runs the handler for
 * each connection in a task of its own; the connection is closed and freed when the handler returns.
 * Before it returns, it cancels the handlers that still run and waits for them. Returns 0 when the
 * listener was closed. It keeps accepting, after a pause, when descriptors or memory run out. */
typedef int cheng_handler(cheng_socket *client, void *context);
typedef struct cheng_serve_options {
    enum cheng_kind kind; /* of the handlers' tasks; 0: CHENG_COROUTINE */
    size_t max_clients;   /* at the same time; 0: no limit; further ones wait in the backlog */
} cheng_serve_options;
CHENG_API int cheng_serve(cheng_socket *listener, cheng_handler *handler, void *context,
                          const cheng_serve_options *options);

#ifdef __cplusplus
}
#endif
#endif
