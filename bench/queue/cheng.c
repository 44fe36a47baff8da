/* cheng_queue, private to the process. */
#include <cheng.h>
#include <stdlib.h>

static cheng_queue *queue;

static void open_queue(void)
{
    if (cheng_queue_new(&queue, sizeof(uintptr_t), &(cheng_queue_options){ .capacity = 1024 }) < 0)
        abort();
}

static inline void put(uintptr_t item)
{
    if (cheng_queue_put(queue, &item) < 0)
        abort();
}

static inline uintptr_t get(void)
{
    uintptr_t item;
    if (cheng_queue_get(queue, &item) < 0)
        abort();
    return item;
}

#include "queue.h"
