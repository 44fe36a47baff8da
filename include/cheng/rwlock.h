/* cheng/rwlock.h: a lock for many readers or one writer.
 *
 * 24 bytes that you own. All zero is valid and free; there is nothing to destroy. Threads and coroutines,
 * in any mixture; private to the process: which readers a dead process leaves behind cannot be told from a
 * count, so there is no shared form yet. Reading costs one atomic operation to get in and one to get out
 * while nobody writes, also when others read.
 *
 * @code
 * static cheng_rwlock routes;
 * static int version;
 *
 * static int look_up(void)
 * {
 *     CHENG_WITH_READ(&routes)
 *         return version;
 *     return 0;
 * }
 *
 * static void replace(void)
 * {
 *     CHENG_WITH_WRITE(&routes)
 *         version++;
 * }
 * @endcode
 *
 * Fair to both sides. A writer passes a gate, which is a cheng_lock, holds it as long as it writes, and first
 * waits for the readers that are inside; from then on who comes to read queues at the gate, with other
 * writers, in the order of their coming. So readers do not keep a writer out, nor writers a reader: at the
 * gate arrivals may overtake who waits for a millisecond, no longer.
 *
 * A writer is known by name: what waits for it is part of deadlock reports, as with a lock. Readers are
 * counted only. So who reads must not ask for more, neither to write (it would wait for itself) nor to
 * read again (a writer may stand between the two), and that is not reported; and a reader that ends
 * without a release leaves it read for ever. Acquiring is never a cancellation point.
 * Memory order: acquire and release, as the names say.
 *
 *   error        from                   meaning
 *   -EAGAIN      ..._until              held the other way, or wanted, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   ..._until              the same until the deadline
 *   -EDEADLK     ..._until              waiting would close a cycle that nothing can break
 *   -EOWNERDEAD  ..._until              acquired; but a writer died holding it. Told once, to who comes next
 *   -EPERM       release_read           nobody reads
 *   -EPERM       release_write          the caller does not write
 *   -EOVERFLOW   acquire_read_until     2^31 - 1 read already
 *   -EINVAL      ..._until              inside an arena */
#ifndef CHENG_RWLOCK_H
#define CHENG_RWLOCK_H

#include <cheng/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_rwlock {
    cheng_lock gate;  /* held by the writer */
    uint32_t readers; /* how many, and whether a writer bars the way; docs/design/words.md */
} cheng_rwlock;

/* Block until the caller may read: no writer is inside or waits for readers to leave. Or until it may
 * write: nobody else is inside. As with cheng_lock_acquire, what cannot be returned goes to the incident
 * hook. They allocate nothing. */
CHENG_API void cheng_rwlock_acquire_read(cheng_rwlock *rwlock);
CHENG_API void cheng_rwlock_acquire_write(cheng_rwlock *rwlock);

/* The same, and return every error; 0 and -EOWNERDEAD mean that the caller may read, or write. */
CHENG_API CHENG_NODISCARD int cheng_rwlock_acquire_read_until(cheng_rwlock *rwlock, cheng_deadline deadline);
CHENG_API CHENG_NODISCARD int cheng_rwlock_acquire_write_until(cheng_rwlock *rwlock, cheng_deadline deadline);

/* The end of a read. The last reader wakes a writer. Does not block. 0 or -EPERM. */
CHENG_API int cheng_rwlock_release_read(cheng_rwlock *rwlock);

/* The end of a write; wakes who waits longest, if anybody does. Does not block. 0 or -EPERM. */
CHENG_API int cheng_rwlock_release_write(cheng_rwlock *rwlock);

/* The functions behind the macros; `site` must be a string literal. */
CHENG_API void chengi_rwlock_acquire_read_at(cheng_rwlock *rwlock, const char *site);
CHENG_API void chengi_rwlock_acquire_write_at(cheng_rwlock *rwlock, const char *site);
CHENG_API void chengi_rwlock_wait_for_readers_at(cheng_rwlock *rwlock, const char *site);
CHENG_API CHENG_NODISCARD int chengi_rwlock_acquire_read_until_at(cheng_rwlock *rwlock,
                                                                  cheng_deadline deadline, const char *site);
CHENG_API CHENG_NODISCARD int chengi_rwlock_acquire_write_until_at(cheng_rwlock *rwlock,
                                                                   cheng_deadline deadline, const char *site);

#ifndef CHENG_NO_INLINE
#define CHENGI_RWLOCK_WRITER (UINT32_C(1) << 31)
#define CHENGI_RWLOCK_MOST (CHENGI_RWLOCK_WRITER - 1)

static inline void chengi_rwlock_acquire_read_inline(cheng_rwlock *rwlock, const char *site)
{
    uint32_t readers = __atomic_load_n(&rwlock->readers, __ATOMIC_RELAXED);
    if (__builtin_expect(readers >= CHENGI_RWLOCK_MOST ||
                             !__atomic_compare_exchange_n(&rwlock->readers, &readers, readers + 1, 0,
                                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED),
                         0))
        chengi_rwlock_acquire_read_at(rwlock, site);
}

static inline int chengi_rwlock_release_read_inline(cheng_rwlock *rwlock)
{
    uint32_t readers = __atomic_load_n(&rwlock->readers, __ATOMIC_RELAXED);
    if (__builtin_expect(readers - 1 < CHENGI_RWLOCK_MOST && /* some, and no writer waits for them */
                             __atomic_compare_exchange_n(&rwlock->readers, &readers, readers - 1, 0,
                                                         __ATOMIC_RELEASE, __ATOMIC_RELAXED),
                         1))
        return 0;
    return cheng_rwlock_release_read(rwlock);
}

static inline void chengi_rwlock_acquire_write_inline(cheng_rwlock *rwlock, const char *site)
{
    uint32_t none = 0;
    chengi_lock_acquire_inline(&rwlock->gate, site);
    if (__builtin_expect(!__atomic_compare_exchange_n(&rwlock->readers, &none, CHENGI_RWLOCK_WRITER, 0,
                                                      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED),
                         0))
        chengi_rwlock_wait_for_readers_at(rwlock, site);
}

static inline int chengi_rwlock_release_write_inline(cheng_rwlock *rwlock)
{
    if (__builtin_expect(!chengi_lock_surely_mine(&rwlock->gate), 0))
        return cheng_rwlock_release_write(rwlock);
    __atomic_store_n(&rwlock->readers, 0, __ATOMIC_RELEASE);
    return chengi_lock_release_inline(&rwlock->gate);
}
#else
#define chengi_rwlock_acquire_read_inline chengi_rwlock_acquire_read_at
#define chengi_rwlock_release_read_inline cheng_rwlock_release_read
#define chengi_rwlock_acquire_write_inline chengi_rwlock_acquire_write_at
#define chengi_rwlock_release_write_inline cheng_rwlock_release_write
#endif

CHENG_WITH_WAY_(cheng_rwlock, chengi_with_read, chengi_rwlock_acquire_read_inline,
                chengi_rwlock_release_read_inline)
CHENG_WITH_WAY_(cheng_rwlock, chengi_with_write, chengi_rwlock_acquire_write_inline,
                chengi_rwlock_release_write_inline)

/* CHENG_WITH, to read or to write. */
#define CHENG_WITH_READ(rwlock) CHENG_WITH_(cheng_rwlock, chengi_with_read, rwlock)
#define CHENG_WITH_WRITE(rwlock) CHENG_WITH_(cheng_rwlock, chengi_with_write, rwlock)

#define cheng_rwlock_acquire_read(rwlock) chengi_rwlock_acquire_read_inline((rwlock), CHENG_HERE)
#define cheng_rwlock_acquire_write(rwlock) chengi_rwlock_acquire_write_inline((rwlock), CHENG_HERE)
#define cheng_rwlock_acquire_read_until(rwlock, deadline)                                                    \
    chengi_rwlock_acquire_read_until_at((rwlock), (deadline), CHENG_HERE)
#define cheng_rwlock_acquire_write_until(rwlock, deadline)                                                   \
    chengi_rwlock_acquire_write_until_at((rwlock), (deadline), CHENG_HERE)
#define cheng_rwlock_release_read(rwlock) chengi_rwlock_release_read_inline(rwlock)
#define cheng_rwlock_release_write(rwlock) chengi_rwlock_release_write_inline(rwlock)

#ifdef __cplusplus
}
#endif
#endif
