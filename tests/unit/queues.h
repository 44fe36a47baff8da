/* Making queues, and the least that actors do with them. */
#ifndef CHENG_TEST_QUEUES_H
#define CHENG_TEST_QUEUES_H

#include "unit/actors.h"

static inline cheng_queue *make_queue_of(size_t item_size, cheng_queue_options options)
{
    cheng_queue *queue = NULL;
    assert_int_equal(cheng_queue_new(&queue, item_size, &options), 0);
    assert_non_null(queue);
    return queue;
}

static inline cheng_queue *make(size_t item_size, size_t capacity)
{
    return make_queue_of(item_size, (cheng_queue_options){ .capacity = capacity });
}

static inline int compare_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 1);
}

static inline int put_one(void *context)
{
    int64_t item = 1;
    return cheng_queue_put(context, &item);
}

static inline int get_one(void *context)
{
    int64_t item;
    return cheng_queue_get(context, &item);
}

#endif
