/* A process is SIGKILLed while it works on the objects of an arena. The survivors go on, and a checker proves that
 * nobody hangs, nothing is torn, lost or doubled, and no memory has leaked.
 *
 * OPERATION(name) is a row of the table: what a victim does once, what survivors do, and what must hold in the end.
 * It is killed (step.c) at every distinct state of the arena, and (system_call.c) at every system call; each time with
 * survivors that come after the death, that have slept since before the operation, and that come upon the victim in
 * the middle of it. CROWD(name) is a row whose victim and survivors repeat what they do, all at once; it is killed
 * (random.c) at random instants. Both make cases of CTest: CMakeLists.txt reads these lines. */
#ifndef CHENG_KILL_H
#define CHENG_KILL_H

#include "unit/processes.h"

#include <cheng.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { SURVIVORS_MAX = 2, ITEM_FILLING = 6 };

/* What a victim waits for in vain: longer than it takes to step to where it sleeps. */
static const cheng_duration SOON = 20 * CHENG_MILLISECOND;

struct item {
    uint32_t number;
    uint32_t filling[ITEM_FILLING];
};

/* What the processes of a run share; it lies in their arena, and is zero when an operation prepares it. */
struct stage {
    cheng_arena *arena;
    cheng_lock lock;
    cheng_condition condition;
    cheng_event event;
    cheng_semaphore semaphore;
    cheng_rlock rlock;
    cheng_once once;
    cheng_wait_group group;
    cheng_queue *queue;
    cheng_lock unrelated;
    cheng_arena *other; /* one more, whose changes are states too */
    char name[64];      /* of the other one */

    uint32_t dead;     /* by the driver: the victim is no more */
    uint32_t finished; /* by the victim: its operation is over */
    uint32_t rounds;   /* by the victim: begun */

    /* the operations' own */
    uint32_t a, b; /* equal whenever nobody is inside the lock */
    uint32_t tokens, taken, given, took_over;
    void *blocks[3];
    struct item in_hand; /* where the victim gets an item to */
    uint32_t seen[16];   /* how often the item of each number came out */
    struct crowd *crowd;
};

enum keeps {
    NO_BLOCK,    /* it has none, or the row's check gives it back */
    GIVEN_BLOCK, /* one that the allocator has handed out, for good */
    OWN_BLOCK    /* one that it had from the start */
};

/* All but survivors, prepare, victim and survivor may be left out. */
struct operation {
    int survivors;
    void (*prepare)(struct stage *);           /* driver: makes the objects */
    void (*ready)(struct stage *);             /* victim, before anybody looks */
    void (*victim)(struct stage *);            /* what it does until it is killed */
    void (*survivor)(struct stage *, int who); /* what must end for each of them */
    void (*wake)(struct stage *);              /* driver: when the victim sleeps, or else after its end */
    unsigned wakes;                            /* so often in all; 0: once */
    void (*settle)(struct stage *);            /* driver, after the victim's end: what survivors need of it */
    void (*check)(struct stage *);             /* driver, when all have ended */
    enum keeps keeps;                          /* whether the victim may die with a block of the arena */
    bool endless;                              /* a crowd */
};

#define OPERATION(id)                                                                                        \
    static const struct operation id;                                                                        \
    TEST(id##_at_every_state)                                                                                \
    {                                                                                                        \
        kill_at_every_state(#id, &id);                                                                       \
    }                                                                                                        \
    TEST(id##_at_every_system_call)                                                                          \
    {                                                                                                        \
        kill_at_every_system_call(#id, &id);                                                                 \
    }                                                                                                        \
    static const struct operation id

#define CROWD(id)                                                                                            \
    static const struct operation id;                                                                        \
    TEST(id##_at_random_instants)                                                                            \
    {                                                                                                        \
        kill_at_random_instants(#id, &id);                                                                   \
    }                                                                                                        \
    static const struct operation id

void kill_at_every_state(const char *name, const struct operation *operation);
void kill_at_every_system_call(const char *name, const struct operation *operation);
void kill_at_random_instants(const char *name, const struct operation *operation);

#define READ(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define WRITE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)

static inline void spin(unsigned rounds)
{
    while (rounds-- > 0)
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

struct item item_of(uint32_t number);
bool item_is_whole(const struct item *item);

/* The survivor's part, played by a coroutine: it waits for shared words through another thread. */
void as_coroutine(void (*survivor)(struct stage *, int who), struct stage *stage, int who);

/* Runs a function in a child that is killed at its end. */
void in_a_child_that_dies(void (*function)(struct stage *), struct stage *stage);

#endif
