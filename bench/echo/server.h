/* server.h: a listening socket on any port of the loopback, for servers that make their own. */
#include "../bench.h"
#include <arpa/inet.h>
#include <sys/socket.h>

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
