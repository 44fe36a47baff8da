/* libuv, in its cheapest manner: one buffer for all, and writes that are tried before they are queued. */
#include "server.h"
#include <uv.h>

static char shared[4096];

static void give_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    (void)handle;
    (void)size;
    *buffer = uv_buf_init(shared, sizeof shared);
}

static void on_read(uv_stream_t *client, ssize_t got, const uv_buf_t *buffer)
{
    if (got == 0)
        return; /* nothing there after all */
    uv_buf_t data = uv_buf_init(buffer->base, got > 0 ? (unsigned)got : 0);
    if (got < 0 || uv_try_write(client, &data, 1) != got)
        uv_close((uv_handle_t *)client, (uv_close_cb)free);
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
