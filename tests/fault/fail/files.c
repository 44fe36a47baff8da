/* Scenarios: files, pipes, datagrams, descriptors sent, names of addresses. */
#include <cheng.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "scenario.h"

#define RUN_ERRORS EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC, EAGAIN
#define FILE_ERRORS RUN_ERRORS, EACCES, ENOENT, EROFS, EIO, EPIPE
#define CONNECTION_ERRORS                                                                                    \
    RUN_ERRORS, EACCES, ECONNRESET, ECONNREFUSED, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, ENETUNREACH,      \
        ETIMEDOUT, EPERM, EPIPE, ENOENT, EHOSTUNREACH, ENOPROTOOPT, EIO, ETOOMANYREFS, ENOTCONN

static int in_run(cheng_fn *function)
{
    int status = 0, rc = cheng_run(&status, function, NULL, 0);
    return rc < 0 ? rc : status;
}

static cheng_deadline soon(void)
{
    return cheng_after(CHENG_SECOND);
}

/* ---- files ---- */

static int use_file(const void *arg, void *result)
{
    char buffer[16];
    size_t n = 0, all = 0;
    int fd, last;
    (void)arg, (void)result;
    int rc = cheng_open(&fd, "/tmp", O_RDWR | O_TMPFILE, 0600);
    if (rc < 0)
        return rc;
    rc = cheng_write(fd, "0123456789", 10);
    if (rc == 0)
        rc = cheng_write_at(fd, 4, "abcd", 4);
    if (rc == 0)
        rc = cheng_sync(fd);
    do
        if (rc == 0 && (rc = cheng_read_at(fd, all, buffer + all, sizeof buffer - all, &n)) == 0)
            all += n;
    while (rc == 0 && n > 0);
    expect(rc < 0 || (all == 10 && memcmp(buffer, "0123abcd89", 10) == 0));
    if (rc == 0 && (rc = lseek(fd, 0, SEEK_SET) == 0 ? 0 : -EIO) == 0)
        rc = cheng_read(fd, buffer, 1, &n);
    last = cheng_close(fd);
    expect(fcntl(fd, F_GETFD) == -1); /* whatever it said */
    return rc < 0 ? rc : last;
}

/* Of a file that is in the system's memory no helper need be asked. */
static int read_known_file(const void *arg, void *result)
{
    char path[4096] = "", first = 0, second = 0;
    size_t n = 0, m = 0;
    int fd, last;
    (void)arg, (void)result;
    expect(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    int rc = cheng_open(&fd, path, O_RDONLY, 0);
    if (rc < 0)
        return rc;
    rc = cheng_read(fd, &first, 1, &n);
    if (rc == 0)
        rc = cheng_read_at(fd, 1, &second, 1, &m);
    expect(rc < 0 || (n == 1 && first == 0x7f && m == 1 && second == 'E'));
    last = cheng_close(fd);
    expect(fcntl(fd, F_GETFD) == -1);
    return rc < 0 ? rc : last;
}

SCENARIO(known_file, FILE_ERRORS)
{
    return in_run(read_known_file);
}

SCENARIO(file_thread, FILE_ERRORS)
{
    return use_file(NULL, NULL);
}

SCENARIO(file_coroutine, FILE_ERRORS)
{
    return in_run(use_file);
}

static int use_pipe(const void *arg, void *result)
{
    int ends[2];
    char buffer[8];
    size_t n, all = 0;
    (void)arg, (void)result;
    expect(pipe2(ends, O_CLOEXEC) == 0);
    int rc = cheng_write_until(ends[1], "12345", 5, soon());
    while (rc == 0 && all < 5)
        if ((rc = cheng_read_until(ends[0], buffer, sizeof buffer, &n, soon())) == 0)
            all += n;
    close(ends[0]);
    if (rc == 0) /* nobody reads: told, and no signal, which would end the process */
        expect((rc = cheng_write(ends[1], "x", 1)) < 0);
    close(ends[1]);
    return rc == -EPIPE ? 0 : rc;
}

SCENARIO(pipe_thread, FILE_ERRORS)
{
    return use_pipe(NULL, NULL);
}

SCENARIO(pipe_coroutine, FILE_ERRORS)
{
    return in_run(use_pipe);
}

/* ---- what else a stream carries ---- */

static int carry(cheng_socket *a, cheng_socket *b, int file)
{
    char line_buffer[16], *line = line_buffer;
    int fds[2] = { file, file }, got[2];
    size_t n = 0, count = 0;
    cheng_reader reader = { .socket = b, .buffer = line_buffer, .size = sizeof line_buffer };
    int rc = cheng_socket_send_fds_until(a, "x", 1, fds, 2, soon());
    if (rc == 0)
        rc = cheng_socket_receive_fds_until(b, line_buffer, 1, &n, got, 2, &count, soon());
    for (size_t i = 0; rc == 0 && i < count; i++)
        close(got[i]);
    expect(rc < 0 || (n == 1 && count == 2));
    for (uint64_t at = 0; rc == 0 && at < 5; at += n)
        rc = cheng_socket_write_file_until(a, file, at, 5, &n, soon());
    if (rc == 0)
        rc = cheng_reader_line_until(&reader, '\n', &line, &n, soon());
    expect(rc < 0 || (n == 5 && memcmp(line, "line\n", 5) == 0));
    if (rc == 0)
        rc = cheng_socket_wait(a, CHENG_WRITABLE, soon());
    cheng_socket_close(b);
    if (rc == 0)
        expect((rc = cheng_socket_write_file_until(a, file, 0, 5, &n, soon())) < 0);
    return rc == -EPIPE ? 0 : rc;
}

static int over_a_pair(const void *arg, void *result)
{
    cheng_socket *a, *b;
    int file = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    (void)arg, (void)result;
    expect(file >= 0 && write(file, "line\n", 5) == 5);
    int rc = cheng_socket_pair(&a, &b);
    if (rc == 0) {
        rc = carry(a, b, file);
        cheng_socket_free(a);
        cheng_socket_free(b);
    }
    close(file);
    return rc;
}

SCENARIO(pair_thread, CONNECTION_ERRORS)
{
    return over_a_pair(NULL, NULL);
}

SCENARIO(pair_coroutine, CONNECTION_ERRORS)
{
    return in_run(over_a_pair);
}

static int over_a_unix_socket(const void *arg, void *result)
{
    cheng_socket *listener, *client = NULL;
    cheng_endpoint peer;
    char host[40];
    (void)arg, (void)result, (void)cheng_current(); /* what a first call makes stays */
    snprintf(host, sizeof host, "unix:@cheng-fail-%d", (int)getpid());
    int rc = cheng_listen(&listener, host, NULL, NULL);
    if (rc < 0)
        return rc;
    rc = cheng_connect_until(&client, host, NULL, soon());
    if (rc == 0)
        rc = cheng_socket_peer(client, &peer);
    cheng_socket_free(client);
    cheng_socket_free(listener);
    return rc;
}

SCENARIO(unix_thread, CONNECTION_ERRORS)
{
    return over_a_unix_socket(NULL, NULL);
}

/* ---- datagrams ---- */

static int exchange(cheng_socket *server, const char *host, const char *service)
{
    cheng_socket *client;
    char buffer[8];
    size_t n;
    cheng_endpoint from;
    int rc = cheng_datagram_connect(&client, host, service, soon());
    if (rc < 0)
        return rc;
    rc = cheng_datagram_send_until(client, "abc", 3, NULL, soon());
    if (rc == 0)
        rc = cheng_datagram_receive_until(server, buffer, sizeof buffer, &n, &from, soon());
    if (rc == 0)
        rc = cheng_datagram_send_until(server, "abc", 3, &from, soon());
    cheng_socket_free(client);
    return rc;
}

static int datagrams(const char *host, const cheng_listen_options *options)
{
    cheng_socket *server;
    char service[12];
    (void)cheng_current(); /* what a first call makes stays */
    int rc = cheng_datagram_bind(&server, host, "0", options);
    if (rc < 0)
        return rc;
    rc = host[0] == 'u' ? 0 : cheng_socket_port(server);
    if (rc >= 0) {
        snprintf(service, sizeof service, "%d", rc);
        rc = exchange(server, host, service);
    }
    cheng_socket_free(server);
    return rc;
}

SCENARIO(datagrams_udp, CONNECTION_ERRORS)
{
    return datagrams("127.0.0.1", &(cheng_listen_options){ .reuse_port = true });
}

SCENARIO(datagrams_unix, CONNECTION_ERRORS)
{
    char host[40];
    snprintf(host, sizeof host, "unix:@cheng-fail-%d", (int)getpid());
    return datagrams(host, NULL);
}

static int answer(cheng_socket *s, const void *data, size_t size, const cheng_endpoint *from, void *context)
{
    (void)context;
    return cheng_datagram_send(s, data, size, from);
}

static int serve(const void *arg, void *result)
{
    (void)result;
    expect(cheng_serve_datagrams(*(cheng_socket *const *)arg, answer, NULL, NULL) == 0);
    return 0;
}

/* One that is lost, as datagrams are, is sent again. */
static int ask(const char *service)
{
    cheng_socket *client;
    char buffer[8];
    size_t n;
    int rc = cheng_datagram_connect(&client, "127.0.0.1", service, soon());
    if (rc < 0)
        return rc;
    for (int tries = 0; tries < 4; tries++) {
        rc = cheng_datagram_send_until(client, "abc", 3, NULL, soon());
        if (rc == 0)
            rc = cheng_datagram_receive_until(client, buffer, sizeof buffer, &n, NULL,
                                              cheng_after(200 * CHENG_MILLISECOND));
        if (rc == 0)
            break;
    }
    cheng_socket_free(client);
    return rc;
}

static int datagram_server_within(const void *arg, void *result)
{
    cheng_socket *s;
    cheng_task *server = NULL;
    char service[12];
    (void)arg, (void)result;
    int rc = cheng_datagram_bind(&s, "127.0.0.1", "0", NULL);
    if (rc < 0)
        return rc;
    rc = cheng_socket_port(s);
    if (rc > 0) {
        snprintf(service, sizeof service, "%d", rc);
        rc = cheng_start(&server, CHENG_COROUTINE, serve, &s, sizeof(cheng_socket *), NULL);
    }
    if (rc == 0) {
        rc = ask(service);
        cheng_socket_close(s);
        expect(cheng_join_until(server, NULL, cheng_after(3 * CHENG_SECOND)) == 0);
        cheng_task_free(server);
    }
    cheng_socket_free(s);
    return rc;
}

SCENARIO(datagram_server, CONNECTION_ERRORS)
{
    return in_run(datagram_server_within);
}

/* ---- names ---- */

SCENARIO(name_of_address, EINVAL, ENOENT, EHOSTUNREACH, ENOMEM, EMFILE, EAGAIN)
{
    char name[256] = "";
    int rc = cheng_resolve_name(name, sizeof name, "127.0.0.1", cheng_after(5 * CHENG_SECOND));
    expect(rc == 0 ? name[0] != '\0' : name[0] == '\0');
    return rc;
}
