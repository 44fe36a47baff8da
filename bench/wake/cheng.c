/* Two cheng_semaphores: the cheapest pair that can hand a token over (an event would need a clear too). */
#include <cheng.h>

static struct side {
    cheng_semaphore semaphore;
} __attribute__((aligned(128))) sides[2];

static inline void give(int i)
{
    cheng_semaphore_release(&sides[i].semaphore, 1);
}

static inline void take(int i)
{
    (void)cheng_semaphore_acquire(&sides[i].semaphore);
}

#include "wake.h"
