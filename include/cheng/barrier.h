/* cheng/barrier.h: a number of tasks wait for one another (Python: threading.Barrier).
 *
 * 24 bytes that you own, initialised with the number of parties; nothing to destroy. Each round, the last of
 * them to come runs the action, if there is one, and then all go on. Threads and coroutines, in any mixture;
 * private to the process: a party that a killed process leaves behind cannot be told from a count, so there
 * is no shared form yet.
 *
 * @code
 * static long parts[3], sum;
 *
 * static int add_up(void *unused)
 * {
 *     (void)unused;
 *     sum = parts[0] + parts[1] + parts[2];
 *     return 0;
 * }
 *
 * static cheng_barrier summed = CHENG_BARRIER(3, add_up, NULL);
 *
 * static int one_of_three(int part)
 * {
 *     parts[part] = 10 + part;
 *     return cheng_barrier_wait(&summed, NULL);
 * }
 * @endcode
 *
 * Who has come and leaves before all are there, by its deadline or a cancel, breaks the barrier: the others
 * would wait for ever. They, and all who come later, get -EPIPE, until a reset. So does an action that fails.
 * Once all are there the round ends with the action: it has no deadline but its own, and neither a deadline
 * nor a cancel of those who wait for it counts any more. A wait that returns 0 means that the action is done.
 *
 * A new round begins when the last of the former one has left: who comes in between waits for that.
 * Memory order: what each party did before it came is seen by the action, and what that did by all after.
 *
 *   -EAGAIN     others are still to come, and the deadline was CHENG_NOW: the caller has not come
 *   -ETIMEDOUT  not all came until the deadline; the barrier is broken
 *   -ECANCELED  the calling task was cancelled; the barrier is broken
 *   -EPIPE      it was broken, by another, or reset while the caller waited
 *   -EINVAL     no parties, more than 2^29 - 1, or inside an arena
 *   others      what the action returned, in the task that ran it; the barrier is broken */
#ifndef CHENG_BARRIER_H
#define CHENG_BARRIER_H

#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0, or a negative errno: then the barrier breaks. It must return, and not use the barrier. */
typedef int cheng_barrier_action(void *arg);

typedef struct cheng_barrier {
    uint32_t word; /* who is there; docs/design/words.md */
    uint32_t parties;
    cheng_barrier_action *action; /* or NULL */
    void *arg;                    /* the action's */
} cheng_barrier;

/* The initialiser; 1 party at the least. */
/* clang-format off: it takes the braces for a block */
#define CHENG_BARRIER(parties, action, arg)                                                                  \
    {                                                                                                        \
        0, (parties), (action), (arg)                                                                        \
    }
/* clang-format on */

/* Blocks until all parties have come. `*index` (unless NULL) becomes a number from 0 to parties - 1 that no
 * other of the round gets: the order of their coming; the last, who ran the action, gets the highest. */
CHENG_API int cheng_barrier_wait(cheng_barrier *barrier, unsigned *index);
CHENG_API CHENG_NODISCARD int cheng_barrier_wait_until(cheng_barrier *barrier, unsigned *index,
                                                       cheng_deadline deadline);

/* Breaks the barrier, until a reset. A round whose parties are all there completes. Does not block. */
CHENG_API void cheng_barrier_abort(cheng_barrier *barrier);

/* Mends the barrier. Those who wait for others to come get -EPIPE. A round whose parties are all there
 * completes. Does not block. */
CHENG_API void cheng_barrier_reset(cheng_barrier *barrier);

/* Snapshots: whether it is broken; how many have come and wait for the others. */
CHENG_API bool cheng_barrier_broken(const cheng_barrier *barrier);
CHENG_API unsigned cheng_barrier_waiting(const cheng_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
