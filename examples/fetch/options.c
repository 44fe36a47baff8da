#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    IN_FLIGHT_OURS = 1000, /* our own server can bear it */
    IN_FLIGHT_STRANGERS = 64,
    PER_HOST_STRANGERS = 6, /* as browsers have it: many a small server queues five, and drops the others */
    WORKERS_THREADS = 100,
    PAGES = 500,
    MOST = 1000000,
    OTHER_FILES = 64 /* standard streams, pollers, db.txt, curl's wake-up pairs, name look-ups */
};

static const char help[] =
    "usage: fetch [--kind thread|coroutine] [--workers N] [--pages N] [--in-flight N] [--out DIR] [URL...]\n"
    "\n"
    "Fetches pages, many at the same time, and counts their words and links. Each one appends a line to\n"
    "db.txt. Without URLs it starts a web server of its own, which answers each request after 50 ms.\n"
    "\n"
    "  -k, --kind thread|coroutine  what the workers are (coroutine)\n"
    "  -w, --workers N              how many work (as many as may be in flight; of threads, 100)\n"
    "  -i, --in-flight N            requests under way at the same time (1000; with URLs 64, 6 to a host, or all N:\n"
    "                               small servers drop what they have no room to queue)\n"
    "  -p, --pages N                pages of the built-in server (500)\n"
    "  -o, --out DIR                store the pages, and db.txt, in this directory\n"
    "  -h, --help                   print this\n"
    "\n"
    "CURL_CA_BUNDLE names a file of certificate authorities to be trusted instead of the system's.\n"
    "Exit status: 0, or 1 if a page could not be had or stored, or 2 if it was called wrongly.\n";

static int wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("fetch: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs(" (fetch --help)\n", stderr);
    va_end(arguments);
    return 2;
}

/* 0 stays the mark of "not given", so it is no number here. */
static int number(const char *option, const char *text, unsigned *value)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < 1 || n > MOST)
        return wrong("--%s %s: not a number from 1 to %d", option, text, MOST);
    *value = (unsigned)n;
    return -1;
}

static int kind_of(const char *text, enum cheng_kind *kind)
{
    if (strcmp(text, "thread") == 0)
        *kind = CHENG_THREAD;
    else if (strcmp(text, "coroutine") == 0)
        *kind = CHENG_COROUTINE;
    else
        return wrong("--kind %s: neither thread nor coroutine", text);
    return -1;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Linux doubles the table of open files as it fills, and in a process of several threads that waits each time
 * until no processor looks at the old one, 10 ms and more. While there is one thread it costs nothing. */
static void reserve_descriptors(int count)
{
    int highest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, count - 1);
    if (highest >= 0)
        close(highest);
}

/* Each transfer is a connection, at our own server its other end too, and a file if pages are stored. */
static int fit_descriptors(struct options *o)
{
    unsigned each = 1u + (o->urls == NULL) + (o->out != NULL), wanted = o->in_flight;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    limit.rlim_cur = limit.rlim_max; /* lowered by default only for programs that use select */
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    rlim_t room = limit.rlim_max < OTHER_FILES ? 0 : (limit.rlim_max - OTHER_FILES) / each;
    if (wanted == 0 && o->urls != NULL)
        o->per_host = PER_HOST_STRANGERS;
    if (wanted == 0) /* what was not asked for has to do with what there is */
        wanted = least(o->urls == NULL ? IN_FLIGHT_OURS : IN_FLIGHT_STRANGERS,
                       room < 1 ? 1 : (unsigned)(room < MOST ? room : MOST));
    o->in_flight = least(wanted, o->pages);
    if (o->in_flight > room)
        return wrong(
            "--in-flight %u needs %u open files, the system allows %llu (ulimit -Hn): %llu would fit",
            o->in_flight, o->in_flight * each + OTHER_FILES, (unsigned long long)limit.rlim_max,
            (unsigned long long)room);
    reserve_descriptors((int)(o->in_flight * each + OTHER_FILES));
    return -1;
}

int options_parse(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "kind", required_argument, NULL, 'k' },
        { "workers", required_argument, NULL, 'w' },
        { "pages", required_argument, NULL, 'p' },
        { "in-flight", required_argument, NULL, 'i' },
        { "out", required_argument, NULL, 'o' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    *o = (struct options){ .kind = CHENG_COROUTINE };
    opterr = 0; /* we say it in our own way */
    for (int c, rc = -1; (c = getopt_long(argc, argv, ":k:w:p:i:o:h", known, NULL)) != -1;) {
        switch (c) {
        case 'k':
            rc = kind_of(optarg, &o->kind);
            break;
        case 'w':
            rc = number("workers", optarg, &o->workers);
            break;
        case 'p':
            rc = number("pages", optarg, &o->pages);
            break;
        case 'i':
            rc = number("in-flight", optarg, &o->in_flight);
            break;
        case 'o':
            o->out = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        case ':':
            return wrong("%s needs a value", argv[optind - 1]);
        default:
            return wrong("%s: no such option", argv[optind - 1]);
        }
        if (rc >= 0)
            return rc;
    }
    if (o->out != NULL && *o->out == '\0')
        return wrong("--out needs the name of a directory");
    if (optind < argc && o->pages != 0)
        return wrong("--pages is the built-in server's: leave it out with URLs");
    if (optind < argc) {
        o->urls = argv + optind;
        o->pages = (unsigned)(argc - optind);
    } else if (o->pages == 0) {
        o->pages = PAGES;
    }
    int rc = fit_descriptors(o);
    if (o->workers == 0)
        o->workers = o->kind == CHENG_THREAD ? WORKERS_THREADS : o->in_flight;
    o->workers = least(o->workers, o->pages);
    return rc;
}
