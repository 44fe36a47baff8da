/* load.h: what the loads of echo servers share: the server as a child, connections to it, samples. */
#include "../bench.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

static pid_t server;
static int epoll;

static void end_server(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

/* Returns its port. The load itself goes to the second of the row's CPUs, if there is one. */
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
    epoll = epoll_create1(EPOLL_CLOEXEC);
    bench_pin(1);
    return port; /* its output stays open */
}

static void watch(int fd, int how, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    bench_check(epoll_ctl(epoll, how, fd, &event) == 0, "epoll_ctl");
}

static int connect_socket(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_check(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static double server_cpu_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* `answers` serves answers for so many nanoseconds, and returns how many came back whole. */
static void measure(double (*answers)(int64_t ns))
{
    clockid_t clock;
    bench_check(clock_getcpuclockid(server, &clock) == 0, "clock_getcpuclockid");
    answers(50000000); /* until all run, and the server has grown to its size */
    for (int i = 0; i < BENCH_SAMPLES; i++) {
        double cpu = server_cpu_ns(clock);
        int64_t start = bench_clock();
        double done = answers((int64_t)(bench_seconds * 1e9));
        bench_print("", done * 1e9 / (double)(bench_clock() - start));
        bench_print(".cpu", (server_cpu_ns(clock) - cpu) / 1e3 / done);
    }
}
