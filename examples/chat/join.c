/* A member at a terminal: one task reads what is typed, the other what is said. */
#include "chat.h"

#include <stdio.h>
#include <string.h>

static int read_typed(const void *argument, void *result)
{
    cheng_socket *s = *(cheng_socket *const *)argument;
    char buffer[LINE_MAX_SIZE], *line;
    size_t size;
    int rc;
    cheng_reader reader = { .fd = 0, .buffer = buffer, .size = sizeof buffer };
    (void)result;
    while ((rc = cheng_reader_line(&reader, '\n', &line, &size)) == 0 && size > 0)
        if (*line != '\n' && (rc = cheng_socket_write(s, line, size)) < 0)
            break;
    if (rc == -EMSGSIZE)
        fprintf(stderr, "chat: a line of more than %d bytes\n", LINE_MAX_SIZE);
    cheng_socket_finish(s);
    return 0;
}

static int talk(const void *argument, void *result)
{
    cheng_socket *s = *(cheng_socket *const *)argument;
    cheng_task *typed;
    char buffer[4096];
    size_t n;
    (void)result;
    int rc = cheng_start(&typed, CHENG_COROUTINE, read_typed, argument, sizeof s, NULL);
    if (rc < 0)
        return rc;
    while ((rc = cheng_socket_read(s, buffer, sizeof buffer, &n)) == 0 && n > 0)
        if ((rc = cheng_write(1, buffer, n)) < 0)
            break;
    cheng_cancel(typed); /* the room has closed: nobody listens to what is typed */
    cheng_join(typed, NULL);
    cheng_task_free(typed);
    return rc;
}

int join_room(const char *host, const char *port, const char *name)
{
    cheng_socket *s;
    int status = 0, rc = cheng_connect_until(&s, host, port, cheng_after(10 * CHENG_SECOND));
    if (rc == 0) {
        rc = cheng_socket_write(s, name, strlen(name));
        if (rc == 0)
            rc = cheng_socket_write(s, "\n", 1);
        if (rc == 0)
            rc = cheng_run(&status, talk, &s, sizeof s);
        cheng_socket_free(s);
    }
    rc = rc < 0 ? rc : status;
    if (rc < 0)
        fprintf(stderr, "chat: %s: %s\n", host, cheng_strerror(rc));
    return rc < 0;
}
