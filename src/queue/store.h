/* What is in a queue that is no ring: an array of items that leaves in one of three orders, and grows. No word of it is
 * atomic: the channel's lock protects it.
 *
 * FIFO and LIFO: the items lie from `first`, around the end of the array. PRIORITY: a heap of entries, each with four
 * children, which lie in one or two cache lines; the items themselves stay in their slots. entries[i].slot for i >= size
 * are the free slots. Equal keys leave by their number, which counts puts. */
#ifndef CHENG_QUEUE_STORE_H
#define CHENG_QUEUE_STORE_H

#include <cheng/queue.h>

struct entry {
    int64_t key; /* 0 if `compare` decides */
    uint64_t number;
    uint32_t slot;
};

struct store {
    enum cheng_order order;
    int (*compare)(const void *a, const void *b);
    size_t item_size;
    size_t size, room; /* items, slots: a power of two */
    size_t first;
    unsigned char *items;
    struct entry *entries;
    uint64_t number;
};

/* 0 or -ENOMEM. */
int chengi_store_init(struct store *store, size_t item_size, enum cheng_order order,
                      int (*compare)(const void *a, const void *b));
void chengi_store_destroy(struct store *store);

/* 0 or -ENOMEM, which does not come while size < room. */
int chengi_store_push(struct store *store, const void *item);

/* What leaves first; for stores that are not empty. The pointer is good until the next change. */
const void *chengi_store_peek(const struct store *store);
void chengi_store_pop(struct store *store, void *item);
void chengi_store_clear(struct store *store);

#endif
