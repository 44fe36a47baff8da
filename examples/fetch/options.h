/* What was asked for on the command line. */
#ifndef FETCH_OPTIONS_H
#define FETCH_OPTIONS_H

#include <cheng.h>

struct options {
    enum cheng_kind kind; /* of the tasks that fetch */
    unsigned workers;     /* how many of them; never more than pages */
    unsigned in_flight;   /* transfers at the same time */
    unsigned per_host;    /* connections to one host at the same time; 0: as many as are in flight */
    unsigned pages;       /* to fetch: the URLs, or as many as --pages wants of the built-in server */
    const char *out;      /* where the pages are stored, NULL: nowhere */
    char **urls;          /* NULL: the built-in server's */
};

/* Returns -1 to go on, or the status to exit with. Raises the limit of open files to what they need. */
int options_parse(struct options *options, int argc, char **argv);

#endif
