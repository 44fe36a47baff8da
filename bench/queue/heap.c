/* What one would write: a binary heap of the items behind a mutex, with a condition for each side. Equal keys leave in
 * any order. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

struct item {
    int64_t key, payload;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static struct item *items;
static size_t count, room = 16, most;

static void open_queue(size_t capacity) /* 0: no bound */
{
    most = capacity == 0 ? SIZE_MAX : capacity;
    items = malloc(room * sizeof *items);
    if (items == NULL)
        abort();
}

static inline void put(struct item item)
{
    pthread_mutex_lock(&mutex);
    while (count == most)
        pthread_cond_wait(&not_full, &mutex);
    if (count == room) {
        room *= 2;
        items = realloc(items, room * sizeof *items);
        if (items == NULL)
            abort();
    }
    size_t hole = count++;
    while (hole > 0 && item.key < items[(hole - 1) / 2].key) {
        items[hole] = items[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    items[hole] = item;
    pthread_cond_signal(&not_empty);
    pthread_mutex_unlock(&mutex);
}

static inline int64_t get(void)
{
    pthread_mutex_lock(&mutex);
    while (count == 0)
        pthread_cond_wait(&not_empty, &mutex);
    int64_t key = items[0].key;
    struct item last = items[--count];
    size_t hole = 0, child;
    while ((child = 2 * hole + 1) < count) {
        child += child + 1 < count && items[child + 1].key < items[child].key;
        if (last.key <= items[child].key)
            break;
        items[hole] = items[child];
        hole = child;
    }
    items[hole] = last;
    pthread_cond_signal(&not_full);
    pthread_mutex_unlock(&mutex);
    return key;
}

#include "priority.h"
