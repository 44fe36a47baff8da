/* libuv: requests to its pool of four threads, each of which is followed by the next from its callback. */
#include "file.h"
#include <uv.h>

struct chain {
    uv_fs_t request;
    int fd;
    char bytes[FILE_SIZE];
};

static void open_next(struct chain *chain);

static struct chain *chain_of(uv_fs_t *request)
{
    bench_check(request->result >= 0, "open, read or close");
    uv_fs_req_cleanup(request);
    return (struct chain *)request; /* its first member */
}

static void on_closed(uv_fs_t *request)
{
    open_next(chain_of(request));
}

static void on_read(uv_fs_t *request)
{
    struct chain *chain = chain_of(request);
    check_file(chain->bytes, (size_t)request->result);
    uv_fs_close(uv_default_loop(), request, chain->fd, on_closed);
}

static void on_open(uv_fs_t *request)
{
    struct chain *chain = chain_of(request);
    uv_buf_t buffer = uv_buf_init(chain->bytes, sizeof chain->bytes);
    chain->fd = (int)request->result;
    uv_fs_read(uv_default_loop(), request, chain->fd, &buffer, 1, -1, on_read);
}

static void open_next(struct chain *chain)
{
    const char *path = next_path();
    if (path != NULL)
        uv_fs_open(uv_default_loop(), &chain->request, path, O_RDONLY | O_CLOEXEC, 0, on_open);
}

static void read_files(void)
{
    static struct chain chains[IN_FLIGHT];
    for (int i = 0; i < IN_FLIGHT; i++)
        open_next(&chains[i]);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
