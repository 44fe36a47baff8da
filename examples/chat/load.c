/* A room full of people, to see that it holds. In each round TALKERS say a line each, and the next begins when all but the
 * three who misbehave have heard them all. So nobody who listens can be as far behind as a queue is long, and who is shown
 * out is the one who stalls. */
#include "chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TALKERS = 16, ROUNDS_LEAST = 4, ROUNDS_MOST = 400, PADDING = 400 };
static const cheng_duration patience = 60 * CHENG_SECOND;

struct load {
    struct room room;
    cheng_socket *listener;
    char port[8];
    unsigned members;
    cheng_semaphore heard; /* one unit for each listener that has heard a round */
    cheng_socket **sockets;
    uint64_t lines, notices; /* heard, by all together: of members, of the room */
};

static int serve(const void *argument, void *result)
{
    struct load *load = *(struct load *const *)argument;
    (void)result;
    return cheng_serve(load->listener, room_member, &load->room,
                       &(cheng_serve_options){ .kind = load->room.kind, .grace = CHENG_SECOND });
}

/* Hears what is said until the room closes. */
static int listen_on(const void *argument, void *result)
{
    struct load *load = *(struct load *const *)argument;
    cheng_socket *s = *((cheng_socket *const *)argument + 1);
    char buffer[2 * LINE_MAX_SIZE], *line;
    size_t size;
    cheng_reader reader = { .socket = s, .buffer = buffer, .size = sizeof buffer };
    (void)result;
    for (unsigned lines = 0; cheng_reader_line(&reader, '\n', &line, &size) == 0 && size > 0;) {
        __atomic_fetch_add(*line == '<' ? &load->lines : &load->notices, 1, __ATOMIC_RELAXED);
        if (*line == '<' && ++lines % TALKERS == 0)
            cheng_semaphore_release(&load->heard, 1);
    }
    return 0;
}

static int come_in(struct load *load, unsigned i)
{
    char name[NAME_MAX_SIZE];
    int rc = cheng_connect_until(&load->sockets[i], "127.0.0.1", load->port, cheng_after(patience));
    if (rc < 0)
        return rc;
    snprintf(name, sizeof name, "guest-%u\n", i);
    return cheng_socket_write(load->sockets[i], name, strlen(name));
}

static int say_round(struct load *load, unsigned round, unsigned listeners)
{
    char line[LINE_MAX_SIZE];
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < TALKERS; i++) {
        snprintf(line, sizeof line, "round %u %0*d\n", round, PADDING, 0);
        rc = cheng_socket_write(load->sockets[i], line, strlen(line));
    }
    for (unsigned i = 0; rc == 0 && i < listeners; i++)
        rc = cheng_semaphore_acquire_until(&load->heard, cheng_after(patience));
    return rc;
}

static unsigned count(struct load *load, const unsigned *counter)
{
    unsigned value = 0;
    CHENG_WITH(&load->room.lock) {
        value = *counter;
    }
    return value;
}

/* It will not read, and the system shall not take much in for it. */
static void stall(cheng_socket *s)
{
    static const int least = 1;
    setsockopt(cheng_socket_fd(s), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
}

/* The connection ends with no word: what is on its way is lost, and the room is told so (RST). */
static void cut(cheng_socket *s)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(cheng_socket_fd(s), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    cheng_socket_close(s);
}

/* Of the last three one stalls, one is cut, and one says too much. */
static int talk(struct load *load, unsigned *rounds)
{
    unsigned listeners = load->members - 3;
    static char endless[2 * LINE_MAX_SIZE];
    int rc = 0;
    memset(endless, 'x', sizeof endless);
    for (unsigned i = 0; rc == 0 && i < load->members; i++)
        rc = come_in(load, i);
    cheng_deadline late = cheng_after(patience);
    while (rc == 0 && count(load, &load->room.come) < load->members)
        rc = cheng_clock_ns() < late.at_ns ? cheng_sleep(CHENG_MILLISECOND) : -ETIMEDOUT;
    for (unsigned i = 0; rc == 0 && i < listeners; i++) {
        const void *argument[2] = { load, load->sockets[i] };
        rc = cheng_start(NULL, CHENG_COROUTINE, listen_on, argument, sizeof argument, NULL);
    }
    if (rc == 0)
        stall(load->sockets[listeners]);
    for (*rounds = 0; rc == 0 && *rounds < ROUNDS_MOST; ++*rounds) {
        if (*rounds >= ROUNDS_LEAST && count(load, &load->room.slow) > 0)
            break;
        if (*rounds == 1) {
            cut(load->sockets[listeners + 1]);
            (void)!cheng_socket_write(load->sockets[listeners + 2], endless, sizeof endless);
        }
        rc = say_round(load, *rounds, listeners);
    }
    return rc;
}

static int report(struct load *load, int rc, unsigned rounds, double seconds)
{
    unsigned listeners = load->members - 3;
    uint64_t wanted = (uint64_t)rounds * TALKERS * listeners;
    printf(
        "members     %u\nlines       %u\ndelivered   %llu\ntoo slow    %u\ntoo long    %u\nseconds     %.2f\n",
        load->members, rounds * TALKERS, (unsigned long long)load->lines, load->room.slow,
        load->room.too_long, seconds);
    if (rc < 0)
        printf("chat: %s\n", cheng_strerror(rc));
    return !(rc == 0 && load->lines == wanted && load->room.slow == 1 && load->room.too_long == 1 &&
             load->room.present == 0 && load->notices == listeners);
}

static int visit(const void *argument, void *result)
{
    struct load *load = *(struct load *const *)argument;
    cheng_task *server;
    unsigned rounds = 0;
    int64_t start = cheng_clock_ns();
    (void)result;
    int rc = cheng_start(&server, load->room.kind, serve, argument, sizeof load, NULL);
    if (rc < 0)
        return 1;
    rc = talk(load, &rounds);
    double seconds = (double)(cheng_clock_ns() - start) / 1e9;
    cheng_sleep(50 * CHENG_MILLISECOND);
    cheng_socket_close(load->listener);
    for (unsigned i = 0; i < load->members; i++)
        if (load->sockets[i] != NULL)
            cheng_socket_finish(load->sockets[i]);
    cheng_join(server, NULL);
    cheng_task_free(server);
    return report(load, rc, rounds, seconds);
}

int load_room(enum cheng_kind kind, unsigned members)
{
    struct load load = { .room = { .kind = kind, .quiet = true }, .members = members }, *shared = &load;
    int status = 1, rc;
    load.sockets = calloc(members, sizeof(cheng_socket *));
    if (load.sockets == NULL)
        return 1;
    rc = cheng_listen(&load.listener, "127.0.0.1", "0", NULL);
    if (rc == 0) {
        snprintf(load.port, sizeof load.port, "%d", cheng_socket_port(load.listener));
        rc = cheng_run(&status, visit, &shared, sizeof shared); /* ends when all who listen have */
        cheng_socket_free(load.listener);
    }
    if (rc < 0)
        fprintf(stderr, "chat: %s\n", cheng_strerror(rc));
    for (unsigned i = 0; i < members; i++)
        cheng_socket_free(load.sockets[i]);
    free(load.sockets);
    return status;
}
