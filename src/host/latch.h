/* A 4-byte lock for the library's own sections of a few dozen instructions, between threads of one process.
 *
 *   word   meaning      may change it
 *   0      free         anybody, to 1, by compare-and-swap (acquire)
 *   1      held         the holder, to 0, by a store (release)
 *
 * Releasing is a plain store, which is what makes it cheap, so it cannot know of sleepers: who finds it held
 * spins, then lets the holder run, then sleeps for 50 µs at a time. Nobody blocks while holding one, so only
 * a holder that the kernel has preempted makes others come so far. */
#ifndef CHENG_HOST_LATCH_H
#define CHENG_HOST_LATCH_H

#include "base/compiler.h"

struct latch {
    uint32_t word;
};
_Static_assert(sizeof(struct latch) == 4, "the size of the word");

void chengi_latch_acquire_slow(struct latch *latch);

static inline bool chengi_latch_try(struct latch *latch)
{
    uint32_t expected = 0;
    return cas_acquire(&latch->word, &expected, 1); /* partner: the release below */
}

static inline void chengi_latch_acquire(struct latch *latch)
{
    if (unlikely(!chengi_latch_try(latch)))
        chengi_latch_acquire_slow(latch);
}

static inline void chengi_latch_release(struct latch *latch)
{
    store_release(&latch->word, 0);
}

#endif
