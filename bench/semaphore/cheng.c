/* cheng_semaphore of one unit. */
#include <cheng.h>

static cheng_semaphore semaphore __attribute__((aligned(128))) = CHENG_SEMAPHORE(1);

static inline void lock(void)
{
    (void)cheng_semaphore_acquire(&semaphore);
}

static inline void unlock(void)
{
    (void)cheng_semaphore_release(&semaphore, 1);
}

#include "../lock/lock.h"
