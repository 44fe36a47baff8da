/* cheng/reader.h: lines of a socket, a file, a pipe, a terminal, or of TLS (Python: makefile().readline()).
 *
 * A reader is a plain struct with a buffer of yours; nothing to destroy. While it is in use, read through it only.
 *
 * @code
 * static int print_lines(cheng_socket *s)
 * {
 *     char buffer[1024], *line;
 *     size_t size;
 *     int rc;
 *     cheng_reader reader = { .socket = s, .buffer = buffer, .size = sizeof buffer };
 *     while ((rc = cheng_reader_line(&reader, '\n', &line, &size)) == 0 && size > 0)
 *         printf("%.*s", (int)size, line);
 *     return rc;
 * }
 * @endcode
 *
 * An error consumes nothing: after a time-out the line goes on where it was. One task at a time.
 *
 *   -EMSGSIZE    the line and its delimiter are longer than the buffer; cheng_reader_read takes what is there
 *   and those of cheng_socket_read and cheng_read, or what `read` gives */
#ifndef CHENG_READER_H
#define CHENG_READER_H

#include <cheng/base.h>
#include <cheng/socket.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int cheng_reader_source(void *source, void *buffer, size_t size, size_t *got,
                                cheng_deadline deadline);

typedef struct cheng_reader {
    cheng_socket *socket; /* or, if NULL: */
    int fd;
    cheng_reader_source
        *read; /* or, if not NULL, whatever this reads of `source`, as cheng_socket_read does of a socket */
    void *source;
    char *buffer; /* the limit of a line is its size */
    size_t size;
    size_t from, to; /* the reader's own: what was read and not taken */
} cheng_reader;

/* The next line, with its delimiter, in the buffer until the next call. The last may be without one; size 0 is the
 * end. */
CHENG_API CHENG_NODISCARD int cheng_reader_line(cheng_reader *reader, char delimiter, char **line,
                                                size_t *size);
CHENG_API CHENG_NODISCARD int cheng_reader_line_until(cheng_reader *reader, char delimiter, char **line,
                                                      size_t *size, cheng_deadline deadline);

/* As cheng_socket_read and cheng_read: what is there, in the buffer first. */
CHENG_API CHENG_NODISCARD int cheng_reader_read(cheng_reader *reader, void *buffer, size_t size, size_t *got);
CHENG_API CHENG_NODISCARD int cheng_reader_read_until(cheng_reader *reader, void *buffer, size_t size,
                                                      size_t *got, cheng_deadline deadline);

#ifdef __cplusplus
}
#endif
#endif
