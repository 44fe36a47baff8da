/* Failures on demand: the library's calls of libc arrive in inject.c, which counts them by their site, and makes
 * the one fail that it is told to. */
#ifndef CHENG_FAIL_INJECT_H
#define CHENG_FAIL_INJECT_H

#include <stdbool.h>
#include <stdint.h>

enum { SITES_MAX = 512, ERRORS_MAX = 10 };

/* A pseudo errno: the call does only a part of what it was asked for, and says so. */
enum { PART = 4096 };

/* How the library ends the process when it cannot tell of a failure, in a thread's first call. */
#define LAST_WORDS "cheng: no memory for a record of the calling thread"

/* What a call may give: errors.c. */
struct rule {
    const char *call;
    const char *in;         /* the library's function that calls; NULL: any */
    const char *never;      /* why it is not made to fail; NULL: it is */
    bool fatal;             /* the process may end, with LAST_WORDS */
    bool stays;             /* what it makes may be kept for the next user: no leak */
    bool lasting;           /* the shortage may last: fail once, and fail on every call */
    int errors[ERRORS_MAX]; /* errnos, PART, or EAI_… (negative), up to the first 0 */
};
/* The next row for a call after `after` (NULL: the first): those that name the calling function, else the others. */
const struct rule *next_rule(const char *call, const char *in, const struct rule *after);
/* Whether the library may call it by its own name: it cannot fail, or what it answers is no concern of ours. */
bool is_harmless(const char *call);

struct site {
    uintptr_t address; /* where the call returns to */
    char call[40], in[48], where[64];
};

struct fault {
    int site; /* -1: none */
    int error;
    uint32_t nth; /* the how manieth call from the site, from 1 on */
    bool lasting; /* and all after it */
};

/* One run's orders and results, in memory that the driver, the run and its children share. */
struct run {
    struct fault fault, handicap; /* a handicap lasts for the whole run */
    uint32_t fired;               /* how often `fault` has struck */
    uint32_t hits[SITES_MAX];     /* calls, by site */
    uint32_t live[SITES_MAX];     /* what was made there and is still there at the end */
    uint32_t descriptors, threads;
    uint32_t finished;
    char trouble[256]; /* what was wrong; "": nothing */
};

extern struct site sites[SITES_MAX];
extern int site_count;
extern struct run *run; /* the calling process's; NULL: nothing is counted */

/* Counts what is there now into run->live, ->descriptors and ->threads. */
void inject_balance(void);

#endif
