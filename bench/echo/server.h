/* server.h: what the servers of the echo rows share: how much they read at a time, and, for those that make their
 * own, a listening socket on any port of the loopback. */
#include "../bench.h"
#include <arpa/inet.h>
#include <sys/socket.h>

enum { ROOM_MOST = 65536 + 4096 };

/* A whole message of echo.64k, and more, so that who has read it knows that there is no more; elsewhere a page. */
static inline size_t room(void)
{
    return strstr(bench_row, ".64k") ? ROOM_MOST : 4096;
}

static inline int listen_and_print_port(int flags)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    bench_check(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, SOMAXCONN) == 0 &&
                    getsockname(fd, (struct sockaddr *)&address, &size) == 0,
                "listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}
