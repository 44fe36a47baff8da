/* The load of the echo rows, the same for every server: `load SERVER ROW SECONDS`.
 *
 * Starts the server (which prints its port), opens as many connections as the row says (echo.64k: 50), and
 * on each sends a message of 64 bytes (echo.64k: 65,536), waits until it is back, sends it again. With one CPU, load and server
 * share it, so a value, answers a second, is one over the cost of both sides of an answer; with two, each has its own.
 * `.cpu` is the server's CPU time for one, in microseconds. */
#include "../bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { MESSAGE_MOST = 65536, MOST = 20000 };

static pid_t server;
static int epoll;
static size_t size = 64; /* of a message */
static struct {
    size_t unsent, missing; /* bytes of the message, and of its answer, that are still to go and to come */
    bool full;              /* the system took no more: waits until it does */
} connections[MOST];        /* by descriptor */
static char message[MESSAGE_MOST], answer[MESSAGE_MOST];

static void end_server(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static int start_server(char **argv)
{
    int ends[2], port = 0;
    bench_check(pipe(ends) == 0, "pipe");
    server = fork();
    if (server == 0) {
        bench_pin(0);
        dup2(ends[1], STDOUT_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    bench_check(server > 0, "fork");
    atexit(end_server);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    bench_check(output && fscanf(output, "%d", &port) == 1, "the server did not print its port");
    return port; /* its output stays open */
}

static void watch(int fd, int how, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    bench_check(epoll_ctl(epoll, how, fd, &event) == 0, "epoll_ctl");
}

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
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_check(fd >= 0 && fd < MOST && connect(fd, (struct sockaddr *)&address, sizeof address) == 0,
                "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
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

static double server_cpu_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
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
    clockid_t clock;
    struct rlimit files;
    bench_check(argc == 4, "usage: load SERVER ROW SECONDS");
    bench_begin(argc - 1, argv + 1);
    int count = shape();
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int port = start_server(argv + 1);
    bench_pin(1);
    bench_check(clock_getcpuclockid(server, &clock) == 0, "clock_getcpuclockid");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    while (count-- > 0)
        connect_to(port);
    answers(50000000); /* until all run, and the server has grown to its size */
    for (int i = 0; i < BENCH_SAMPLES; i++) {
        double cpu = server_cpu_ns(clock);
        int64_t start = bench_clock();
        double done = answers((int64_t)(bench_seconds * 1e9));
        bench_print("", done * 1e9 / (double)(bench_clock() - start));
        bench_print(".cpu", (server_cpu_ns(clock) - cpu) / 1e3 / done);
    }
    return 0;
}
