#include "park/lot.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "park/park.h"

enum { FIRST_BITS = 8, MOST_BITS = 20, CROWDED = 6 };
_Static_assert(sizeof(struct bucket) == CHENGI_CACHE_LINE, "one bucket, one line");

static struct bucket first_buckets[1 << FIRST_BITS];
static struct table first_table = { 64 - FIRST_BITS, first_buckets, NULL };
struct table *chengi_lot = &first_table;
static struct latch growing;

static size_t size_of(const struct table *table)
{
    return (size_t)1 << (64 - table->shift);
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
}

static void move_queues(struct bucket *from, struct table *to)
{
    struct waiter *first = from->first, *next;
    for (; first != NULL; first = next) {
        struct bucket *bucket = &to->buckets[chengi_lot_index(first->word, to)];
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
    *made = (struct table){ 64 - bits, buckets, NULL };
    return made;
}

/* Latches every bucket, in order; nobody else holds two. Without memory the table stays as it is: slower. */
void chengi_lot_grow(const struct bucket *bucket)
{
    if (likely(load_relaxed(&bucket->words) <= CROWDED) || !chengi_latch_try(&growing))
        return;
    struct table *old = chengi_lot, *made = old->shift <= 64 - MOST_BITS ? NULL : table_new(66 - old->shift);
    if (made != NULL) {
        size_t count = size_of(old);
        for (size_t i = 0; i < count; i++)
            chengi_latch_acquire(&old->buckets[i].latch);
        for (size_t i = 0; i < count; i++)
            move_queues(&old->buckets[i], made);
        made->former = old;
        store_release(&chengi_lot, made); /* partner: chengi_lot_lock */
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
        seen = load_acquire(&chengi_lot);
        for (size_t i = 0; i < size_of(seen); i++) {
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
                /* even if it wakes nobody it takes all off: the next pass finds another word */
                if (orphan != NULL)
                    chengi_unpark(orphan, UINT32_MAX);
            } while (orphan != NULL);
        }
    } while (seen != load_acquire(&chengi_lot));
}

/* The first table again, whoever was in it: nobody else is left who could look at the others. */
void chengi_lot_after_fork(void)
{
    growing = (struct latch){ 0 };
    while (chengi_lot != &first_table) {
        struct table *grown = chengi_lot;
        chengi_lot = grown->former;
        free(grown->buckets);
        free(grown);
    }
    memset(first_buckets, 0, sizeof first_buckets);
}
