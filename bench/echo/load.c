/* The load of the echo rows, the same for every server: `load SERVER ROW SECONDS`.
 *
 * Starts the server (which prints its port), opens as many connections as the row says (echo.64k: 50), and
 * on each sends a message of 64 bytes (echo.64k: 65,536), waits until it is back, sends it again. With one CPU, load and server
 * share it, so a value, answers a second, is one over the cost of both sides of an answer; with two, each has its own.
 * `.cpu` is the server's CPU time for one, in microseconds. */
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

enum { MESSAGE_MOST = 65536, MOST = 20000 };

static size_t size = 64; /* of a message */
static struct {
    size_t unsent, missing; /* bytes of the message, and of its answer, that are still to go and to come */
    bool full;              /* the system took no more: waits until it does */
} connections[MOST];        /* by descriptor */
static char message[MESSAGE_MOST], answer[MESSAGE_MOST];

static void send_rest(int fd)
{
    ssize_t put = write(fd, message, connections[fd].unsent);
    bench_check(put > 0 || errno == EAGAIN, "write");
    connections[fd].unsent -= put > 0 ? (size_t)put : 0;
    bool full = connections[fd].unsent > 0;
    if (full != connections[fd].full)
        watch(fd, EPOLL_CTL_MOD, full ? EPOLLIN | EPOLLOUT : EPOLLIN);
    connections[fd].full = full;
}

static void send_message(int fd)
{
    connections[fd].unsent = connections[fd].missing = size;
    send_rest(fd);
}

static void connect_to(int port)
{
    int fd = connect_socket(port);
    bench_check(fd < MOST, "too many connections");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    send_message(fd);
}

/* Serves answers for that long; how many came back whole. */
static double answers(int64_t ns)
{
    struct epoll_event events[128];
    long count = 0;
    for (int64_t end = bench_clock() + ns; bench_clock() < end;) {
        int n = epoll_wait(epoll, events, 128, 1000);
        bench_check(n > 0, "the server stopped answering");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (events[i].events & EPOLLOUT)
                send_rest(fd);
            if (!(events[i].events & ~(uint32_t)EPOLLOUT))
                continue;
            ssize_t got = read(fd, answer, connections[fd].missing);
            bench_check(got > 0, "the server closed a connection");
            connections[fd].missing -= (size_t)got;
            if (connections[fd].missing > 0)
                continue;
            count++;
            send_message(fd);
        }
    }
    return (double)count;
}

/* How many connections; sets the size. */
static int shape(void)
{
    int count = 0;
    const char *row = strstr(bench_row, "echo.");
    if (row && strcmp(row, "echo.64k") == 0) {
        size = MESSAGE_MOST;
        return 50;
    }
    bench_check(row && sscanf(row, "echo.%d", &count) == 1 && count > 0, "no such row");
    return count;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    bench_check(argc == 4, "usage: load SERVER ROW SECONDS");
    bench_begin(argc - 1, argv + 1);
    int count = shape();
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int port = start_server(argv + 1);
    while (count-- > 0)
        connect_to(port);
    measure(answers);
    return 0;
}
