/* One run of an operation: an arena and its objects made, a victim that works and dies, survivors, the checks. */
#ifndef CHENG_KILL_RUN_H
#define CHENG_KILL_RUN_H

#include "kill.h"

#include <sys/types.h>

/* When the survivors come. */
enum moment {
    AFTER,  /* the death */
    BEFORE, /* the operation: they sleep already, or, if the victim sleeps too, the last one comes behind it */
    DURING, /* it: upon a victim that stands still where it will be killed */
    MOMENTS
};

enum { BLOCKS_MAX = 64 };

/* Where a victim dies. */
struct place {
    unsigned step;     /* after so many instructions, or at this stop at a system call */
    bool asleep;       /* and in the kernel, in the one that follows */
    uintptr_t address; /* of the next instruction; 0: unknown */
};

struct run {
    const char *name;
    const struct operation *operation;
    enum moment moment;
    struct place target;
    unsigned index, of; /* which of how many targets; `of` 0: nobody is killed */
    const char *unit;   /* what target.step counts */

    struct stage *stage;
    pid_t victim, survivors[SURVIVORS_MAX];
    int started;
    unsigned woken;
    bool heap_held; /* by the victim, when it was killed */
    uint32_t blocks[BLOCKS_MAX], used;
};

/* Makes the stage; unless it is a crowd, the victim stands still before its operation, traced. Survivors of the moment
 * BEFORE are asleep, or have ended. */
void run_begin(struct run *run, cheng_duration bound);

/* How many survivors sleep. */
int run_asleep(const struct run *run);

/* The victim sleeps in the kernel: others go on, so that it wakes. False: they have done what they can. */
bool run_victim_sleeps(struct run *run);

/* The victim stands at its target. */
void run_kill(struct run *run);

/* The victim finishes by itself. */
void run_let_go(struct run *run);

/* The survivors end, the checks are made. */
void run_end(struct run *run);

/* The victim has died by itself. */
_Noreturn void run_victim_failed(int status);

/* What sleepers are told: to look around now and then, or never. */
static const cheng_duration BOUND = 5 * CHENG_MILLISECOND, NO_BOUND = 3600 * CHENG_SECOND;

#endif
