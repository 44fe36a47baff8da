/* cheng_rlock: the macros, that is, the inlined fast path, with owner, depth and call site recorded. */
#include <cheng.h>

static cheng_rlock mutex __attribute__((aligned(128)));

static inline void lock(void)
{
    cheng_rlock_acquire(&mutex);
}

static inline void unlock(void)
{
    (void)cheng_rlock_release(&mutex);
}

#include "../lock/lock.h"
