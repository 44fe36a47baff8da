/* cheng/semaphore.h: a counter that tasks wait on (Python: threading.Semaphore,
 * BoundedSemaphore).
 *
 * 16 bytes that you own; all zero is a valid semaphore of value 0. Acquire takes one and waits while
 * there is none; release gives some; anybody may release. Threads, coroutines and (after
 * cheng_semaphore_share) processes. What a killed process had acquired is not given back: a semaphore
 * counts signals, and giving back would invent some.
 *
 * A bounded one counts things that come back, such as connections. Its value never passes the one that it
 * began with: a release too many is an error, and gives nothing. It is private to the process: a shared one
 * would have to know whose units a dead process took.
 *
 * @code
 * static cheng_semaphore jobs; // given by who makes them, taken by who does them
 * cheng_semaphore_release(&jobs, 3);
 * static cheng_semaphore connections = CHENG_SEMAPHORE_BOUNDED(5);
 * if (cheng_semaphore_acquire(&connections) == 0)
 *     cheng_semaphore_release(&connections, 1);
 * @endcode
 *
 * A wait that returns anything but 0 has taken nothing; one that a release woke at the moment of its
 * deadline or cancel takes the unit and returns 0, or leaves it for another and says so.
 * A semaphore must outlive every release of it: who takes the last unit may not free it before the call that gave it
 * has returned. (An event may be freed at once by who has waited for it.)
 * Memory order: release and acquire.
 *
 *   -EAGAIN      none left, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   none came until the deadline
 *   -ECANCELED   the calling task was cancelled
 *   -EOVERFLOW   release: the value would pass its bound, or 2^31 - 1; nothing was given
 *   -EINVAL      not a semaphore, or a private one inside an arena
 *   -EBADMSG     the arena around it is corrupted
 *   -EOPNOTSUPP  its arena is not attached in this process */
#ifndef CHENG_SEMAPHORE_H
#define CHENG_SEMAPHORE_H

#include <cheng/arena.h>
#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_semaphore {
    uint32_t value; /* units left */
    uint32_t kind;
    uint32_t waiters; /* whether anybody may wait */
    uint32_t most;    /* the bound; 0: none */
} cheng_semaphore;

/* The initialisers for a private semaphore of that value, from 0 or 1 to 2^31 - 1. */
/* clang-format off: it takes the braces for a block */
#define CHENG_SEMAPHORE(value)                                                                               \
    {                                                                                                        \
        (value), 0, 0, 0                                                                                     \
    }
#define CHENG_SEMAPHORE_BOUNDED(value)                                                                       \
    {                                                                                                        \
        (value), 0, 0, (value)                                                                               \
    }
/* clang-format on */

/* Takes one unit; blocks while there is none. */
CHENG_API int cheng_semaphore_acquire(cheng_semaphore *semaphore);
CHENG_API CHENG_NODISCARD int cheng_semaphore_acquire_until(cheng_semaphore *semaphore,
                                                            cheng_deadline deadline);

/* Gives `n` units, all or none, and wakes as many waiters. Does not block. */
CHENG_API int cheng_semaphore_release(cheng_semaphore *semaphore, unsigned n);

/* A snapshot. */
CHENG_API unsigned cheng_semaphore_value(const cheng_semaphore *semaphore);

/* Makes a semaphore that lies inside the arena shared, with that value and no bound; before its first
 * use, and once; the content is overwritten. */
CHENG_API CHENG_NODISCARD int cheng_semaphore_share(cheng_arena *arena, cheng_semaphore *semaphore,
                                                    unsigned value);

#ifdef __cplusplus
}
#endif
#endif
