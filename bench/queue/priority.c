/* cheng_queue, private to the process, in the order of inline keys. */
#include <cheng.h>
#include <stdlib.h>

struct item {
    int64_t key, payload;
};

static cheng_queue *queue;

static void open_queue(size_t capacity) /* 0: no bound */
{
    const cheng_queue_options options = { .capacity = capacity, .order = CHENG_PRIORITY };
    if (cheng_queue_new(&queue, sizeof(struct item), &options) < 0)
        abort();
}

static inline void put(struct item item)
{
    if (cheng_queue_put(queue, &item) < 0)
        abort();
}

static inline int64_t get(void)
{
    struct item item;
    if (cheng_queue_get(queue, &item) < 0)
        abort();
    return item.key;
}

#include "priority.h"
