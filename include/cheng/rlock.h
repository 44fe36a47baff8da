/* cheng/rlock.h: a lock that its owner may take again (Python: threading.RLock, multiprocessing.RLock).
 *
 * 24 bytes that you own: a lock, and how deep its owner is in it. All zero is valid and free; there is
 * nothing to destroy. The owner is a task, thread or coroutine, not the kernel thread below it. Others get
 * in after as many releases as there were acquires. In all else it is the lock of cheng/lock.h: fairness,
 * deadlines, reports of deadlocks, dead owners; and like that, acquiring is never a cancellation point.
 *
 * @code
 * static cheng_rlock accounts;
 * static int balance = 100;
 *
 * static void deposit(int amount)
 * {
 *     CHENG_WITH_RLOCK(&accounts)
 *         balance += amount;
 * }
 *
 * static void deposit_twice(int amount)
 * {
 *     CHENG_WITH_RLOCK(&accounts) {
 *         deposit(amount);
 *         deposit(amount);
 *     }
 * }
 * @endcode
 *
 * A condition waits with one too: cheng_condition_wait_rlock releases it however deep it is held, and
 * takes it back as deep.
 *
 * Memory order: acquire and release, as the names say.
 *
 *   error        from                    meaning
 *   -EAGAIN      acquire_until           held by another, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   acquire_until           held by another until the deadline
 *   -EDEADLK     acquire_until           waiting would close a cycle that nothing can break
 *   -EOWNERDEAD  acquire_until           acquired, once; but the owner died holding it: repair what it protects
 *   -EPERM       release                 the caller does not hold it (also: free already)
 *   -EINVAL      acquire_until, share    not a lock, or a private one inside an arena
 *   -EBADMSG     acquire_until, release  the arena around it is corrupted
 *   -EOPNOTSUPP  acquire_until, release  its arena is not attached in this process */
#ifndef CHENG_RLOCK_H
#define CHENG_RLOCK_H

#include <cheng/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_rlock {
    cheng_lock lock;
    uint64_t depth; /* acquires less releases, while it is held: the owner's to read and write */
} cheng_rlock;

/* Blocks until the caller holds the lock; at once if it does already. What cannot be returned goes to the
 * incident hook, as with cheng_lock_acquire. Allocates nothing. */
CHENG_API void cheng_rlock_acquire(cheng_rlock *rlock);

/* The same, and returns every error; 0 and -EOWNERDEAD mean that the caller holds the lock. */
CHENG_API CHENG_NODISCARD int cheng_rlock_acquire_until(cheng_rlock *rlock, cheng_deadline deadline);

/* Undoes one acquire; with the last one gives the lock up and wakes at most one waiter. Does not block. */
CHENG_API int cheng_rlock_release(cheng_rlock *rlock);

/* A snapshot: somebody holds it. */
CHENG_API bool cheng_rlock_locked(const cheng_rlock *rlock);

/* Makes one that lies inside the arena shared between the processes that attach it. Before its first use,
 * and once; the content is overwritten. */
CHENG_API CHENG_NODISCARD int cheng_rlock_share(cheng_arena *arena, cheng_rlock *rlock);

/* The functions behind the macros; `site` must be a string literal. */
CHENG_API void chengi_rlock_acquire_at(cheng_rlock *rlock, const char *site);
CHENG_API CHENG_NODISCARD int chengi_rlock_acquire_until_at(cheng_rlock *rlock, cheng_deadline deadline,
                                                            const char *site);

#ifndef CHENG_NO_INLINE
static inline void chengi_rlock_acquire_inline(cheng_rlock *rlock, const char *site)
{
    struct chengi_self *self = chengi_self;
    uint32_t unlocked = 0;
    if (chengi_lock_surely_mine(&rlock->lock)) {
        rlock->depth++;
    } else if (__builtin_expect(self != NULL &&
                                    __atomic_compare_exchange_n(&rlock->lock.word, &unlocked, self->word, 0,
                                                                __ATOMIC_ACQUIRE, __ATOMIC_RELAXED),
                                1)) {
        __atomic_store_n(&rlock->lock.holder, (uint64_t)(uintptr_t)site, __ATOMIC_RELAXED);
        rlock->depth = 1;
    } else {
        chengi_rlock_acquire_at(rlock, site);
    }
}

static inline int chengi_rlock_release_inline(cheng_rlock *rlock)
{
    if (__builtin_expect(!chengi_lock_surely_mine(&rlock->lock), 0))
        return cheng_rlock_release(rlock);
    if (rlock->depth == 1)
        return chengi_lock_release_inline(&rlock->lock);
    rlock->depth--;
    return 0;
}
#else
#define chengi_rlock_acquire_inline chengi_rlock_acquire_at
#define chengi_rlock_release_inline cheng_rlock_release
#endif

CHENG_WITH_WAY_(cheng_rlock, chengi_with_rlock, chengi_rlock_acquire_inline, chengi_rlock_release_inline)

/* CHENG_WITH for a recursive lock. */
#define CHENG_WITH_RLOCK(rlock) CHENG_WITH_(cheng_rlock, chengi_with_rlock, rlock)

#define cheng_rlock_acquire(rlock) chengi_rlock_acquire_inline((rlock), CHENG_HERE)
#define cheng_rlock_acquire_until(rlock, deadline)                                                           \
    chengi_rlock_acquire_until_at((rlock), (deadline), CHENG_HERE)
#define cheng_rlock_release(rlock) chengi_rlock_release_inline(rlock)

#ifdef __cplusplus
}
#endif
#endif
