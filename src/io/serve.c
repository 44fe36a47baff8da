/* A server: a task for each connection. */
#include <cheng/condition.h>
#include <cheng/lock.h>
#include <cheng/semaphore.h>
#include <cheng/socket.h>

#include <errno.h>
#include <stdlib.h>

#include "base/list.h"

static const cheng_duration pause_first = 5 * CHENG_MILLISECOND, pause_most = CHENG_SECOND;
static const cheng_duration look_period = 250 * CHENG_MILLISECOND;

struct server {
    cheng_handler *handler;
    void *context;
    enum cheng_kind kind;
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

static int handle(const void *arg, void *result)
{
    const struct connection *connection = arg;
    struct server *server = connection->server;
    struct client client = { .task = cheng_current() };
    (void)result;
    CHENG_WITH(&server->lock) {
        chengi_list_push_back(&server->clients, &client.link);
        if (server->stopping)
            cheng_cancel(client.task);
    }
    server->handler(connection->socket, server->context); /* how it ended is its own affair */
    cheng_socket_free(connection->socket);
    CHENG_WITH(&server->lock) {
        chengi_list_remove(&client.link);
        server->live--;
        cheng_condition_notify(&server->changed, 1); /* the server's task is the only one that waits */
    }
    return 0;
}

/* Waits until fewer than `limit` handlers live; or with a listener, until that is closed: -EBADF. Closing it wakes
 * who accepts, not who waits here: so look now and then. */
static int wait_below(struct server *server, size_t limit, const cheng_socket *listener)
{
    int rc = 0;
    CHENG_WITH(&server->lock) {
        while (rc == 0 && server->live >= limit) {
            if (listener != NULL && cheng_socket_fd(listener) < 0)
                rc = -EBADF;
            else
                rc = cheng_condition_wait_until(&server->changed, &server->lock,
                                                listener != NULL ? cheng_after(look_period) : CHENG_FOREVER);
            rc = rc == -ETIMEDOUT ? 0 : rc;
        }
    }
    return rc;
}

static int dispatch(struct server *server, cheng_socket *socket)
{
    struct connection connection = { server, socket };
    CHENG_WITH(&server->lock) {
        server->live++;
    }
    int rc = cheng_start(NULL, server->kind, handle, &connection, sizeof connection, NULL);
    if (rc < 0) {
        cheng_socket_free(socket);
        CHENG_WITH(&server->lock) {
            server->live--;
        }
    }
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

static int accept_clients(struct server *server, cheng_socket *listener)
{
    cheng_duration pause = pause_first;
    for (;;) {
        cheng_socket *socket;
        int rc = server->most == 0 ? 0 : wait_below(server, server->most, listener);
        if (rc == 0)
            rc = cheng_accept(&socket, listener);
        if (rc == 0)
            rc = dispatch(server, socket);
        if (rc == 0) {
            pause = pause_first;
        } else if (passes(rc)) {
            rc = cheng_sleep(pause);
            pause = pause * 2 < pause_most ? pause * 2 : pause_most;
        } else if (concerns_one_client(rc)) {
            rc = 0;
        }
        if (rc < 0)
            return rc == -EBADF ? 0 : rc; /* closed: that is how a server is stopped */
    }
}

int cheng_serve(cheng_socket *listener, cheng_handler *handler, void *context,
                const cheng_serve_options *options)
{
    struct server server = { .handler = handler, .context = context, .kind = CHENG_COROUTINE };
    if (listener == NULL || handler == NULL)
        return -EINVAL;
    if (options != NULL && options->kind != 0)
        server.kind = options->kind;
    if (options != NULL)
        server.most = options->max_clients;
    chengi_list_init(&server.clients);
    int rc = accept_clients(&server, listener);
    cheng_shield(true); /* the handlers use our stack: they must end first */
    CHENG_WITH(&server.lock) {
        server.stopping = true;
        for (struct link *link = server.clients.next; link != &server.clients; link = link->next)
            cheng_cancel(CHENGI_CONTAINER(link, struct client, link)->task);
    }
    wait_below(&server, 1, NULL);
    cheng_shield(false);
    return rc;
}
