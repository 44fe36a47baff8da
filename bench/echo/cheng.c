/* cheng_serve under cheng_run: one thread, a coroutine for each connection. */
#include "server.h"
#include <cheng.h>

static int echo(cheng_socket *client, void *context)
{
    char buffer[ROOM_MOST]; /* pages that are not used are not there */
    size_t n, size = room();
    (void)context;
    while (cheng_socket_read(client, buffer, size, &n) == 0 && n > 0)
        if (cheng_socket_write(client, buffer, n) < 0)
            break;
    return 0;
}

static int server(const void *arg, void *result)
{
    (void)arg;
    (void)result;
    cheng_socket *listener;
    int rc = cheng_listen(&listener, "127.0.0.1", "0", NULL);
    if (rc < 0)
        return rc;
    printf("%d\n", cheng_socket_port(listener));
    fflush(stdout);
    return cheng_serve(listener, echo, NULL, NULL);
}

int main(int argc, char **argv)
{
    int status = 0;
    bench_begin(argc, argv);
    int rc = cheng_run(&status, server, NULL, 0);
    if (rc < 0 || status < 0)
        bench_fail(cheng_strerror(rc < 0 ? rc : status));
    return 0;
}
