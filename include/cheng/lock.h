/* cheng/lock.h: a mutual exclusion lock (Python: threading.Lock, multiprocessing.Lock, gevent's too).
 *
 * 16 bytes that you own. All zero is a valid, free lock, private to the process; there is nothing to
 * destroy. Threads and coroutines take the same lock in any mixture. cheng_lock_share makes one that
 * lies in an arena work between processes. Only the owner releases (a semaphore is what another may
 * post). A lock knows its owner and where it was taken, so a deadlock is reported, not suffered.
 *
 * @code
 * static cheng_lock lock;
 * static int balance = 100;
 * CHENG_WITH(&lock) {
 *     balance -= 1;
 * }
 * if (cheng_lock_acquire_until(&lock, cheng_after(CHENG_SECOND)) == 0) {
 *     balance += 1;
 *     cheng_lock_release(&lock);
 * }
 * @endcode
 *
 * One that its owner may take again is in cheng/rlock.h, one for many readers in cheng/rwlock.h.
 *
 * Acquiring is never a cancellation point. Fairness: arrivals may overtake waiters until one has waited
 * for about a millisecond; then the lock goes to it. A waiter that is given the lock at the moment its
 * deadline passes has the lock: the call returns 0.
 *
 * Memory order: acquire and release, as the names say. A private lock's memory may go as soon as nobody else
 * will call it: a release touches nothing of it once another can have it.
 *
 *   error        from                    meaning
 *   -EAGAIN      acquire_until           held, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   acquire_until           held until the deadline
 *   -EDEADLK     acquire_until           waiting would close a cycle that nothing can break
 *   -EOWNERDEAD  acquire_until           acquired; but the owner died holding it: repair what it protects
 *   -EPERM       release                 the caller does not hold it (also: free already)
 *   -EINVAL      acquire_until, share    not a lock, or a private one inside an arena
 *   -EBADMSG     acquire_until, release  the arena around it is corrupted
 *   -EOPNOTSUPP  acquire_until, release  its arena is not attached in this process */
#ifndef CHENG_LOCK_H
#define CHENG_LOCK_H

#include <cheng/arena.h>
#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_lock {
    uint32_t word;   /* owner and flags; docs/design/words.md */
    uint32_t kind;   /* 0: private; else how to find the arena */
    uint64_t holder; /* where it was acquired */
} cheng_lock;

/* Blocks until the caller holds the lock. Where it cannot (a deadlock) or should not go on in silence
 * (the owner died), the incident hook is called, which by default reports and aborts: cheng/incident.h.
 * Allocates nothing. */
CHENG_API void cheng_lock_acquire(cheng_lock *lock);

/* The same, and returns every error; 0 and -EOWNERDEAD mean that the caller holds the lock. */
CHENG_API CHENG_NODISCARD int cheng_lock_acquire_until(cheng_lock *lock, cheng_deadline deadline);

/* Gives the lock up; wakes at most one waiter. Does not block. 0 or -EPERM. */
CHENG_API int cheng_lock_release(cheng_lock *lock);

/* A snapshot: somebody holds it. */
CHENG_API bool cheng_lock_locked(const cheng_lock *lock);

/* Makes a lock that lies inside the arena shared between the processes that attach it. Before its first
 * use, and once; the content is overwritten. */
CHENG_API CHENG_NODISCARD int cheng_lock_share(cheng_arena *arena, cheng_lock *lock);

/* The functions behind the macros; `site` must be a string literal. */
CHENG_API void chengi_lock_acquire_at(cheng_lock *lock, const char *site);
CHENG_API CHENG_NODISCARD int chengi_lock_acquire_until_at(cheng_lock *lock, cheng_deadline deadline,
                                                           const char *site);

#ifndef CHENG_NO_INLINE
/* What the fast path must know of whatever runs: the word that it leaves in a lock as its owner. NULL
 * until a thread's first call into the library. */
struct chengi_self {
    uint32_t word;
};
extern CHENG_API __thread struct chengi_self *chengi_self __attribute__((tls_model("initial-exec")));

static inline void chengi_lock_acquire_inline(cheng_lock *lock, const char *site)
{
    struct chengi_self *self = chengi_self;
    uint32_t unlocked = 0; /* a shared lock is never 0, so it goes the long way */
    if (__builtin_expect(self != NULL && __atomic_compare_exchange_n(&lock->word, &unlocked, self->word, 0,
                                                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED),
                         1))
        __atomic_store_n(&lock->holder, (uint64_t)(uintptr_t)site, __ATOMIC_RELAXED);
    else
        chengi_lock_acquire_at(lock, site);
}

/* Whether the caller holds it and it is private, at a glance. False: ask the library. */
static inline bool chengi_lock_surely_mine(const cheng_lock *lock)
{
    struct chengi_self *self = chengi_self;
    uint32_t flags = 3;
    return self != NULL && lock->kind == 0 &&
           (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) & ~flags) == self->word;
}

static inline int chengi_lock_release_inline(cheng_lock *lock)
{
    struct chengi_self *self = chengi_self;
    if (__builtin_expect(self != NULL && lock->kind == 0, 1)) {
        uint32_t mine = self->word; /* fails when somebody waits, or when it is not ours */
        if (__builtin_expect(
                __atomic_compare_exchange_n(&lock->word, &mine, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED), 1))
            return 0;
    }
    return cheng_lock_release(lock);
}
#else
#define chengi_lock_acquire_inline chengi_lock_acquire_at
#define chengi_lock_release_inline cheng_lock_release
#endif

/* Defines way_begin and way_end for CHENG_WITH_. always_inline: whoever looks at a return address in the library finds
 * the user's line there. */
#define CHENG_WITH_WAY_(type, way, acquire, release)                                                         \
    static inline __attribute__((always_inline)) type *way##_begin(type *object, const char *site)           \
    {                                                                                                        \
        acquire(object, site);                                                                               \
        return object;                                                                                       \
    }                                                                                                        \
    static inline __attribute__((always_inline)) void way##_end(type **object)                               \
    {                                                                                                        \
        (void)release(*object);                                                                              \
    }

CHENG_WITH_WAY_(cheng_lock, chengi_with, chengi_lock_acquire_inline, chengi_lock_release_inline)

/* Runs the block that follows as the holder of the lock, and releases on every way out of it: its end,
 * `break` (which leaves the block), return, goto, a C++ exception. */
#define CHENG_WITH(lock) CHENG_WITH_(cheng_lock, chengi_with, lock)

/* The same for any type, between way_begin and way_end. */
#define CHENG_WITH_(type, way, object)                                                                       \
    CHENG_WITH_AS_(type, way, object, CHENG_PASTE(chengi_with_, __COUNTER__))
/* clang-format off: it takes the declaration for a product */
#define CHENG_WITH_AS_(type, way, object, id)                                                                \
    for (type * id __attribute__((cleanup(way##_end))) = way##_begin((object), CHENG_HERE),                  \
                   **CHENG_PASTE(id, _once) = &id;                                                           \
         CHENG_PASTE(id, _once) != NULL; CHENG_PASTE(id, _once) = NULL)
/* clang-format on */

/* The macros add the call site and the inlined fast path; the functions above are what other languages
 * bind, and what `&cheng_lock_acquire` names. */
#define cheng_lock_acquire(lock) chengi_lock_acquire_inline((lock), CHENG_HERE)
#define cheng_lock_acquire_until(lock, deadline) chengi_lock_acquire_until_at((lock), (deadline), CHENG_HERE)
#define cheng_lock_release(lock) chengi_lock_release_inline(lock)

#ifdef __cplusplus
}
#endif
#endif
