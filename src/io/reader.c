/* Lines. The buffer holds what was read and not taken, from `from` to `to`; it is moved to the front when more has to be
 * read behind it. */
#include <cheng/file.h>
#include <cheng/reader.h>

#include <errno.h>
#include <string.h>

static int read_source(const cheng_reader *r, void *buffer, size_t size, size_t *got, cheng_deadline deadline)
{
    if (r->read != NULL)
        return r->read(r->source, buffer, size, got, deadline);
    return r->socket != NULL ? cheng_socket_read_until(r->socket, buffer, size, got, deadline)
                             : cheng_read_until(r->fd, buffer, size, got, deadline);
}

/* 0, and *got 0: the end. */
static int read_more(cheng_reader *r, size_t *got, cheng_deadline deadline)
{
    if (r->from > 0)
        memmove(r->buffer, r->buffer + r->from, r->to - r->from);
    r->to -= r->from;
    r->from = 0;
    if (r->to == r->size)
        return -EMSGSIZE;
    int rc = read_source(r, r->buffer + r->to, r->size - r->to, got, deadline);
    if (rc == 0)
        r->to += *got;
    return rc;
}

int cheng_reader_line_until(cheng_reader *r, char delimiter, char **line, size_t *size,
                            cheng_deadline deadline)
{
    size_t searched = 0, got = 1;
    if (r->buffer == NULL || r->size == 0)
        return -EINVAL;
    for (;;) {
        char *start = r->buffer + r->from;
        size_t there = r->to - r->from;
        const char *end = memchr(start + searched, delimiter, there - searched);
        if (end != NULL || got == 0) {
            *size = end == NULL ? there : (size_t)(end - start) + 1;
            *line = start;
            r->from += *size;
            return 0;
        }
        searched = there;
        int rc = read_more(r, &got, deadline);
        if (rc < 0)
            return rc;
    }
}

int cheng_reader_line(cheng_reader *r, char delimiter, char **line, size_t *size)
{
    return cheng_reader_line_until(r, delimiter, line, size, CHENG_FOREVER);
}

int cheng_reader_read_until(cheng_reader *r, void *buffer, size_t size, size_t *got, cheng_deadline deadline)
{
    size_t there = r->to - r->from, part = there < size ? there : size;
    if (there == 0)
        return read_source(r, buffer, size, got, deadline);
    memcpy(buffer, r->buffer + r->from, part);
    r->from += part;
    *got = part;
    return 0;
}

int cheng_reader_read(cheng_reader *r, void *buffer, size_t size, size_t *got)
{
    return cheng_reader_read_until(r, buffer, size, got, CHENG_FOREVER);
}
