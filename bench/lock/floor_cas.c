/* The floor of a lock: one compare-and-swap to take it and one exchange to give it back. It does not
 * know how to wait. */
#include <stdint.h>

static uint32_t word __attribute__((aligned(128)));

static inline void lock(void)
{
    uint32_t unlocked = 0;
    while (!__atomic_compare_exchange_n(&word, &unlocked, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        unlocked = 0;
}

static inline void unlock(void)
{
    __atomic_exchange_n(&word, 0, __ATOMIC_RELEASE);
}

#include "lock.h"
