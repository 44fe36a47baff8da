/* The public queue: a private ring, or one in an arena. */
#include <cheng/queue.h>

#include <errno.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "queue/ring.h"
#include "queue/shared_ring.h"

enum { ITEM_MOST = 64 << 10 };

struct cheng_queue {
    struct ring ring;           /* first: it is aligned to cache lines */
    struct shared_ring *shared; /* NULL: private */
};

int cheng_queue_new(cheng_queue **out, size_t item_size, const cheng_queue_options *options)
{
    if (out == NULL || options == NULL || options->capacity == 0 || item_size == 0 || item_size > ITEM_MOST ||
        options->order != CHENG_FIFO)
        return -EINVAL;
    cheng_queue *queue = aligned_alloc(_Alignof(cheng_queue), sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    queue->shared = NULL;
    int rc = options->arena == NULL
                 ? chengi_ring_init(&queue->ring, item_size, options->capacity)
                 : chengi_shared_ring_new(&queue->shared, options->arena, item_size, options->capacity);
    if (rc < 0)
        free(queue);
    else
        *out = queue;
    return rc;
}

void cheng_queue_free(cheng_queue *queue)
{
    if (queue == NULL)
        return;
    if (queue->shared != NULL)
        chengi_shared_ring_free(queue->shared);
    else
        chengi_ring_destroy(&queue->ring);
    free(queue);
}

int cheng_queue_put_until(cheng_queue *queue, const void *item, cheng_deadline deadline)
{
    if (unlikely(queue->shared != NULL))
        return chengi_shared_ring_put(queue->shared, item, deadline);
    return chengi_ring_put(&queue->ring, item, deadline);
}

int cheng_queue_get_until(cheng_queue *queue, void *item, cheng_deadline deadline)
{
    if (unlikely(queue->shared != NULL))
        return chengi_shared_ring_get(queue->shared, item, deadline);
    return chengi_ring_get(&queue->ring, item, deadline);
}

int cheng_queue_put(cheng_queue *queue, const void *item)
{
    return cheng_queue_put_until(queue, item, CHENG_FOREVER);
}

int cheng_queue_get(cheng_queue *queue, void *item)
{
    return cheng_queue_get_until(queue, item, CHENG_FOREVER);
}

size_t cheng_queue_size(const cheng_queue *queue)
{
    return queue->shared != NULL ? chengi_shared_ring_size(queue->shared) : chengi_ring_size(&queue->ring);
}

void cheng_queue_close(cheng_queue *queue)
{
    if (queue->shared != NULL)
        chengi_shared_ring_close(queue->shared);
    else
        chengi_ring_close(&queue->ring);
}
