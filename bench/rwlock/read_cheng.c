/* cheng_rwlock, to read. */
#include <cheng.h>

static cheng_rwlock rwlock __attribute__((aligned(128)));

static inline void lock(void)
{
    cheng_rwlock_acquire_read(&rwlock);
}

static inline void unlock(void)
{
    (void)cheng_rwlock_release_read(&rwlock);
}

#include "../lock/lock.h"
