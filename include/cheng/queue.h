/* cheng/queue.h: a bounded queue of items of one size (Python: queue.Queue, multiprocessing.Queue).
 *
 * Items are bytes, copied in and copied out; a pointer is just an 8-byte item. Any number of threads and
 * coroutines put and get at the same time; with the option .arena, processes too, and then a process
 * that is SIGKILLed inside put or get loses no item that was put and doubles none.
 *
 * @code
 * struct job { int id; };
 * cheng_queue *q;
 * if (cheng_queue_new(&q, sizeof(struct job), &(cheng_queue_options){.capacity = 3}) == 0) {
 *     struct job job = {1};
 *     cheng_queue_put(q, &job);
 *     if (cheng_queue_get_until(q, &job, CHENG_NOW) == -EAGAIN)
 *         puts("empty");
 *     cheng_queue_close(q);
 *     cheng_queue_free(q);
 * }
 * @endcode
 *
 * Order: items of one producer leave in the order they were put; each put that returned before another
 * began is ahead of it. A call that returns anything but 0 has put or taken nothing; one that is
 * cancelled or times out while it gets the item returns 0 with it.
 * Memory order: what was done before a put is seen after the get of its item.
 *
 *   -EAGAIN      full (put) or empty (get), and the deadline was CHENG_NOW
 *   -ETIMEDOUT   full or empty until the deadline
 *   -ECANCELED   the calling task was cancelled
 *   -EPIPE       put: closed; get: closed and empty
 *   -EBADMSG     its arena is corrupted
 *   -EOPNOTSUPP  its arena is not attached in this process
 *   -EINVAL, -ENOMEM from new */
#ifndef CHENG_QUEUE_H
#define CHENG_QUEUE_H

#include <cheng/arena.h>
#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_queue cheng_queue;

enum cheng_order { CHENG_FIFO = 0 };

typedef struct cheng_queue_options {
    size_t capacity;        /* items; at least 1 */
    enum cheng_order order; /* CHENG_FIFO */
    cheng_arena *arena;     /* NULL: private to the process */
} cheng_queue_options;

/* Makes a queue of items of `item_size` bytes (1 to 64 KiB). It is the caller's, until cheng_queue_free.
 * A child made by fork uses the same handle. */
CHENG_API CHENG_NODISCARD int cheng_queue_new(cheng_queue **out, size_t item_size,
                                              const cheng_queue_options *options);

/* Frees the handle and, if this process made it, the queue with what is left in it. The caller makes
 * sure that nobody uses it any more. NULL is allowed. */
CHENG_API void cheng_queue_free(cheng_queue *queue);

/* Copies the item in; blocks while the queue is full. */
CHENG_API int cheng_queue_put(cheng_queue *queue, const void *item);
CHENG_API CHENG_NODISCARD int cheng_queue_put_until(cheng_queue *queue, const void *item,
                                                    cheng_deadline deadline);

/* Copies the oldest item out; blocks while the queue is empty. */
CHENG_API CHENG_NODISCARD int cheng_queue_get(cheng_queue *queue, void *item);
CHENG_API CHENG_NODISCARD int cheng_queue_get_until(cheng_queue *queue, void *item, cheng_deadline deadline);

/* Items in the queue, a snapshot: exact while nobody is inside put or get. */
CHENG_API size_t cheng_queue_size(const cheng_queue *queue);

/* No more puts; gets go on until it is empty. Wakes all who wait. Again is harmless. */
CHENG_API void cheng_queue_close(cheng_queue *queue);

#ifdef __cplusplus
}
#endif
#endif
