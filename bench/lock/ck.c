/* Concurrency Kit's fetch-and-store spin lock: it never sleeps, so it is a peer only while nobody else
 * wants the lock. */
#include <ck_spinlock.h>

static ck_spinlock_fas_t mutex __attribute__((aligned(128))) = CK_SPINLOCK_FAS_INITIALIZER;

static inline void lock(void)
{
    ck_spinlock_fas_lock(&mutex);
}

static inline void unlock(void)
{
    ck_spinlock_fas_unlock(&mutex);
}

#include "lock.h"
