/* cheng_lock: the macros, that is, the inlined fast path, with owner and call site recorded. */
#include <cheng.h>

static cheng_lock mutex __attribute__((aligned(128)));

static inline void lock(void)
{
    cheng_lock_acquire(&mutex);
}

static inline void unlock(void)
{
    (void)cheng_lock_release(&mutex);
}

#include "lock.h"
