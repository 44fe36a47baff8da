/* cheng/condition.h: wait for a change of what a lock protects (Python: threading.Condition).
 *
 * 8 bytes that you own; all zero is valid. The lock is named at each wait. Threads, coroutines and
 * (after cheng_condition_share) processes.
 *
 * @code
 * static cheng_lock lock;
 * static cheng_condition changed;
 * static int jobs = 1;
 * CHENG_WITH(&lock) {
 *     while (jobs == 0)
 *         cheng_condition_wait(&changed, &lock);
 *     jobs -= 1;
 * }
 * cheng_condition_notify(&changed, 1);
 * @endcode
 *
 * The lock may be recursive: the functions with rlock in their names release it however deep it is held,
 * and take it back as deep.
 *
 * Waits may end without a notify: always loop over the predicate, or let cheng_condition_wait_for do it. Every return holds the lock again,
 * whatever it says: taking it back is not a cancellation point and knows no deadline. A notify is not
 * remembered. It need not hold the lock, but a change of the predicate must. A waiter that has returned may free the
 * condition, if nobody else waits, and who notified it held the lock meanwhile.
 *
 *   -EAGAIN      the deadline was CHENG_NOW: the lock was never released
 *   -ETIMEDOUT   not notified until the deadline
 *   -ECANCELED   the calling task was cancelled
 *   -EPERM       the caller does not hold the lock; the only return without it
 *   -EOWNERDEAD  the lock's owner died meanwhile; the caller holds it and should repair
 *   -EINVAL      one of condition and lock is shared and the other is not; not a condition
 *   -EBADMSG     the arena around it is corrupted
 *   -EOPNOTSUPP  its arena is not attached in this process */
#ifndef CHENG_CONDITION_H
#define CHENG_CONDITION_H

#include <cheng/arena.h>
#include <cheng/base.h>
#include <cheng/lock.h>
#include <cheng/rlock.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_condition {
    uint32_t word;
    uint32_t kind;
} cheng_condition;

/* Releases the lock, waits to be notified, and takes the lock again. */
CHENG_API int cheng_condition_wait(cheng_condition *condition, cheng_lock *lock);
CHENG_API CHENG_NODISCARD int cheng_condition_wait_until(cheng_condition *condition, cheng_lock *lock,
                                                         cheng_deadline deadline);

CHENG_API int cheng_condition_wait_rlock(cheng_condition *condition, cheng_rlock *rlock);
CHENG_API CHENG_NODISCARD int cheng_condition_wait_rlock_until(cheng_condition *condition, cheng_rlock *rlock,
                                                               cheng_deadline deadline);

/* What is waited for; called with the lock held. */
typedef bool cheng_predicate(void *arg);

/* Waits until the predicate is true: it is looked at before the first wait and after each, and the deadline
 * is for all of them together. 0: it was true when last looked at, even if the deadline has passed or a
 * cancel has come. -EOWNERDEAD, which needs a repair first, is returned without a look. */
CHENG_API CHENG_NODISCARD int cheng_condition_wait_for(cheng_condition *condition, cheng_lock *lock,
                                                       cheng_predicate *predicate, void *arg,
                                                       cheng_deadline deadline);
CHENG_API CHENG_NODISCARD int cheng_condition_wait_for_rlock(cheng_condition *condition, cheng_rlock *rlock,
                                                             cheng_predicate *predicate, void *arg,
                                                             cheng_deadline deadline);

/* Wakes `n` of those who wait, the longest first (in the same process), or all of them if fewer wait;
 * UINT_MAX: all. Does not block. */
CHENG_API void cheng_condition_notify(cheng_condition *condition, unsigned n);

/* Makes a condition that lies inside the arena shared; before its first use. */
CHENG_API CHENG_NODISCARD int cheng_condition_share(cheng_arena *arena, cheng_condition *condition);

/* The functions behind the macros; `site` must be a string literal. */
CHENG_API CHENG_NODISCARD int chengi_condition_wait_until_at(cheng_condition *condition, cheng_lock *lock,
                                                             cheng_deadline deadline, const char *site);
CHENG_API CHENG_NODISCARD int chengi_condition_wait_rlock_until_at(cheng_condition *condition,
                                                                   cheng_rlock *rlock,
                                                                   cheng_deadline deadline, const char *site);
CHENG_API CHENG_NODISCARD int chengi_condition_wait_for_at(cheng_condition *condition, cheng_lock *lock,
                                                           cheng_predicate *predicate, void *arg,
                                                           cheng_deadline deadline, const char *site);
CHENG_API CHENG_NODISCARD int chengi_condition_wait_for_rlock_at(cheng_condition *condition,
                                                                 cheng_rlock *rlock,
                                                                 cheng_predicate *predicate, void *arg,
                                                                 cheng_deadline deadline, const char *site);

/* The plain spellings, whose result may be ignored. */
static inline __attribute__((always_inline)) int chengi_condition_wait_at(cheng_condition *condition,
                                                                          cheng_lock *lock, const char *site)
{
    return chengi_condition_wait_until_at(condition, lock, CHENG_FOREVER, site);
}

static inline __attribute__((always_inline)) int chengi_condition_wait_rlock_at(cheng_condition *condition,
                                                                                cheng_rlock *rlock,
                                                                                const char *site)
{
    return chengi_condition_wait_rlock_until_at(condition, rlock, CHENG_FOREVER, site);
}

#define cheng_condition_wait(condition, lock) chengi_condition_wait_at((condition), (lock), CHENG_HERE)
#define cheng_condition_wait_until(condition, lock, deadline)                                                \
    chengi_condition_wait_until_at((condition), (lock), (deadline), CHENG_HERE)
#define cheng_condition_wait_rlock(condition, rlock)                                                         \
    chengi_condition_wait_rlock_at((condition), (rlock), CHENG_HERE)
#define cheng_condition_wait_rlock_until(condition, rlock, deadline)                                         \
    chengi_condition_wait_rlock_until_at((condition), (rlock), (deadline), CHENG_HERE)
#define cheng_condition_wait_for(condition, lock, predicate, arg, deadline)                                  \
    chengi_condition_wait_for_at((condition), (lock), (predicate), (arg), (deadline), CHENG_HERE)
#define cheng_condition_wait_for_rlock(condition, rlock, predicate, arg, deadline)                           \
    chengi_condition_wait_for_rlock_at((condition), (rlock), (predicate), (arg), (deadline), CHENG_HERE)

#ifdef __cplusplus
}
#endif
#endif
