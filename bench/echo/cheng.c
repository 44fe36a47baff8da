/* cheng_serve under cheng_run: one thread, a coroutine for each connection. */
#include "server.h"
#include <cheng.h>

static int echo(cheng_socket *client, void *context)
{
    char buffer[4096];
    size_t n;
    (void)context;
    while (cheng_socket_read(client, buffer, sizeof buffer, &n) == 0 && n > 0)
        if (cheng_socket_write(client, buffer, n) < 0)
            break;
    return 0;
}

/* ---- with large messages a buffer is taken once there is something to read: few are in use, and stay in the cache ---- */

struct buffer {
    struct buffer *next;
    char bytes[ROOM_MOST];
};

static struct buffer *spare;

static struct buffer *take_buffer(void)
{
    struct buffer *buffer = spare;
    if (buffer != NULL)
        spare = buffer->next;
    else
        bench_check((buffer = malloc(sizeof *buffer)) != NULL, "no memory");
    return buffer;
}

static void give_buffer(struct buffer *buffer)
{
    buffer->next = spare;
    spare = buffer;
}

static int echo_large(cheng_socket *client, void *context)
{
    size_t n = 1;
    int rc = 0;
    (void)context;
    while (rc == 0 && n > 0 && cheng_socket_wait(client, CHENG_READABLE, CHENG_FOREVER) == 0) {
        struct buffer *buffer = take_buffer();
        rc = cheng_socket_read(client, buffer->bytes, sizeof buffer->bytes, &n);
        if (rc == 0)
            rc = cheng_socket_write(client, buffer->bytes, n);
        give_buffer(buffer);
    }
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
    return cheng_serve(listener, room() > 4096 ? echo_large : echo, NULL, NULL);
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
