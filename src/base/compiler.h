/* What we ask of the compiler, and the names of the atomic operations. */
#ifndef CHENG_BASE_COMPILER_H
#define CHENG_BASE_COMPILER_H

#include <stdbool.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define CHENGI_NOINLINE __attribute__((noinline))
#define CHENGI_CACHE_LINE 64

/* The low half of a word of 64 bits: waits are for 32. */
static inline uint32_t *chengi_low_half(uint64_t *word)
{
    return (uint32_t *)(void *)word + (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 1);
}

/* Memory orders are spelled out at each use; these only shorten the built-ins' names. */
#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Strong compare-and-swap; on failure `*expected` is what was there, read relaxed. */
#define cas_relaxed(p, expected, desired)                                                                    \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define cas_acquire(p, expected, desired)                                                                    \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define cas_release(p, expected, desired)                                                                    \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define cas_acq_rel(p, expected, desired)                                                                    \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
#define cas_seq_cst(p, expected, desired)                                                                    \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#endif
