/* A line is a name or what is said, LINE_MAX_SIZE bytes with its end at the most. What the room says by itself begins
 * with "* ", what somebody says with "<name> ". */
#ifndef CHAT_H
#define CHAT_H

#include <cheng.h>

enum { LINE_MAX_SIZE = 512, NAME_MAX_SIZE = 32, WAITING_LINES = 64 };

/* Everybody who is here. */
struct room {
    enum cheng_kind kind; /* of the two tasks that each member has */
    bool quiet;           /* prints nothing */
    cheng_lock lock;      /* protects what follows */
    struct member *members;
    unsigned present, come, slow, too_long;
};

/* The handler of cheng_serve, whose context is the room: a member's life, from its name to its last line. */
int room_member(cheng_socket *socket, void *context);

/* Typed lines go to the room, the room's to standard output; until one of them ends. */
int join_room(const char *host, const char *port, const char *name);

/* A room and `members` who talk, all in this process; one stalls, one is cut, one says too much. Prints a table; the exit status. */
int load_room(enum cheng_kind kind, unsigned members);

#endif
