/* The floor of a server: a loop of epoll_wait, read and write, one thread, level-triggered. */
#include "server.h"
#include <netinet/tcp.h>
#include <sys/epoll.h>

int main(int argc, char **argv)
{
    struct epoll_event events[128];
    char buffer[4096];
    bench_begin(argc, argv);
    int listener = listen_and_print_port(SOCK_NONBLOCK), epoll = epoll_create1(EPOLL_CLOEXEC), one = 1;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, 128, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                if (event.data.fd >= 0)
                    epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            ssize_t got = read(fd, buffer, sizeof buffer);
            if (got <= 0 || write(fd, buffer, (size_t)got) != got)
                close(fd);
        }
    }
}
