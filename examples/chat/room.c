/* The room. A member is a reading task, the server's handler, and a writing task with a bounded queue before it. Who says
 * something never waits for who listens: a queue that is full belongs to somebody who is too slow, and who is shown out. */
#include "chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* One text for all who are to get it. */
struct message {
    unsigned holders;
    size_t size;
    char text[];
};

/* On the stack of its handler. */
struct member {
    struct member *next, *before;
    cheng_socket *socket;
    cheng_queue *waiting; /* of struct message * */
    bool slow, told;
    char name[NAME_MAX_SIZE];
};

/* The system's own queue for each connection is hundreds of KiB; ours shall be the one that fills. */
static const int system_queue = 8 << 10;

static void release(struct message *message)
{
    if (__atomic_sub_fetch(&message->holders, 1, __ATOMIC_ACQ_REL) == 0)
        free(message);
}

static void print(const struct room *room, const struct message *message)
{
    if (room->quiet)
        return;
    fwrite(message->text, 1, message->size, stdout);
    fflush(stdout);
}

static struct message *message_new(const char *before, const char *text, size_t size, const char *after)
{
    size_t room = strlen(before) + size + strlen(after) + 1;
    struct message *message = malloc(sizeof *message + room);
    if (message == NULL)
        return NULL; /* said, and not heard */
    message->holders = 1;
    message->size = room - 1;
    snprintf(message->text, room, "%s%.*s%s", before, (int)size, text, after);
    return message;
}

/* With the lock held. Whether somebody was too slow for it. */
static bool give_all(struct room *room, struct message *message)
{
    bool full = false;
    for (struct member *m = room->members; m != NULL; m = m->next) {
        if (m->slow)
            continue;
        __atomic_fetch_add(&message->holders, 1, __ATOMIC_RELAXED);
        if (cheng_queue_put_until(m->waiting, &message, CHENG_NOW) == 0)
            continue;
        release(message);
        m->slow = full = true;
        room->slow++;
        cheng_socket_close(m->socket); /* ends what its two tasks wait for */
    }
    return full;
}

/* With the lock held: tells of those who have been shown out, and of those whom that shows out. */
static void tell_of_slow(struct room *room)
{
    for (bool full = true; full;) {
        full = false;
        for (struct member *m = room->members; m != NULL; m = m->next) {
            if (!m->slow || m->told)
                continue;
            m->told = true;
            struct message *message =
                message_new("* ", m->name, strlen(m->name), " was too slow, and is out\n");
            if (message == NULL)
                continue;
            print(room, message);
            full = give_all(room, message) || full;
            release(message);
        }
    }
}

/* Frees the message. */
static void say(struct room *room, struct message *message)
{
    if (message == NULL)
        return;
    print(room, message);
    CHENG_WITH(&room->lock) {
        if (give_all(room, message))
            tell_of_slow(room); /* they are in the list until their tasks have ended, which needs the lock */
    }
    release(message);
}

static int write_to_member(const void *argument, void *result)
{
    struct member *m = *(struct member *const *)argument;
    struct message *message;
    int rc = 0;
    (void)result;
    while (rc == 0 && cheng_queue_get(m->waiting, &message) == 0) {
        rc = cheng_socket_write(m->socket, message->text, message->size);
        release(message);
    }
    if (rc < 0)
        cheng_socket_close(m->socket); /* nobody hears what would be read from it */
    return 0;
}

static void come_in(struct room *room, struct member *m)
{
    CHENG_WITH(&room->lock) {
        m->next = room->members;
        if (m->next != NULL)
            m->next->before = m;
        room->members = m;
        room->present++;
        room->come++;
    }
}

static void go_out(struct room *room, struct member *m)
{
    CHENG_WITH(&room->lock) {
        *(m->before != NULL ? &m->before->next : &room->members) = m->next;
        if (m->next != NULL)
            m->next->before = m->before;
        room->present--;
    }
}

static void talk(struct room *room, struct member *m, cheng_reader *reader)
{
    char *line, before[NAME_MAX_SIZE + 4];
    size_t size;
    int rc;
    snprintf(before, sizeof before, "<%s> ", m->name);
    while ((rc = cheng_reader_line(reader, '\n', &line, &size)) == 0 && size > 0)
        if (*line != '\n')
            say(room, message_new(before, line, size, line[size - 1] == '\n' ? "" : "\n"));
    if (rc != -EMSGSIZE)
        return;
    static const char too_long[] = "* that line was too long: you are out\n";
    CHENG_WITH(&room->lock) {
        room->too_long++;
    }
    (void)!cheng_socket_write_until(m->socket, too_long, sizeof too_long - 1, CHENG_NOW);
}

static void be_here(struct room *room, struct member *m, cheng_reader *reader)
{
    cheng_task *writer;
    struct message *message;
    if (cheng_queue_new(&m->waiting, sizeof message, &(cheng_queue_options){ .capacity = WAITING_LINES }) < 0)
        return;
    if (cheng_start(&writer, room->kind, write_to_member, &m, sizeof m, NULL) == 0) {
        come_in(room, m);
        talk(room, m, reader);
        cheng_shield(true); /* also when the server stops: the writer uses what lies here */
        go_out(room, m);
        cheng_queue_close(m->waiting);
        cheng_socket_close(m->socket);
        cheng_join(writer, NULL);
        cheng_shield(false);
        cheng_task_free(writer);
    }
    while (cheng_queue_get_until(m->waiting, &message, CHENG_NOW) == 0)
        release(message);
    cheng_queue_free(m->waiting);
}

int room_member(cheng_socket *socket, void *context)
{
    struct room *room = context;
    struct member m = { .socket = socket };
    char buffer[LINE_MAX_SIZE], *name;
    size_t size;
    cheng_reader reader = { .socket = socket, .buffer = buffer, .size = sizeof buffer };
    setsockopt(cheng_socket_fd(socket), SOL_SOCKET, SO_SNDBUF, &system_queue, sizeof system_queue);
    if (cheng_reader_line_until(&reader, '\n', &name, &size, cheng_after(10 * CHENG_SECOND)) == 0 &&
        size > 1) {
        snprintf(m.name, sizeof m.name, "%.*s", (int)(size - 1), name);
        be_here(room, &m, &reader);
    }
    return 0;
}
