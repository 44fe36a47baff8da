/* libuv, in its cheapest manner: one buffer for all, and writes that are tried before they are queued. What could not
 * be written at once is queued as a copy, and goes out before more is read. */
#include "server.h"
#include <uv.h>

struct queued {
    uv_write_t request;
    char bytes[];
};

static char shared[ROOM_MOST];

static void give_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    (void)handle;
    (void)size;
    *buffer = uv_buf_init(shared, (unsigned)room());
}

static void on_read(uv_stream_t *client, ssize_t got, const uv_buf_t *buffer);

static void on_written(uv_write_t *request, int status)
{
    if (status < 0)
        uv_close((uv_handle_t *)request->handle, (uv_close_cb)free);
    else
        uv_read_start(request->handle, give_buffer, on_read);
    free(request); /* the first member of a struct queued */
}

static void queue_rest(uv_stream_t *client, const char *bytes, size_t size)
{
    struct queued *queued = malloc(sizeof *queued + size);
    bench_check(queued != NULL, "no memory");
    memcpy(queued->bytes, bytes, size);
    uv_buf_t data = uv_buf_init(queued->bytes, (unsigned)size);
    uv_read_stop(client);
    bench_check(uv_write(&queued->request, client, &data, 1, on_written) == 0, "uv_write");
}

static void on_read(uv_stream_t *client, ssize_t got, const uv_buf_t *buffer)
{
    if (got == 0)
        return; /* nothing there after all */
    uv_buf_t data = uv_buf_init(buffer->base, got > 0 ? (unsigned)got : 0);
    int put = got < 0 ? (int)got : uv_try_write(client, &data, 1);
    if (put == UV_EAGAIN)
        put = 0;
    if (put < 0)
        uv_close((uv_handle_t *)client, (uv_close_cb)free);
    else if (put < got)
        queue_rest(client, buffer->base + put, (size_t)(got - put));
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *client = malloc(sizeof *client);
    if (status < 0 || !client || uv_tcp_init(listener->loop, client) < 0 ||
        uv_accept(listener, (uv_stream_t *)client) < 0)
        bench_fail("accept");
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, give_buffer, on_read);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    bench_begin(argc, argv);
    uv_tcp_init(uv_default_loop(), &listener);
    uv_tcp_open(&listener, listen_and_print_port(SOCK_NONBLOCK));
    bench_check(uv_listen((uv_stream_t *)&listener, SOMAXCONN, on_connection) == 0, "listen");
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
