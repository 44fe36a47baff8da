/* Servers: a task for each connection, or each datagram. */
#include <cheng/condition.h>
#include <cheng/datagram.h>
#include <cheng/lock.h>
#include <cheng/semaphore.h>
#include <cheng/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

static const cheng_duration pause_first = 5 * CHENG_MILLISECOND, pause_most = CHENG_SECOND;
enum { DATAGRAM_MAX = 65536 }; /* UDP's; a larger one of a unix socket is dropped */
static const cheng_duration look_period = 250 * CHENG_MILLISECOND;

struct server {
    cheng_handler *handler;
    cheng_datagram_handler *datagram_handler; /* or this one */
    void *context;
    enum cheng_kind kind;
    cheng_duration grace;
    cheng_lock lock; /* protects what follows */
    cheng_condition changed;
    struct link clients; /* whose handlers have begun and not ended */
    size_t live, most;
    bool stopping;
};

/* On the stack of the handler's task. */
struct client {
    struct link link;
    cheng_task *task;
};

struct connection {
    struct server *server;
    cheng_socket *socket;
};

/* With its bytes; its handler's to free. */
struct datagram {
    struct server *server;
    cheng_socket *socket;
    cheng_endpoint from;
    size_t size;
    char bytes[];
};

static void enter(struct server *server, struct client *client)
{
    client->task = cheng_current();
    CHENG_WITH(&server->lock) {
        chengi_list_push_back(&server->clients, &client->link);
        if (server->stopping)
            cheng_cancel(client->task);
    }
}

static void leave(struct server *server, struct client *client)
{
    CHENG_WITH(&server->lock) {
        chengi_list_remove(&client->link);
        server->live--;
        cheng_condition_notify(&server->changed, 1); /* the server's task is the only one that waits */
    }
}

static int handle(const void *arg, void *result)
{
    const struct connection *connection = arg;
    struct server *server = connection->server;
    struct client client;
    (void)result;
    enter(server, &client);
    server->handler(connection->socket, server->context); /* how it ended is its own affair */
    cheng_socket_free(connection->socket);
    leave(server, &client);
    return 0;
}

static int handle_datagram(const void *arg, void *result)
{
    struct datagram *d = *(struct datagram *const *)arg;
    struct server *server = d->server;
    struct client client;
    (void)result;
    enter(server, &client);
    server->datagram_handler(d->socket, d->bytes, d->size, &d->from, server->context);
    free(d);
    leave(server, &client);
    return 0;
}

/* Waits until fewer than `limit` handlers live, or the deadline; with a listener, or until that is closed: -EBADF.
 * Closing it wakes who accepts, not who waits here: so look now and then. */
static int wait_below(struct server *server, size_t limit, const cheng_socket *listener,
                      cheng_deadline deadline)
{
    int rc = 0;
    CHENG_WITH(&server->lock) {
        while (rc == 0 && server->live >= limit) {
            if (listener != NULL && cheng_socket_fd(listener) < 0)
                rc = -EBADF;
            else
                rc = cheng_condition_wait_until(&server->changed, &server->lock,
                                                listener != NULL ? cheng_after(look_period) : deadline);
            rc = rc == -ETIMEDOUT && listener != NULL ? 0 : rc;
        }
    }
    return rc;
}

static int start_handler(struct server *server, cheng_fn *function, const void *arg, size_t size)
{
    CHENG_WITH(&server->lock) {
        server->live++;
    }
    int rc = cheng_start(NULL, server->kind, function, arg, size, NULL);
    if (rc < 0) {
        CHENG_WITH(&server->lock) {
            server->live--;
        }
    }
    return rc;
}

static int accept_client(struct server *server, cheng_socket *listener)
{
    struct connection connection = { .server = server };
    int rc = cheng_accept(&connection.socket, listener);
    if (rc < 0)
        return rc;
    rc = start_handler(server, handle, &connection, sizeof connection);
    if (rc < 0)
        cheng_socket_free(connection.socket);
    return rc;
}

static int receive_datagram(struct server *server, cheng_socket *s)
{
    /* one buffer for each datagram: while it is filled nobody else needs it, and after it is the handler's */
    struct datagram *d = malloc(sizeof *d + DATAGRAM_MAX);
    if (d == NULL)
        return -ENOMEM;
    int rc = cheng_datagram_receive(s, d->bytes, DATAGRAM_MAX, &d->size, &d->from);
    if (rc == 0) {
        struct datagram *fitting = realloc(d, sizeof *d + d->size);
        d = fitting == NULL ? d : fitting;
        d->server = server;
        d->socket = s;
        rc = start_handler(server, handle_datagram, &d, sizeof(struct datagram *));
    }
    if (rc < 0)
        free(d);
    return rc;
}

static bool passes(int error)
{
    switch (error) {
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
    case -ENOSPC: /* of the system's room for watches */
    case -EAGAIN: /* no thread to be had */
        return true;
    default:
        return false;
    }
}

static bool concerns_one_client(int error)
{
    switch (error) {
    case -ECONNABORTED:
    case -EMSGSIZE:     /* of datagrams: too large */
    case -ECONNREFUSED: /* somebody whom we answered has gone */
    case -EPROTO:
    case -ENOPROTOOPT:
    case -EPERM: /* a firewall's word */
    case -ENETDOWN:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static int serve_clients(struct server *server, cheng_socket *s)
{
    cheng_duration pause = pause_first;
    for (;;) {
        int rc = server->most == 0 ? 0 : wait_below(server, server->most, s, CHENG_FOREVER);
        if (rc == 0)
            rc = server->handler != NULL ? accept_client(server, s) : receive_datagram(server, s);
        if (rc == 0) {
            pause = pause_first;
        } else if (passes(rc)) {
            rc = cheng_sleep(pause);
            pause = pause * 2 < pause_most ? pause * 2 : pause_most;
        } else if (concerns_one_client(rc)) {
            rc = 0;
        }
        if (rc == -EBADF || cheng_socket_fd(s) < 0)
            return 0; /* closed: that is how a server is stopped */
        if (rc < 0)
            return rc;
    }
}

static int serve(struct server *server, cheng_socket *s, const cheng_serve_options *options)
{
    if (s == NULL || (server->handler == NULL && server->datagram_handler == NULL))
        return -EINVAL;
    server->kind = options != NULL && options->kind != 0 ? options->kind : CHENG_COROUTINE;
    if (options != NULL) {
        server->most = options->max_clients;
        server->grace = options->grace;
    }
    chengi_list_init(&server->clients);
    int rc = serve_clients(server, s);
    if (rc == 0 && server->grace > 0)
        (void)wait_below(server, 1, NULL, cheng_after(server->grace));
    cheng_shield(true); /* the handlers use our stack: they must end first */
    CHENG_WITH(&server->lock) {
        server->stopping = true;
        for (struct link *link = server->clients.next; link != &server->clients; link = link->next)
            cheng_cancel(CHENGI_CONTAINER(link, struct client, link)->task);
    }
    wait_below(server, 1, NULL, CHENG_FOREVER);
    cheng_shield(false);
    return rc;
}

int cheng_serve(cheng_socket *listener, cheng_handler *handler, void *context,
                const cheng_serve_options *options)
{
    return serve(&(struct server){ .handler = handler, .context = context }, listener, options);
}

int cheng_serve_datagrams(cheng_socket *s, cheng_datagram_handler *handler, void *context,
                          const cheng_serve_options *options)
{
    return serve(&(struct server){ .datagram_handler = handler, .context = context }, s, options);
}
