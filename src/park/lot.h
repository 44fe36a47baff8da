/* The lot: who waits for which private word. A hash table of buckets, each a set of words, each with its
 * waiters in the order of their coming. It grows, and is never freed. (Source of the idea: WebKit's ParkingLot,
 * F. Pizlo, 2016.)
 *
 *   waiter                                    waker
 *   wake = WAITING                            changes the word
 *   latch the bucket                          latch the bucket
 *   word still holds the value? else leave    take the first waiter of the word off
 *   (fence) cancelled? then leave             its wake = WOKEN
 *   join the word's queue                     unlatch
 *   unlatch, sleep until wake changes         make it runnable: the last touch of its runner
 *
 * If the waiter latches first, the waker finds it; if the waker does, the waiter sees the new value. Who ends the wait
 * for another reason (chengi_wait_end) does as the waker: latches, takes it off, changes `wake`. So who is in a queue
 * waits. Nobody touches a `struct waiter`, which lies on the waiting stack, after changing `wake`.
 *
 * A wait for several words has a waiter for each, and is ended by a compare-and-swap of `wake`. Of those who take its
 * waiters off one succeeds; the others go on to the next in the queue, as if it had not been there. Before it returns it
 * latches the bucket of each word, to leave the queue: until then its waiters may be touched by who has the latch. */
#ifndef CHENG_PARK_LOT_H
#define CHENG_PARK_LOT_H

#include "host/latch.h"
#include "run/runner.h"

struct waiter {
    uint32_t *word;
    struct cheng_task *runner;
    struct waiter *next, *prev; /* the word's queue, a ring; NULL: not in it yet */
    struct waiter *chain;       /* of a queue's first: the next word's first in this bucket */
    bool several;               /* one of a wait for several words, which may have ended already */
    bool woken;                 /* then: it is the one that ended it */
};

struct bucket {
    _Alignas(CHENGI_CACHE_LINE) struct latch latch;
    uint32_t words; /* queues in the chain */
    struct waiter *first;
};

struct table {
    unsigned shift; /* 64 less the logarithm of the number of buckets */
    struct bucket *buckets;
    struct table *former; /* which this one has replaced */
};
/* Replaced with all buckets latched; old ones are not freed, but after a fork. */
extern struct table *chengi_lot;

static inline size_t chengi_lot_index(const uint32_t *word, const struct table *table)
{
    return (size_t)(((uintptr_t)word >> 2) * 0x9E3779B97F4A7C15u >> table->shift);
}

static inline struct bucket *chengi_lot_lock(const uint32_t *word)
{
    for (;;) {
        struct table *seen = load_acquire(&chengi_lot); /* partner: the publication in chengi_lot_grow */
        struct bucket *bucket = &seen->buckets[chengi_lot_index(word, seen)];
        chengi_latch_acquire(&bucket->latch);
        if (likely(seen == load_relaxed(&chengi_lot))) /* cannot change while we hold one of its latches */
            return bucket;
        chengi_latch_release(&bucket->latch);
    }
}

static inline void chengi_lot_unlock(struct bucket *bucket)
{
    chengi_latch_release(&bucket->latch);
}

/* The first who waits for the word, or NULL. With the bucket locked, as the next two. */
static inline struct waiter *chengi_lot_first(struct bucket *bucket, const uint32_t *word)
{
    struct waiter *waiter = bucket->first;
    while (waiter != NULL && waiter->word != word)
        waiter = waiter->chain;
    return waiter;
}

/* Takes the first off; `*more`: others wait for the same word. */
static inline struct waiter *chengi_lot_take(struct bucket *bucket, const uint32_t *word, bool *more)
{
    struct waiter **link = &bucket->first, *waiter;
    while ((waiter = *link) != NULL && waiter->word != word)
        link = &waiter->chain;
    *more = waiter != NULL && waiter->next != waiter;
    if (waiter == NULL)
        return NULL;
    if (*more) {
        waiter->next->chain = waiter->chain;
        *link = waiter->next;
        waiter->next->prev = waiter->prev;
        waiter->prev->next = waiter->next;
    } else {
        *link = waiter->chain;
        store_relaxed(&bucket->words, bucket->words - 1); /* partner: the look of chengi_lot_grow */
    }
    return waiter;
}

void chengi_lot_join(struct bucket *bucket, struct waiter *waiter, bool front);
void chengi_lot_leave(struct bucket *bucket, struct waiter *waiter);

/* Makes more buckets if that bucket, unlocked by now, had too many words. */
void chengi_lot_grow(const struct bucket *bucket);

/* Wakes all who wait for a private lock that `owner`, which is ending, still holds: they find it dead. */
void chengi_lot_wake_orphans(uint32_t owner);

/* In a fork's child: nobody waits. */
void chengi_lot_after_fork(void);

#endif
