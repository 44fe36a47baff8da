/* Servers: a task for each connection, or each datagram. */
#include <cheng/condition.h>
#include <cheng/datagram.h>
#include <cheng/link.h>
#include <cheng/lock.h>
#include <cheng/socket.h>

#include <errno.h>
#include <stdlib.h>

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
    struct link clients; /* whose tasks have not ended */
    size_t live, most;
};

/* One connection, or one datagram with its bytes. The end of its task frees it: also of one that is cancelled before it
 * begins, or that gets no stack. */
struct client {
    struct link link;
    cheng_link ends;
    struct server *server;
    cheng_task *task;
    cheng_socket *socket;
    cheng_endpoint from;
    size_t size;
    char bytes[];
};

static int handle(const void *arg, void *result)
{
    struct client *client = *(struct client *const *)arg;
    struct server *server = client->server;
    (void)result;
    /* how it ended is its own affair */
    if (server->handler != NULL)
        server->handler(client->socket, server->context);
    else
        server->datagram_handler(client->socket, client->bytes, client->size, &client->from, server->context);
    return 0;
}

static void leave(struct server *server, struct client *client)
{
    CHENG_WITH(&server->lock) {
        chengi_list_remove(&client->link);
        server->live--;
        cheng_condition_notify(&server->changed, 1); /* the server's task is the only one that waits */
    }
}

static void ended(cheng_task *task, int status, void *context)
{
    struct client *client = context;
    struct server *server = client->server;
    (void)status;
    if (server->handler != NULL) /* datagrams share the server's */
        cheng_socket_free(client->socket);
    leave(server, client); /* the server may be gone now */
    free(client);
    cheng_task_free(task);
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

/* Else the client is still the caller's. */
static int start_handler(struct server *server, struct client *client)
{
    client->server = server;
    client->ends = (cheng_link){ .call = ended, .context = client };
    CHENG_WITH(&server->lock) {
        chengi_list_push_back(&server->clients, &client->link);
        server->live++;
    }
    int rc = cheng_start(&client->task, server->kind, handle, &client, sizeof(struct client *), NULL);
    if (rc < 0)
        leave(server, client);
    else
        cheng_task_link(client->task, &client->ends);
    return rc;
}

static int accept_client(struct server *server, cheng_socket *listener)
{
    struct client *client = malloc(sizeof *client);
    if (client == NULL)
        return -ENOMEM;
    int rc = cheng_accept(&client->socket, listener);
    if (rc == 0 && (rc = start_handler(server, client)) < 0)
        cheng_socket_free(client->socket);
    if (rc < 0)
        free(client);
    return rc;
}

static int receive_datagram(struct server *server, cheng_socket *s)
{
    /* one buffer for each datagram: while it is filled nobody else needs it, and after it is the handler's */
    struct client *client = malloc(sizeof *client + DATAGRAM_MAX);
    if (client == NULL)
        return -ENOMEM;
    int rc = cheng_datagram_receive(s, client->bytes, DATAGRAM_MAX, &client->size, &client->from);
    if (rc == 0) {
        struct client *fitting = realloc(client, sizeof *client + client->size);
        client = fitting == NULL ? client : fitting;
        client->socket = s;
        rc = start_handler(server, client);
    }
    if (rc < 0)
        free(client);
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
        int rc = cheng_cancelled() ? -ECANCELED : 0; /* in a flood no call below waits, and so sees it */
        if (rc == 0 && server->most != 0)
            rc = wait_below(server, server->most, s, CHENG_FOREVER);
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
    cheng_shield(true); /* the clients use our stack: they must end first */
    CHENG_WITH(&server->lock) {
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
