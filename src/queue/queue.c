/* The public queue: a private ring, a ring in an arena, or a channel; and what is done of its items. */
#include <cheng/queue.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "park/post.h"
#include "park/select.h"
#include "queue/channel.h"
#include "queue/ring.h"
#include "queue/shared_ring.h"

enum { ITEM_MOST = 64 << 10 };

struct cheng_queue {
    struct ring ring; /* first: it is aligned to cache lines */
    enum { RING, SHARED_RING, CHANNEL } kind;
    struct shared_ring *shared;
    struct channel *channel;
    /* items; joiners park on its low half. Apart: puts and gets read what comes before it */
    _Alignas(2 * CHENGI_CACHE_LINE) uint64_t done;
};

static int check(size_t item_size, const cheng_queue_options *options)
{
    bool numbered = options->capacity != 0 && options->capacity != CHENG_RENDEZVOUS;
    if (item_size == 0 || item_size > ITEM_MOST || (unsigned)options->order > CHENG_PRIORITY ||
        (options->order != CHENG_FIFO && options->capacity == CHENG_RENDEZVOUS))
        return -EINVAL;
    if (options->order != CHENG_PRIORITY && options->compare != NULL)
        return -EINVAL;
    if (options->order == CHENG_PRIORITY && options->compare == NULL && item_size < sizeof(int64_t))
        return -EINVAL;
    if (options->arena != NULL && (options->order != CHENG_FIFO || !numbered))
        return -ENOTSUP;
    return 0;
}

int cheng_queue_new(cheng_queue **out, size_t item_size, const cheng_queue_options *options)
{
    static const cheng_queue_options defaults;
    if (options == NULL)
        options = &defaults;
    int rc = out == NULL ? -EINVAL : check(item_size, options);
    if (rc < 0)
        return rc;
    cheng_queue *queue = aligned_alloc(_Alignof(cheng_queue), sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    queue->done = 0;
    if (options->arena != NULL) {
        queue->kind = SHARED_RING;
        rc = chengi_shared_ring_new(&queue->shared, options->arena, item_size, options->capacity);
    } else if (options->order == CHENG_FIFO && options->capacity != 0 &&
               options->capacity != CHENG_RENDEZVOUS) {
        queue->kind = RING;
        rc = chengi_ring_init(&queue->ring, item_size, options->capacity);
    } else {
        queue->kind = CHANNEL;
        rc = chengi_channel_new(&queue->channel, item_size, options);
        if (rc == 0)
            queue->channel->queue = queue;
    }
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
    if (queue->kind == RING)
        chengi_ring_destroy(&queue->ring);
    else if (queue->kind == CHANNEL)
        chengi_channel_free(queue->channel);
    else
        chengi_shared_ring_free(queue->shared);
    free(queue);
}

/* ---- put and get ---- */

static CHENGI_NOINLINE int put_elsewhere(cheng_queue *queue, const void *item, cheng_deadline deadline)
{
    if (unlikely(chengi_in_handler != 0)) /* these have locks, which the handler may have interrupted */
        return -ENOTSUP;
    return queue->kind == CHANNEL ? chengi_channel_put(queue->channel, item, deadline)
                                  : chengi_shared_ring_put(queue->shared, item, deadline);
}

static CHENGI_NOINLINE int get_elsewhere(cheng_queue *queue, void *item, cheng_deadline deadline)
{
    if (unlikely(chengi_in_handler != 0))
        return -ENOTSUP;
    return queue->kind == CHANNEL ? chengi_channel_get(queue->channel, item, deadline)
                                  : chengi_shared_ring_get(queue->shared, item, deadline);
}

int cheng_queue_put_until(cheng_queue *queue, const void *item, cheng_deadline deadline)
{
    if (unlikely(queue->kind != RING))
        return put_elsewhere(queue, item, deadline);
    return chengi_ring_put(&queue->ring, item, deadline);
}

int cheng_queue_get_until(cheng_queue *queue, void *item, cheng_deadline deadline)
{
    if (unlikely(queue->kind != RING))
        return get_elsewhere(queue, item, deadline);
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

int cheng_queue_peek(cheng_queue *queue, void *item)
{
    return queue->kind == RING      ? chengi_ring_peek(&queue->ring, item)
           : queue->kind == CHANNEL ? chengi_channel_peek(queue->channel, item)
                                    : -ENOTSUP;
}

/* ---- select ---- */

static int attempt_put(cheng_case *c, const struct select_wait *wait)
{
    cheng_queue *queue = c->object;
    (void)wait;
    return queue->kind == SHARED_RING ? -ENOTSUP : cheng_queue_put_until(queue, c->item, CHENG_NOW);
}

static int attempt_get(cheng_case *c, const struct select_wait *wait)
{
    cheng_queue *queue = c->object;
    (void)wait;
    return queue->kind == SHARED_RING ? -ENOTSUP : cheng_queue_get_until(queue, c->item, CHENG_NOW);
}

static int await(const cheng_case *c, struct select_wait *wait)
{
    cheng_queue *queue = c->object;
    bool putting = c->kind == CHENG_CASE_PUT;
    return queue->kind == RING ? chengi_ring_await(&queue->ring, putting, wait->point)
                               : chengi_channel_await(queue->channel, putting, c->item, wait);
}

static int leave(const cheng_case *c, struct select_wait *wait)
{
    cheng_queue *queue = c->object;
    return queue->kind == RING ? 0 : chengi_channel_leave(queue->channel, wait);
}

const struct selectable chengi_select_put = { attempt_put, await, leave };
const struct selectable chengi_select_get = { attempt_get, await, leave };

/* ---- counting ---- */

static uint64_t puts_of(const cheng_queue *queue)
{
    return queue->kind == RING ? chengi_ring_puts(&queue->ring) : load_acquire(&queue->channel->puts);
}

static uint64_t gets_of(const cheng_queue *queue)
{
    return queue->kind == RING ? chengi_ring_gets(&queue->ring) : load_acquire(&queue->channel->gets);
}

/* The gets are the same before and after the puts are counted: so both were true when the puts were. */
static size_t ring_size(const cheng_queue *queue)
{
    uint64_t gets = gets_of(queue), before, puts;
    do {
        before = gets;
        puts = puts_of(queue);
        gets = gets_of(queue);
    } while (gets != before);
    return (size_t)(puts - gets);
}

size_t cheng_queue_size(const cheng_queue *queue)
{
    return queue->kind == RING      ? ring_size(queue)
           : queue->kind == CHANNEL ? chengi_channel_size(queue->channel)
                                    : chengi_shared_ring_size(queue->shared);
}

/* ---- what is done ----
 *
 *   joiner                                   who is done
 *   1 done is d, puts are p > d              a done + 1
 *   2 parks while done is d                  b puts are as many? wakes all
 *
 * a before 2: 2 sees another number. 2 before a: b finds the joiner, or a put came, and a later task_done will. b cannot
 * see too few puts: its own item, and those of all who are done before (a is one chain of read-modify-writes), were taken,
 * which is after they were put. */

static void wake_joiners_if_all(cheng_queue *queue, uint64_t done)
{
    if (done == puts_of(queue))
        chengi_unpark(chengi_low_half(&queue->done), UINT_MAX);
}

int cheng_queue_task_done(cheng_queue *queue)
{
    if (queue->kind == SHARED_RING)
        return -ENOTSUP;
    uint64_t done = load_relaxed(&queue->done);
    do {
        if (done >= gets_of(queue))
            return -EINVAL;
    } while (!cas_acq_rel(&queue->done, &done, done + 1)); /* release: partner: join */
    wake_joiners_if_all(queue, done + 1);
    return 0;
}

int cheng_queue_join_until(cheng_queue *queue, cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_DONE, queue, NULL };
    int rc = 0;
    if (queue->kind == SHARED_RING)
        return -ENOTSUP;
    for (;;) {
        /* before the puts: if they are equal, they were at this moment */
        uint64_t done = load_acquire(&queue->done);
        if (done == puts_of(queue))
            return 0;
        if (rc < 0 || chengi_is_now(deadline))
            return rc < 0 ? rc : -EAGAIN;
        rc = chengi_park(chengi_low_half(&queue->done), (uint32_t)done, deadline.at_ns, &why, 0);
    }
}

int cheng_queue_join(cheng_queue *queue)
{
    return cheng_queue_join_until(queue, CHENG_FOREVER);
}

/* ---- closing ---- */

void cheng_queue_close(cheng_queue *queue)
{
    if (queue->kind == RING)
        chengi_ring_close(&queue->ring);
    else if (queue->kind == CHANNEL)
        (void)chengi_channel_close(queue->channel, false);
    else
        chengi_shared_ring_close(queue->shared);
}

void cheng_queue_close_and_drop(cheng_queue *queue)
{
    size_t dropped = 0;
    if (queue->kind == CHANNEL) {
        dropped = chengi_channel_close(queue->channel, true);
    } else if (queue->kind == RING) {
        chengi_ring_close(&queue->ring);
        dropped = chengi_ring_drop(&queue->ring);
    } else {
        chengi_shared_ring_close(queue->shared);
        while (chengi_shared_ring_get(queue->shared, NULL, CHENG_FOREVER) == 0)
            ;
    }
    if (dropped > 0)
        wake_joiners_if_all(queue, __atomic_add_fetch(&queue->done, dropped, __ATOMIC_ACQ_REL));
}
