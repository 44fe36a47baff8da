/* cheng/datagram.h: datagrams, UDP's and unix sockets' (Python: SOCK_DGRAM, gevent.server.DatagramServer).
 *
 * A datagram socket is a cheng_socket: close, free, wait, port and the rules of its waits are those of cheng/socket.h.
 * One task receives at a time; any number may send. A datagram arrives whole, or not at all.
 *
 * @code
 * static int answer(cheng_socket *s, const void *data, size_t size, const cheng_endpoint *from, void *context)
 * {
 *     (void)context;
 *     return cheng_datagram_send(s, data, size, from);
 * }
 *
 * int serve_echo_datagrams(void)
 * {
 *     cheng_socket *s;
 *     int rc = cheng_datagram_bind(&s, "127.0.0.1", "7", NULL);
 *     if (rc < 0)
 *         return rc;
 *     rc = cheng_serve_datagrams(s, answer, NULL, NULL);
 *     cheng_socket_free(s);
 *     return rc;
 * }
 * @endcode
 *
 *   -EMSGSIZE      send: too large for one datagram; receive: larger than the buffer, and lost
 *   -ECONNREFUSED  connected: nobody was there for one that was sent before
 *   -EDESTADDRREQ  send: no endpoint, and not connected
 *   and those of cheng/socket.h */
#ifndef CHENG_DATAGRAM_H
#define CHENG_DATAGRAM_H

#include <cheng/base.h>
#include <cheng/socket.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A socket that receives at host (NULL: all addresses) and service ("0": any free port); "unix:/path" as for
 * cheng_listen. Of the options, the backlog means nothing. */
CHENG_API CHENG_NODISCARD int cheng_datagram_bind(cheng_socket **out, const char *host, const char *service,
                                                  const cheng_listen_options *options);

/* A socket that sends to host and service, and receives what comes from there only. */
CHENG_API CHENG_NODISCARD int cheng_datagram_connect(cheng_socket **out, const char *host,
                                                     const char *service, cheng_deadline deadline);

/* Sends one datagram; `to` NULL: where it is connected to. Blocks while the system has no room. */
CHENG_API CHENG_NODISCARD int cheng_datagram_send(cheng_socket *s, const void *data, size_t size,
                                                  const cheng_endpoint *to);
CHENG_API CHENG_NODISCARD int cheng_datagram_send_until(cheng_socket *s, const void *data, size_t size,
                                                        const cheng_endpoint *to, cheng_deadline deadline);

/* Receives one datagram, which may be of no bytes, and where it came from (`from` may be NULL). */
CHENG_API CHENG_NODISCARD int cheng_datagram_receive(cheng_socket *s, void *buffer, size_t size, size_t *got,
                                                     cheng_endpoint *from);
CHENG_API CHENG_NODISCARD int cheng_datagram_receive_until(cheng_socket *s, void *buffer, size_t size,
                                                           size_t *got, cheng_endpoint *from,
                                                           cheng_deadline deadline);

/* A server: a task for each datagram, with a copy of it; ends as cheng_serve does, and looks at no result either. `max_clients` is the number of
 * handlers at the same time: while so many run, what comes waits with the system, which drops what it has no room for. */
typedef int cheng_datagram_handler(cheng_socket *s, const void *data, size_t size, const cheng_endpoint *from,
                                   void *context);
CHENG_API int cheng_serve_datagrams(cheng_socket *s, cheng_datagram_handler *handler, void *context,
                                    const cheng_serve_options *options);

#ifdef __cplusplus
}
#endif
#endif
