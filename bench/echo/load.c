/* The load of the echo rows, the same for every server: `load SERVER ROW SECONDS`.
 *
 * Starts the server (which prints its port), opens as many connections as the row's last number says, and
 * on each sends 64 bytes, waits until they are back, sends them again. Load and server share the row's
 * CPUs, so with one core a value, requests a second, is one over the cost of both sides of a request;
 * `.cpu` is the server's own part of it, in microseconds. */
#include "../bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { MESSAGE = 64, MOST = 20000 };

static pid_t server;
static int epoll;
static int missing[MOST]; /* by descriptor: bytes of the answer that are still to come */
static char message[MESSAGE];

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

static void connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_check(fd >= 0 && fd < MOST && connect(fd, (struct sockaddr *)&address, sizeof address) == 0,
                "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    bench_check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    missing[fd] = MESSAGE;
    bench_check(write(fd, message, MESSAGE) == MESSAGE, "write");
}

/* Serves answers for that long; how many came back whole. */
static double answers(int64_t ns)
{
    struct epoll_event events[128];
    char buffer[MESSAGE];
    long count = 0;
    for (int64_t end = bench_clock() + ns; bench_clock() < end;) {
        int n = epoll_wait(epoll, events, 128, 1000);
        bench_check(n > 0, "the server stopped answering");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            ssize_t got = read(fd, buffer, (size_t)missing[fd]);
            bench_check(got > 0, "the server closed a connection");
            missing[fd] -= (int)got;
            if (missing[fd] > 0)
                continue;
            count++;
            missing[fd] = MESSAGE;
            bench_check(write(fd, message, MESSAGE) == MESSAGE, "write");
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

int main(int argc, char **argv)
{
    int connections;
    clockid_t clock;
    bench_check(argc == 4, "usage: load SERVER ROW SECONDS");
    bench_begin(argc - 1, argv + 1);
    const char *last = strrchr(bench_row, '.');
    bench_check(last && (connections = atoi(last + 1)) > 0, "no such row");
    int port = start_server(argv + 1);
    bench_check(clock_getcpuclockid(server, &clock) == 0, "clock_getcpuclockid");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    while (connections-- > 0)
        connect_to(port);
    answers(50000000); /* until all run, and the server has grown to its size */
    for (int i = 0; i < BENCH_SAMPLES; i++) {
        double cpu = server_cpu_ns(clock);
        int64_t start = bench_clock();
        double count = answers((int64_t)(bench_seconds * 1e9));
        bench_print("", count * 1e9 / (double)(bench_clock() - start));
        bench_print(".cpu", (server_cpu_ns(clock) - cpu) / 1e3 / count);
    }
    return 0;
}
