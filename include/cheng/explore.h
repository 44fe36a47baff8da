/* cheng/explore.h: runs a concurrent test under every interleaving that matters, and finds the one that fails.
 *
 * Needs the library cheng-explore in place of cheng, and the test compiled with -fsanitize=thread and
 * -DCHENG_NO_INLINE (compiled only, not linked with -fsanitize: pkg-config cheng-explore). The sources stay as they
 * are. Not part of cheng.h.
 *
 * @code
 * #include <assert.h>
 * #include <cheng.h>
 * #include <cheng/explore.h>
 * #include <stdlib.h>
 *
 * static int count;
 *
 * static int add(const void *arg, void *result)
 * {
 *     (void)arg, (void)result;
 *     count = count + 1;
 *     return 0;
 * }
 *
 * void test(void *unused)
 * {
 *     cheng_task *t[2];
 *     (void)unused;
 *     for (int i = 0; i < 2; i++)
 *         if (cheng_start(&t[i], CHENG_THREAD, add, NULL, 0, NULL) < 0)
 *             abort();
 *     for (int i = 0; i < 2; i++) {
 *         cheng_join(t[i], NULL);
 *         cheng_task_free(t[i]);
 *     }
 *     assert(count == 2);
 * }
 * @endcode
 *
 *     int main(void) { return cheng_explore(test, NULL, NULL) != CHENG_FOUND_NOTHING; }
 *
 * The test is run again and again, each time from the same state of memory and in another order, in one kernel
 * thread, in virtual time. It must not depend on anything else: no descriptors, signals, processes, threads that are
 * not Cheng's. Allocate and start what it needs within the test. Orders are those of sequential consistency: what a
 * weaker memory model allows in addition is found as a data race, or not at all if all accesses are atomic.
 *
 * A finding is printed on standard error: what went wrong, the shortest schedule that shows it, its trace with
 * lines and values, and a string that replays it in this and in any later process of the same program:
 *
 *     CHENG_REPLAY='test:1:1.3>2' ./program
 *
 * The environment overrides the options: CHENG_EXPLORE="schedules=100000 seed=7 strategy=all inside=1". */
#ifndef CHENG_EXPLORE_H
#define CHENG_EXPLORE_H

#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cheng_finding {
    CHENG_FOUND_NOTHING,
    CHENG_FOUND_RACE,     /* two accesses to the same bytes, one a write, that nothing orders */
    CHENG_FOUND_DEADLOCK, /* nobody can go on: a cycle of locks or joins, or a wake-up that was lost */
    CHENG_FOUND_FAILURE,  /* a failed assertion, abort, exit with a status that is not 0 */
    CHENG_FOUND_CRASH,    /* a fault */
    CHENG_FOUND_USE_AFTER_FREE,
    CHENG_FOUND_BAD_FREE,      /* freed twice, or never allocated */
    CHENG_FOUND_OUT_OF_BOUNDS, /* outside of every allocated block */
    CHENG_FOUND_LIVELOCK,      /* it goes on for ever: all spin, or more than `steps` */
    CHENG_FOUND_DIFFERENCE, /* the test does not repeat itself: it depends on something else than the order */
    CHENG_EXPLORE_ERROR     /* it could not be run; the reason is printed */
};

enum cheng_explore_strategy {
    CHENG_EXPLORE_MIX,    /* PCT, all, PCT, random, by turns */
    CHENG_EXPLORE_RANDOM, /* at each point, by lot */
    CHENG_EXPLORE_PCT,    /* by random priorities, changed at a few random points (Burckhardt et al., 2010) */
    CHENG_EXPLORE_BOUNDED, /* every order with at most `preemptions` preemptions, fewest first */
    CHENG_EXPLORE_ALL      /* every order, but for those that differ in nothing (Flanagan, Godefroid, 2005) */
};

typedef struct cheng_explore_result {
    enum cheng_finding finding;
    uint64_t schedules;  /* run */
    uint64_t events;     /* accesses and calls in all of them */
    uint64_t steps;      /* scheduling points in all of them */
    bool complete;       /* every order was run: nothing is left to find */
    bool replays;        /* the finding was met again from its replay string */
    unsigned departures; /* in the shortest schedule */
    double seconds;
    char replay[512]; /* "" where nothing was found */
} cheng_explore_result;

/* Zero means the default, in brackets. */
typedef struct cheng_explore_options {
    const char *name; /* of the test, in reports and replay strings ("test") */
    enum cheng_explore_strategy strategy;
    uint64_t seed;        /* (1) */
    uint64_t schedules;   /* the most (10,000) */
    cheng_duration time;  /* the most (10 s) */
    unsigned preemptions; /* of CHENG_EXPLORE_BOUNDED (2) */
    unsigned steps;       /* the most of one schedule, else it is a livelock (20,000) */
    unsigned cpus;        /* as many workers has the default runtime (2) */
    unsigned spurious;    /* as many waits of a schedule may end for no reason (0) */
    unsigned failures;    /* as many allocations of a schedule may fail (0) */
    bool inside;          /* tasks are switched inside the library's calls, too: to test the library */
    bool races;           /* data races are allowed; every access is a scheduling point then */
    bool quiet;           /* print nothing */
    cheng_explore_result *result; /* filled in, if not NULL */
} cheng_explore_options;

typedef void cheng_explore_fn(void *arg);

/* Blocks until a finding, or until the schedules, the time or the orders are used up. `options` may be NULL. Not
 * thread-safe; one at a time, from the main thread. */
CHENG_API enum cheng_finding cheng_explore(cheng_explore_fn *test, void *arg,
                                           const cheng_explore_options *options);

#ifdef __cplusplus
}
#endif
#endif
