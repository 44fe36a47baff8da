/* chat: a room for many, by threads or by coroutines.
 *
 *   main.c  the command line, and a server   join.c  a member at a terminal
 *   room.c  the members, and what they say   load.c  a thousand members who try it
 *
 * The server stops at SIGINT or SIGTERM: it takes in nobody more, gives those who are there a second, and ends. */
#include "chat.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MEMBERS_MOST = 100000, OTHER_FILES = 64 };

static const char help[] =
    "usage: chat [--kind thread|coroutine] [--host HOST] [--port PORT]     a room\n"
    "       chat --join NAME [--host HOST] [--port PORT]                   a member, at this terminal\n"
    "       chat [--kind thread|coroutine] --load N                        a room, and N members who try it\n"
    "\n"
    "HOST may be unix:/path; without, it is 127.0.0.1, and PORT 8080.\n";

struct options {
    enum cheng_kind kind;
    const char *host, *port, *name;
    unsigned members;
};

static int wrong(const char *what)
{
    fprintf(stderr, "chat: %s (chat --help)\n", what);
    return 2;
}

/* Below 0: go on. Else the exit status. */
static int parse(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "kind", required_argument, NULL, 'k' },
        { "host", required_argument, NULL, 'o' },
        { "port", required_argument, NULL, 'p' },
        { "join", required_argument, NULL, 'j' },
        { "load", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    char *end;
    *o = (struct options){ .kind = CHENG_COROUTINE, .host = "127.0.0.1", .port = "8080" };
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'k':
            o->kind = strcmp(optarg, "thread") == 0 ? CHENG_THREAD : CHENG_COROUTINE;
            if (o->kind == CHENG_COROUTINE && strcmp(optarg, "coroutine") != 0)
                return wrong("--kind: neither thread nor coroutine");
            break;
        case 'o':
            o->host = optarg;
            break;
        case 'p':
            o->port = optarg;
            break;
        case 'j':
            o->name = optarg;
            if (*optarg == '\0' || strlen(optarg) >= NAME_MAX_SIZE || strchr(optarg, '\n') != NULL)
                return wrong("--join needs a name of one short line");
            break;
        case 'l':
            o->members = (unsigned)strtoul(optarg, &end, 10);
            if (*end != '\0' || o->members < 20 || o->members > MEMBERS_MOST)
                return wrong("--load: not a number from 20 to 100000");
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return wrong("no such option, or no value for it");
        }
    }
    return optind < argc ? wrong("too many words") : -1;
}

static int serve(const void *argument, void *result)
{
    cheng_socket *listener = *(cheng_socket *const *)argument;
    struct room *room = *((struct room *const *)argument + 1);
    (void)result;
    return cheng_serve(listener, room_member, room,
                       &(cheng_serve_options){ .kind = room->kind, .grace = CHENG_SECOND });
}

static int open_room(const struct options *o)
{
    struct room room = { .kind = o->kind };
    cheng_socket *listener;
    cheng_task *server;
    sigset_t end;
    int signal, status = 0;
    sigemptyset(&end);
    sigaddset(&end, SIGINT);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL); /* before there are other threads */
    int rc = cheng_listen(&listener, o->host, o->port, NULL);
    if (rc == 0) {
        const void *argument[2] = { listener, &room };
        rc = cheng_start(&server, o->kind, serve, argument, sizeof argument, NULL);
        if (rc == 0) {
            printf("* the room at %s is open\n", o->host);
            fflush(stdout);
            sigwait(&end, &signal);
            cheng_socket_close(listener);
            cheng_join(server, &status);
            cheng_task_free(server);
        }
        cheng_socket_free(listener);
    }
    rc = rc < 0 ? rc : status;
    if (rc < 0)
        fprintf(stderr, "chat: %s: %s\n", o->host, cheng_strerror(rc));
    return rc < 0;
}

/* A connection has two ends here; and a thread that waits for one has a descriptor to be woken by. */
static int fit_descriptors(const struct options *o)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    rlim_t needed = (rlim_t)o->members * (o->kind == CHENG_THREAD ? 4 : 2) + OTHER_FILES;
    return needed <= limit.rlim_max ? -1 : wrong("--load: more than the open files that the system allows");
}

int main(int argc, char **argv)
{
    struct options o;
    int status = parse(&o, argc, argv);
    if (status < 0)
        status = fit_descriptors(&o);
    if (status >= 0)
        return status;
    if (o.members > 0)
        return load_room(o.kind, o.members);
    return o.name != NULL ? join_room(o.host, o.port, o.name) : open_room(&o);
}
