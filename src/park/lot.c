#include "park/lot.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "park/park.h"

enum { FIRST_BITS = 8, MOST_BITS = 20, CROWDED = 6 };

struct table {
    unsigned bits;
    struct bucket *buckets;
};

static struct bucket first_buckets[1 << FIRST_BITS];
static struct table first_table = { FIRST_BITS, first_buckets };
static struct table *table = &first_table; /* replaced with all buckets latched; old ones are never freed */
static struct latch growing;

static size_t index_of(const uint32_t *word, unsigned bits)
{
    return (size_t)(((uintptr_t)word >> 2) * 0x9E3779B97F4A7C15u >> (64 - bits));
}

struct bucket *chengi_lot_lock(const uint32_t *word)
{
    for (;;) {
        struct table *seen = load_acquire(&table); /* partner: the publication in grow */
        struct bucket *bucket = &seen->buckets[index_of(word, seen->bits)];
        chengi_latch_acquire(&bucket->latch);
        if (likely(seen == load_relaxed(&table))) /* cannot change while we hold one of its latches */
            return bucket;
        chengi_latch_release(&bucket->latch);
    }
}

struct waiter *chengi_lot_first(struct bucket *bucket, const uint32_t *word)
{
    struct waiter *waiter = bucket->first;
    while (waiter != NULL && waiter->word != word)
        waiter = waiter->chain;
    return waiter;
}

static struct waiter **chain_link(struct bucket *bucket, const struct waiter *first)
{
    struct waiter **link = &bucket->first;
    while (*link != first)
        link = &(*link)->chain;
    return link;
}

/* relaxed stores: chengi_lot_grow looks without the latch, as a hint */
static void count_words(struct bucket *bucket, int by)
{
    store_relaxed(&bucket->words, bucket->words + (uint32_t)by);
}

void chengi_lot_join(struct bucket *bucket, struct waiter *waiter, bool front)
{
    struct waiter *first = chengi_lot_first(bucket, waiter->word);
    if (first == NULL) {
        waiter->next = waiter->prev = waiter;
        waiter->chain = bucket->first;
        bucket->first = waiter;
        count_words(bucket, 1);
        return;
    }
    waiter->next = first;
    waiter->prev = first->prev;
    first->prev->next = waiter;
    first->prev = waiter;
    if (front) {
        *chain_link(bucket, first) = waiter;
        waiter->chain = first->chain;
    }
}

void chengi_lot_leave(struct bucket *bucket, struct waiter *waiter)
{
    struct waiter *first = chengi_lot_first(bucket, waiter->word);
    if (waiter == first) {
        struct waiter **link = chain_link(bucket, first);
        if (waiter->next == waiter) {
            *link = waiter->chain;
            count_words(bucket, -1);
        } else {
            *link = waiter->next;
            waiter->next->chain = waiter->chain;
        }
    }
    waiter->next->prev = waiter->prev;
    waiter->prev->next = waiter->next;
    waiter->word = NULL;
}

static void move_queues(struct bucket *from, struct table *to)
{
    struct waiter *first = from->first, *next;
    for (; first != NULL; first = next) {
        struct bucket *bucket = &to->buckets[index_of(first->word, to->bits)];
        next = first->chain;
        first->chain = bucket->first;
        bucket->first = first;
        count_words(bucket, 1);
    }
    from->first = NULL;
    store_relaxed(&from->words, 0);
}

static struct table *table_new(unsigned bits)
{
    struct table *made = malloc(sizeof *made);
    size_t size = sizeof(struct bucket) << bits;
    struct bucket *buckets = aligned_alloc(CHENGI_CACHE_LINE, size);
    if (made == NULL || buckets == NULL) {
        free(made);
        free(buckets);
        return NULL;
    }
    memset(buckets, 0, size);
    *made = (struct table){ bits, buckets };
    return made;
}

/* Latches every bucket, in order; nobody else holds two. Without memory the table stays as it is: slower. */
void chengi_lot_grow(const struct bucket *bucket)
{
    if (likely(load_relaxed(&bucket->words) <= CROWDED) || !chengi_latch_try(&growing))
        return;
    struct table *old = table, *made = old->bits >= MOST_BITS ? NULL : table_new(old->bits + 2);
    if (made != NULL) {
        size_t count = (size_t)1 << old->bits;
        for (size_t i = 0; i < count; i++)
            chengi_latch_acquire(&old->buckets[i].latch);
        for (size_t i = 0; i < count; i++)
            move_queues(&old->buckets[i], made);
        store_release(&table, made); /* partner: chengi_lot_lock */
        for (size_t i = 0; i < count; i++)
            chengi_latch_release(&old->buckets[i].latch);
    }
    chengi_latch_release(&growing);
}

/* One pass over the table. A table that replaces it meanwhile may be missed in part; so: until it stays. */
void chengi_lot_wake_orphans(uint32_t owner)
{
    struct table *seen;
    do {
        seen = load_acquire(&table);
        for (size_t i = 0; i < (size_t)1 << seen->bits; i++) {
            struct bucket *bucket = &seen->buckets[i];
            uint32_t *orphan;
            do {
                orphan = NULL;
                chengi_latch_acquire(&bucket->latch);
                for (struct waiter *w = bucket->first; w != NULL && orphan == NULL; w = w->chain)
                    if (w->runner->why.kind == CHENGI_WAIT_LOCK &&
                        (load_relaxed(w->word) & (uint32_t)CHENGI_OWNER) == owner)
                        orphan = w->word;
                chengi_latch_release(&bucket->latch);
            } while (orphan != NULL && chengi_unpark(orphan, UINT32_MAX) > 0);
        }
    } while (seen != load_acquire(&table));
}

void chengi_lot_after_fork(void)
{
    struct table *made = table_new(FIRST_BITS);
    growing = (struct latch){ 0 };
    if (made == NULL) { /* then the first one, whoever was in it */
        memset(first_buckets, 0, sizeof first_buckets);
        made = &first_table;
    }
    table = made;
}
