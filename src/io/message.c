/* What else a stream carries: descriptors, and parts of files. */
#include <cheng/task.h>

#include <errno.h>

#include "io/socket.h"

/* ---- descriptors ---- */

struct message {
    const void *data;
    void *buffer;
    size_t size;
    const int *fds;
    int *room;
    size_t count; /* of the descriptors, or of the room */
};

static int send_message(int fd, void *request)
{
    const struct message *m = request;
    return chengi_sys_send_fds(fd, m->data, m->size, m->fds, m->count);
}

int cheng_socket_send_fds_until(cheng_socket *s, const void *data, size_t size, const int *fds, size_t count,
                                cheng_deadline deadline)
{
    struct message message = { .data = data, .size = size, .fds = fds, .count = count };
    if (size == 0 || count == 0 || count > CHENG_FDS_MAX)
        return -EINVAL;
    int rc = chengi_socket_put(s, WRITER, send_message, &message, deadline);
    return rc < 0 ? rc : cheng_socket_write_until(s, (const char *)data + rc, size - (size_t)rc, deadline);
}

static int receive_message(int fd, void *request)
{
    struct message *m = request;
    size_t count;
    int rc = chengi_sys_receive_fds(fd, m->buffer, m->size, m->room, m->count, &count);
    if (rc >= 0)
        m->count = count;
    return rc;
}

int cheng_socket_receive_fds_until(cheng_socket *s, void *buffer, size_t size, size_t *got, int *fds,
                                   size_t room, size_t *count, cheng_deadline deadline)
{
    struct message message = { .buffer = buffer, .size = size, .room = fds, .count = room };
    if (size == 0)
        return -EINVAL;
    int rc = chengi_socket_take(s, receive_message, &message, deadline);
    if (rc < 0)
        return rc;
    *got = (size_t)rc;
    *count = message.count;
    return 0;
}

/* ---- files ---- */

struct file_part {
    int to, file;
    uint64_t offset;
    size_t size;
    int sent;
};

static int send_part(const void *argument, void *part)
{
    struct file_part *p = part;
    (void)argument;
    p->sent = chengi_sys_send_file(p->to, p->file, p->offset, p->size);
    return 0;
}

/* -EAGAIN of the socket is waited for, that of a lack of helpers is not. */
enum { NO_HELPER = -EDEADLK };

static int send_file(int fd, void *request)
{
    struct file_part *part = request;
    part->to = fd;
    int rc = cheng_offload(send_part, NULL, part);
    return rc == -EAGAIN ? NO_HELPER : rc < 0 ? rc : part->sent;
}

int cheng_socket_write_file_until(cheng_socket *s, int fd, uint64_t offset, size_t size, size_t *put,
                                  cheng_deadline deadline)
{
    struct file_part part = { .file = fd, .offset = offset, .size = size };
    int rc = chengi_socket_put(s, WRITER, send_file, &part, deadline);
    if (rc < 0)
        return rc == NO_HELPER ? -EAGAIN : rc;
    *put = (size_t)rc;
    return 0;
}
