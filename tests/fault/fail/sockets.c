/* Scenarios: sockets, servers, descriptors, names. */
#include <cheng.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scenario.h"

#define SOCKET_ERRORS EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC, EACCES, EAGAIN
enum { MESSAGE = 64 << 10, HIGH = 200, YIELDS = 300 };

static int in_run(cheng_fn *function)
{
    int status = 0, rc = cheng_run(&status, function, NULL, 0);
    return rc < 0 ? rc : status;
}

static cheng_deadline soon(void)
{
    return cheng_after(CHENG_SECOND);
}

/* ---- one connection ---- */

struct call {
    char service[12];
    char data[MESSAGE];
};

/* Sends, tells that it has, and reads until the other has, too. */
static int converse(cheng_socket *s, struct call *call)
{
    int rc = cheng_socket_write_until(s, call->data, 100, soon());
    size_t n = 1, got = 0;
    if (rc == 0)
        rc = cheng_socket_finish(s);
    while (rc == 0 && n > 0)
        if ((rc = cheng_socket_read_until(s, call->data, sizeof call->data, &n, soon())) == 0)
            got += n;
    return rc < 0 ? rc : got == 100 ? 0 : -ECONNRESET; /* the other has failed */
}

static int client(const void *arg, void *result)
{
    struct call *call = *(struct call *const *)arg;
    cheng_socket *s;
    (void)result;
    int rc = cheng_connect_until(&s, "127.0.0.1", call->service, soon());
    if (rc < 0)
        return rc;
    rc = converse(s, call);
    cheng_socket_free(s);
    return rc;
}

/* A listener, and a client that connects to it; `first` is what went wrong first. */
static int connect_two(enum cheng_kind kind)
{
    static struct call calls[2];
    struct call *call = &calls[0];
    cheng_socket *listener, *s;
    cheng_task *task = NULL;
    int status = 0,
        rc = cheng_listen(&listener, "127.0.0.1", "0", &(cheng_listen_options){ .reuse_port = true });
    if (rc < 0)
        return rc;
    rc = cheng_socket_port(listener);
    if (rc > 0) {
        snprintf(call->service, sizeof call->service, "%d", rc);
        rc = cheng_start(&task, kind, client, &call, sizeof call, NULL);
    }
    if (rc == 0) {
        rc = cheng_accept_until(&s, listener, soon());
        if (rc == 0) {
            rc = converse(s, &calls[1]);
            cheng_socket_free(s);
        }
        cheng_socket_free(listener); /* else a client that was not accepted would wait */
        expect(cheng_join(task, &status) == 0);
        cheng_task_free(task);
        return status < 0 && status != -ECONNRESET ? status : rc < 0 ? rc : status;
    }
    cheng_socket_free(listener);
    return rc;
}

/* "As the system means them". */
#define CONNECTION_ERRORS                                                                                    \
    SOCKET_ERRORS, ECONNRESET, ECONNREFUSED, ECONNABORTED, ENETUNREACH, ENETDOWN, EHOSTUNREACH, ETIMEDOUT,   \
        EADDRNOTAVAIL, EADDRINUSE, EAFNOSUPPORT, EPERM, EPIPE, EPROTO, ENOPROTOOPT, ENOTCONN, ENOENT

SCENARIO(connection_thread, CONNECTION_ERRORS)
{
    return connect_two(CHENG_THREAD);
}

static int connection_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    return connect_two(CHENG_COROUTINE);
}

SCENARIO(connection_coroutine, CONNECTION_ERRORS)
{
    return in_run(connection_within);
}

/* ---- servers ---- */

static int echo(cheng_socket *s, void *context)
{
    char buffer[200];
    size_t n;
    int rc;
    (void)context;
    while ((rc = cheng_socket_read(s, buffer, sizeof buffer, &n)) == 0 && n > 0)
        if ((rc = cheng_socket_write(s, buffer, n)) < 0)
            break;
    return rc;
}

struct service {
    cheng_socket *listener;
    cheng_serve_options options;
};

static int serve(const void *arg, void *result)
{
    const struct service *service = arg;
    (void)result;
    expect(cheng_serve(service->listener, echo, NULL, &service->options) == 0);
    return 0;
}

/* A server goes on whatever becomes of a client: the one that calls last is answered. */
static int serve_and_call(enum cheng_kind kind)
{
    static struct call calls[2];
    struct service service = { .options = { .kind = kind, .max_clients = 2 } };
    cheng_task *server = NULL;
    int status = 0, rc = cheng_listen(&service.listener, NULL, "0", NULL);
    if (rc < 0)
        return rc;
    struct call *call = &calls[0];
    rc = cheng_socket_port(service.listener);
    if (rc > 0) {
        snprintf(call->service, sizeof call->service, "%d", rc);
        rc = cheng_start(&server, kind, serve, &service, sizeof service, NULL);
    }
    if (rc == 0) {
        rc = client(&call, NULL);
        cheng_socket_close(service.listener);
        expect(cheng_join_until(server, &status, cheng_after(3 * CHENG_SECOND)) == 0);
        cheng_task_free(server);
    }
    cheng_socket_free(service.listener);
    return rc < 0 ? rc : status;
}

SCENARIO(server_threads, CONNECTION_ERRORS)
{
    return serve_and_call(CHENG_THREAD);
}

static int server_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    return serve_and_call(CHENG_COROUTINE);
}

SCENARIO(server_coroutines, CONNECTION_ERRORS)
{
    return in_run(server_within);
}

/* ---- descriptors that are not sockets of ours ---- */

static int write_late(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_sleep(2 * CHENG_MILLISECOND);
    return write(*(const int *)arg, "x", 1) == 1 ? rc : -EIO;
}

/* Waits twice, so that the descriptor is known the second time; one with a large number needs a larger table. */
static int poll_pipe(enum cheng_kind kind)
{
    int ends[2], high, status = 0, rc = 0;
    unsigned ready;
    char byte;
    expect(pipe2(ends, O_CLOEXEC) == 0 && (high = fcntl(ends[0], F_DUPFD_CLOEXEC, HIGH)) >= HIGH);
    for (int i = 0; rc == 0 && i < 3; i++) {
        cheng_task *task;
        rc = cheng_start(&task, kind, write_late, &ends[1], sizeof ends[1], NULL);
        if (rc < 0)
            break;
        rc = cheng_poll(i < 2 ? ends[0] : high, CHENG_READABLE, &ready, soon());
        expect(cheng_join(task, &status) == 0 && status == 0);
        cheng_task_free(task);
        expect(rc < 0 || ready == CHENG_READABLE);
        expect(read(ends[0], &byte, 1) == 1);
    }
    close(ends[0]);
    close(ends[1]);
    close(high);
    return rc;
}

SCENARIO(poll_thread, SOCKET_ERRORS)
{
    return poll_pipe(CHENG_THREAD);
}

static int poll_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    return poll_pipe(CHENG_COROUTINE);
}

SCENARIO(poll_coroutine, SOCKET_ERRORS)
{
    return in_run(poll_within);
}

/* So many cases that they need memory; two of them are the same pipe. */
static int select_pipe(enum cheng_kind kind)
{
    int ends[2], high, status = 0;
    cheng_event never = { 0 };
    cheng_case cases[10];
    char byte;
    expect(pipe2(ends, O_CLOEXEC) == 0 && (high = fcntl(ends[0], F_DUPFD_CLOEXEC, HIGH)) >= HIGH);
    for (int i = 0; i < 10; i++)
        cases[i] = cheng_case_event(&never);
    cases[4] = cheng_case_poll(ends[0], CHENG_READABLE);
    cases[8] = cheng_case_poll(high, CHENG_READABLE);
    cheng_task *task;
    int rc = cheng_start(&task, kind, write_late, &ends[1], sizeof ends[1], NULL);
    if (rc == 0) {
        rc = cheng_select_until(cases, 10, soon());
        expect(rc < 0 || rc == 4 || rc == 8);
        if (rc >= 0)
            rc = cases[rc].result;
        expect(cheng_join(task, &status) == 0 && status == 0);
        cheng_task_free(task);
        expect(read(ends[0], &byte, 1) == 1);
    }
    close(ends[0]);
    close(ends[1]);
    close(high);
    return rc;
}

SCENARIO(select_thread, SOCKET_ERRORS)
{
    return select_pipe(CHENG_THREAD);
}

static int select_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    return select_pipe(CHENG_COROUTINE);
}

SCENARIO(select_coroutine, SOCKET_ERRORS)
{
    return in_run(select_within);
}

/* More descriptors than a ring of io_uring has places for requests. */
static int select_many(const void *arg, void *result)
{
    enum { MANY = 140 };
    cheng_case cases[MANY];
    int ends[2], fds[MANY];
    (void)arg, (void)result;
    expect(pipe2(ends, O_CLOEXEC) == 0);
    for (int i = 0; i < MANY; i++) {
        expect((fds[i] = fcntl(ends[0], F_DUPFD_CLOEXEC, 0)) >= 0);
        cases[i] = cheng_case_poll(fds[i], CHENG_READABLE);
    }
    int rc = cheng_select_until(cases, MANY, cheng_after(CHENG_MILLISECOND));
    if (rc >= 0)
        rc = cases[rc].result;
    expect(rc < 0);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    close(ends[0]);
    close(ends[1]);
    return rc == -ETIMEDOUT ? 0 : rc;
}

SCENARIO(select_of_many, SOCKET_ERRORS)
{
    return in_run(select_many);
}

/* A pair made of descriptors that cheng_poll has waited for: the poller knows their files. */
static int adopted_within(const void *arg, void *result)
{
    int fds[2];
    char byte;
    size_t n;
    cheng_socket *s = NULL;
    (void)arg, (void)result;
    expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    int rc = cheng_poll(fds[0], CHENG_READABLE, NULL, cheng_after(CHENG_MILLISECOND));
    if (rc == -ETIMEDOUT)
        rc = cheng_socket_adopt(&s, fds[0]);
    if (rc == 0) {
        rc = cheng_socket_read_until(s, &byte, 1, &n, cheng_after(CHENG_MILLISECOND));
        cheng_socket_free(s);
        for (int i = 0; i < YIELDS; i++)
            cheng_yield(); /* a worker that is never idle looks for events all the same */
    } else {
        close(fds[0]);
    }
    close(fds[1]);
    return rc == -ETIMEDOUT ? 0 : rc;
}

SCENARIO(adopted, CONNECTION_ERRORS)
{
    return in_run(adopted_within);
}

/* ---- names ---- */

static int resolve(const void *arg, void *result)
{
    cheng_address found[4];
    size_t n = 0;
    (void)arg, (void)result;
    int rc = cheng_resolve("localhost", found, 4, &n);
    expect(rc < 0 ? n == 0 : n > 0 && found[0].text[0] != '\0');
    return rc;
}

SCENARIO(resolve_thread, ENOENT, EHOSTUNREACH, ENOMEM, EMFILE, EAGAIN)
{
    return resolve(NULL, NULL);
}

SCENARIO(resolve_coroutine, ENOENT, EHOSTUNREACH, ENOMEM, EMFILE, ENFILE, ENOSPC, EAGAIN)
{
    return in_run(resolve);
}
