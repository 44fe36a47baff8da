/* Files, pipes and terminals. What may block is done by the worker's poller, if that can, else by a helper thread, but a
 * coroutine first tries what the system may do from its memory, which takes less; what may be polled is waited for first, and
 * then does not block: of a pipe that can be read, a read takes what is there; one that can be written has room for a
 * page. A terminal that can be written may still block a write, so a helper does it. */
#include <cheng/file.h>
#include <cheng/socket.h>
#include <cheng/task.h>

#include <errno.h>

#include "base/compiler.h"
#include "host/host.h"
#include "io/sys_file.h"
#include "io/sys_socket.h"
#include "park/park.h"
#include "run/worker.h"

enum { PIPE_ROOM = 4096, AT_ONCE_MOST = 65536 }; /* of more, the copying alone would keep the worker */

enum operation { OPEN, SYNC, READ, WRITE, READ_AT, WRITE_AT };

struct request {
    enum operation operation;
    int fd, flags;
    unsigned mode;
    const char *path;
    void *buffer;
    const void *data;
    size_t size;
    uint64_t offset;
};

static int perform(const void *argument, void *unused)
{
    const struct request *r = argument;
    int rc;
    (void)unused;
    switch (r->operation) {
    case OPEN:
        return chengi_sys_open(r->path, r->flags, r->mode);
    case SYNC:
        return chengi_sys_sync(r->fd);
    case READ:
        return chengi_sys_read(r->fd, r->buffer, r->size);
    case WRITE: /* of a terminal that does not block -EAGAIN, which here would mean that there is no helper */
        rc = chengi_sys_write(r->fd, r->data, r->size);
        return rc == -EAGAIN ? 0 : rc;
    case READ_AT:
        return chengi_sys_pread(r->fd, r->buffer, r->size, r->offset);
    case WRITE_AT:
        return chengi_sys_pwrite(r->fd, r->data, r->size, r->offset);
    }
    return -EINVAL;
}

/* On the waiting coroutine's stack. */
struct transfer_wait {
    struct watch watch;
    uint32_t done; /* parked on while 0; set and read by the worker's thread only */
    int result;
};

static void on_transferred(struct watch *watch, unsigned result)
{
    struct transfer_wait *wait = CHENGI_CONTAINER(watch, struct transfer_wait, watch);
    wait->result = (int)result;
    store_relaxed(&wait->done, 1);
    chengi_unpark(&wait->done, 1);
}

/* -ENOTSUP: not by the poller. */
static int transfer(const struct request *r)
{
    const struct why why = { CHENGI_WAIT_OFFLOAD, NULL, NULL };
    bool write = r->operation == WRITE || r->operation == WRITE_AT;
    bool at = r->operation == READ_AT || r->operation == WRITE_AT;
    if (chengi_worker == NULL || (!write && r->operation != READ && r->operation != READ_AT) ||
        (at && r->offset > INT64_MAX)) /* which the system has an error for */
        return -ENOTSUP;
    struct transfer_wait wait = { .watch = { on_transferred } };
    int rc = chengi_host_poller_transfer(
        &chengi_worker->poller,
        &(struct host_transfer){ .write = write,
                                 .fd = r->fd,
                                 .buffer = write ? (void *)(uintptr_t)r->data : r->buffer,
                                 .size = r->size,
                                 .offset = at ? r->offset : UINT64_MAX },
        (uint64_t)(uintptr_t)&wait.watch);
    if (rc < 0)
        return rc;
    chengi_worker->polls = true;
    while (!load_relaxed(&wait.done)) /* the buffer is the kernel's until then */
        chengi_park(&wait.done, 0, 0, &why, CHENGI_PARK_UNCANCELLABLE);
    return wait.result == -EAGAIN ? -ENOTSUP : wait.result; /* a file that is not to block */
}

static int offload(const struct request *request)
{
    int rc;
    do {
        rc = cheng_cancelled() ? -ECANCELED : transfer(request);
        if (rc == -ENOTSUP)
            rc = cheng_offload(perform, request, NULL);
    } while (rc == -EINTR);
    return rc;
}

/* What was in memory, and only then, by a helper, what was not. */
static int read_at_once(const struct request *r)
{
    size_t have = 0;
    int rc = -EAGAIN;
    if (r->size > AT_ONCE_MOST || r->offset > INT64_MAX - AT_ONCE_MOST)
        return rc;
    do {
        int64_t at = r->operation == READ ? -1 : (int64_t)(r->offset + have);
        rc = chengi_sys_read_at_once(r->fd, (char *)r->buffer + have, r->size - have, at);
        have += rc > 0 ? (size_t)rc : 0;
    } while (rc > 0 && have < r->size);
    if (rc < 0 && have > 0) {
        struct request rest = *r;
        rest.buffer = (char *)r->buffer + have;
        rest.size -= have;
        rest.offset += have;
        rc = offload(&rest);
        have += rc > 0 ? (size_t)rc : 0;
    }
    return have > 0 ? (int)have : rc;
}

static int have_done(const struct request *request)
{
    int rc = -EAGAIN;
    if (chengi_worker != NULL && !cheng_cancelled()) {
        if (request->operation == OPEN)
            rc = chengi_sys_open_at_once(request->path, request->flags);
        else if (request->operation == READ || request->operation == READ_AT)
            rc = read_at_once(request);
    }
    if (rc == -EAGAIN)
        return offload(request);
    chengi_worker_done();
    return rc;
}

int cheng_open(int *fd, const char *path, int flags, unsigned mode)
{
    if (path == NULL)
        return -EINVAL;
    int rc = have_done(&(struct request){ .operation = OPEN, .path = path, .flags = flags, .mode = mode });
    if (rc < 0)
        return rc;
    *fd = rc;
    return 0;
}

static int close_it(const void *fd, void *result)
{
    *(int *)result = chengi_sys_close_file(*(const int *)fd);
    return 0;
}

int cheng_close(int fd)
{
    int result = chengi_worker != NULL ? chengi_sys_close_at_once(fd) : -EAGAIN;
    if (result != -EAGAIN)
        chengi_worker_done();
    else if (cheng_offload(close_it, &fd, &result) < 0) /* no helper: the caller may not be left with it */
        result = chengi_sys_close_file(fd);
    return result == -EINTR ? 0 : result; /* closed all the same */
}

int cheng_sync(int fd)
{
    return have_done(&(struct request){ .operation = SYNC, .fd = fd });
}

static int read_some(int fd, void *buffer, size_t size, cheng_deadline deadline)
{
    int kind = chengi_sys_file_kind(fd), rc;
    if (kind < 0)
        return kind;
    if (kind == CHENGI_FILE)
        return have_done(&(struct request){ .operation = READ, .fd = fd, .buffer = buffer, .size = size });
    do {
        rc = cheng_poll(fd, CHENG_READABLE, NULL, deadline);
        if (rc == 0)
            rc = kind == CHENGI_SOCKET ? chengi_sys_receive(fd, buffer, size)
                                       : chengi_sys_read(fd, buffer, size);
        else if (rc == -EAGAIN)
            return rc;
    } while (rc == -EINTR || rc == -EAGAIN); /* another reader of what does not block was faster */
    return rc;
}

int cheng_read_until(int fd, void *buffer, size_t size, size_t *got, cheng_deadline deadline)
{
    int rc = read_some(fd, buffer, size, deadline);
    if (rc < 0)
        return rc;
    *got = (size_t)rc;
    return 0;
}

int cheng_read(int fd, void *buffer, size_t size, size_t *got)
{
    return cheng_read_until(fd, buffer, size, got, CHENG_FOREVER);
}

static int write_some(int fd, enum file_kind kind, const char *data, size_t size, cheng_deadline deadline)
{
    int rc = kind == CHENGI_FILE ? 0 : cheng_poll(fd, CHENG_WRITABLE, NULL, deadline);
    if (rc < 0)
        return rc;
    size_t part = size < PIPE_ROOM ? size : PIPE_ROOM;
    if (kind == CHENGI_FILE || kind == CHENGI_TERMINAL)
        return have_done(&(struct request){
            .operation = WRITE, .fd = fd, .data = data, .size = kind == CHENGI_FILE ? size : part });
    rc = kind == CHENGI_PIPE ? chengi_sys_write(fd, data, part) : chengi_sys_send(fd, data, size);
    return rc == -EINTR || rc == -EAGAIN ? 0 : rc; /* full again: another writer was faster */
}

int cheng_write_until(int fd, const void *data, size_t size, cheng_deadline deadline)
{
    int kind = chengi_sys_file_kind(fd);
    if (kind < 0)
        return kind;
    for (const char *from = data; size > 0;) {
        int rc = write_some(fd, (enum file_kind)kind, from, size, deadline);
        if (rc < 0)
            return rc;
        from += rc;
        size -= (size_t)rc;
    }
    return 0;
}

int cheng_write(int fd, const void *data, size_t size)
{
    return cheng_write_until(fd, data, size, CHENG_FOREVER);
}

int cheng_read_at(int fd, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    int rc = have_done(&(struct request){
        .operation = READ_AT, .fd = fd, .buffer = buffer, .size = size, .offset = offset });
    if (rc < 0)
        return rc;
    *got = (size_t)rc;
    return 0;
}

int cheng_write_at(int fd, uint64_t offset, const void *data, size_t size)
{
    for (const char *from = data; size > 0;) {
        int rc = have_done(&(struct request){
            .operation = WRITE_AT, .fd = fd, .data = from, .size = size, .offset = offset });
        if (rc < 0)
            return rc;
        from += rc;
        size -= (size_t)rc;
        offset += (uint64_t)rc;
    }
    return 0;
}
