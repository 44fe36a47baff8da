/* The floor of a wake-up: raw futex calls on a word for each side. */
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct side {
    uint32_t may;
} __attribute__((aligned(128)));

static struct side sides[2];

static inline void give(int i)
{
    __atomic_store_n(&sides[i].may, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &sides[i].may, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static inline void take(int i)
{
    while (__atomic_load_n(&sides[i].may, __ATOMIC_ACQUIRE) == 0)
        syscall(SYS_futex, &sides[i].may, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    __atomic_store_n(&sides[i].may, 0, __ATOMIC_RELAXED); /* the other side gives only after this one gave */
}

#include "wake.h"
