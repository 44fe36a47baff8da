#include "queue/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

enum { CHILDREN = 4, ROOM_FIRST = 8 };

static unsigned char *item_at(const struct store *store, size_t slot)
{
    return store->items + slot * store->item_size;
}

static void copy(const struct store *store, void *to, const void *from)
{
    if (store->item_size == 8)
        memcpy(to, from, 8); /* a move, no call */
    else if (store->item_size == 16)
        memcpy(to, from, 16);
    else
        memcpy(to, from, store->item_size);
}

/* ---- room ---- */

/* The newer half of an array that was full and has doubled: what went around its end follows on. */
static void unwrap(struct store *store, size_t former)
{
    memcpy(item_at(store, former), store->items, store->first * store->item_size);
}

static int set_room(struct store *store, size_t room)
{
    struct entry *entries = store->entries;
    unsigned char *items;
    if (room > UINT32_MAX / 2 || room * sizeof *entries > SIZE_MAX / 2 ||
        room > SIZE_MAX / 2 / store->item_size)
        return -ENOMEM;
    if (store->order == CHENG_PRIORITY) {
        entries = realloc(entries, room * sizeof *entries);
        if (entries == NULL)
            return -ENOMEM;
        store->entries = entries;
        for (size_t i = store->room; i < room; i++)
            entries[i].slot = (uint32_t)i;
    }
    items = realloc(store->items, room * store->item_size);
    if (items == NULL)
        return -ENOMEM; /* the entries, if they have grown, are set again at the next try */
    store->items = items;
    if (store->order != CHENG_PRIORITY && store->size > 0)
        unwrap(store, store->room);
    store->room = room;
    return 0;
}

int chengi_store_init(struct store *store, size_t item_size, enum cheng_order order,
                      int (*compare)(const void *a, const void *b))
{
    *store = (struct store){ .order = order, .compare = compare, .item_size = item_size };
    int rc = set_room(store, ROOM_FIRST);
    if (rc < 0)
        chengi_store_destroy(store);
    return rc;
}

void chengi_store_destroy(struct store *store)
{
    free(store->items);
    free(store->entries);
}

/* ---- the heap ---- */

static int64_t key_of(const void *item)
{
    int64_t key;
    memcpy(&key, item, sizeof key);
    return key;
}

static CHENGI_NOINLINE bool equal_before(const struct store *store, const struct entry *a,
                                         const struct entry *b)
{
    if (store->compare != NULL) {
        int order = store->compare(item_at(store, a->slot), item_at(store, b->slot));
        if (order != 0)
            return order < 0;
    }
    return a->number < b->number;
}

static inline bool before(const struct store *store, const struct entry *a, const struct entry *b)
{
    return a->key < b->key || (unlikely(a->key == b->key) && equal_before(store, a, b));
}

static void sift_up(struct store *store, size_t hole, struct entry entry)
{
    while (hole > 0) {
        size_t parent = (hole - 1) / CHILDREN;
        if (!before(store, &entry, &store->entries[parent]))
            break;
        store->entries[hole] = store->entries[parent];
        hole = parent;
    }
    store->entries[hole] = entry;
}

/* The last entry replaces the first. It belongs far below: so the hole goes all the way down, the entry from there up. */
static void take_first(struct store *store)
{
    struct entry *entries = store->entries, last = entries[store->size - 1];
    uint32_t slot = entries[0].slot;
    size_t hole = 0, child, size = store->size - 1;
    while ((child = hole * CHILDREN + 1) < size) {
        size_t end = child + CHILDREN < size ? child + CHILDREN : size, least = child;
        const struct entry *first = &entries[child];
        while (++child < end)
            if (before(store, &entries[child], first))
                first = &entries[least = child];
        entries[hole] = *first;
        hole = least;
    }
    if (size > 0)
        sift_up(store, hole, last);
    entries[size].slot = slot;
}

/* ---- all three ---- */

static size_t index_of(const struct store *store, size_t n)
{
    return (store->first + n) & (store->room - 1);
}

int chengi_store_push(struct store *store, const void *item)
{
    if (unlikely(store->size == store->room)) {
        int rc = set_room(store, store->room * 2);
        if (rc < 0)
            return rc;
    }
    if (store->order == CHENG_PRIORITY) {
        struct entry entry = { store->compare != NULL ? 0 : key_of(item), store->number++,
                               store->entries[store->size].slot };
        copy(store, item_at(store, entry.slot), item);
        sift_up(store, store->size, entry);
    } else {
        copy(store, item_at(store, index_of(store, store->size)), item);
    }
    store->size++;
    return 0;
}

const void *chengi_store_peek(const struct store *store)
{
    if (store->order == CHENG_PRIORITY)
        return item_at(store, store->entries[0].slot);
    return item_at(store, store->order == CHENG_LIFO ? index_of(store, store->size - 1) : store->first);
}

void chengi_store_pop(struct store *store, void *item)
{
    copy(store, item, chengi_store_peek(store));
    if (store->order == CHENG_PRIORITY)
        take_first(store);
    else if (store->order == CHENG_FIFO)
        store->first = index_of(store, 1);
    store->size--;
}

void chengi_store_clear(struct store *store)
{
    store->size = 0; /* whatever slots the entries have, together they have each once */
}
