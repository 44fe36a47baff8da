/* The floor of a server: a loop of epoll_wait, read and write, one thread, level-triggered. What the system does not
 * take at once is copied, and goes out before more is read. */
#include "server.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

enum { MOST = 20000 };

static int epoll;
static struct {
    char *bytes;
    size_t size, sent;
} rest[MOST]; /* by descriptor; no bytes: nothing waits to be sent */
static char buffer[ROOM_MOST];

static void watch(int fd, int how, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    epoll_ctl(epoll, how, fd, &event);
}

static void accept_one(int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    bench_check(fd < MOST, "too many connections");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

static void keep(int fd, const char *bytes, size_t size)
{
    rest[fd].bytes = malloc(size);
    bench_check(rest[fd].bytes != NULL, "no memory");
    memcpy(rest[fd].bytes, bytes, size);
    rest[fd].size = size;
    rest[fd].sent = 0;
    watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

static void send_rest(int fd)
{
    ssize_t put = write(fd, rest[fd].bytes + rest[fd].sent, rest[fd].size - rest[fd].sent);
    if (put > 0)
        rest[fd].sent += (size_t)put;
    if (rest[fd].sent < rest[fd].size && (put >= 0 || errno == EAGAIN))
        return;
    free(rest[fd].bytes);
    rest[fd].bytes = NULL;
    if (put < 0)
        close(fd);
    else
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void echo(int fd)
{
    ssize_t got = read(fd, buffer, room()), put = got <= 0 ? -1 : write(fd, buffer, (size_t)got);
    if (got <= 0 || (put < 0 && errno != EAGAIN)) {
        close(fd);
        return;
    }
    if (put < got)
        keep(fd, buffer + (put < 0 ? 0 : put), (size_t)(got - (put < 0 ? 0 : put)));
}

int main(int argc, char **argv)
{
    struct epoll_event events[128];
    bench_begin(argc, argv);
    int listener = listen_and_print_port(SOCK_NONBLOCK);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int n = epoll_wait(epoll, events, 128, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_one(listener);
            else if (rest[fd].bytes != NULL)
                send_rest(fd);
            else
                echo(fd);
        }
    }
}
