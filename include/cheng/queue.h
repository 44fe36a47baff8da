/* cheng/queue.h: a queue of items of one size (Python: queue.Queue, LifoQueue, PriorityQueue, multiprocessing's
 * JoinableQueue; gevent's Channel).
 *
 * Items are bytes, copied in and copied out; a pointer is just an 8-byte item. Any number of threads and
 * coroutines put and get at the same time, in any mixture. With the option .arena, processes too, and then a
 * process that is SIGKILLed inside put or get loses no item that was put and doubles none.
 *
 * @code
 * struct job { int64_t urgency; int id; };
 * cheng_queue *q;
 * if (cheng_queue_new(&q, sizeof(struct job), &(cheng_queue_options){.order = CHENG_PRIORITY}) == 0) {
 *     struct job job = {5, 1}, first = {-1, 2};
 *     cheng_queue_put(q, &job);
 *     cheng_queue_put(q, &first);
 *     cheng_queue_close(q); // no more puts: the loop ends when it is empty
 *     while (cheng_queue_get(q, &job) == 0) {
 *         printf("%d\n", job.id); // 2, then 1
 *         cheng_queue_task_done(q);
 *     }
 *     cheng_queue_join(q); // all that was put is done: returns at once
 *     cheng_queue_free(q);
 * }
 * @endcode
 *
 * A call that returns anything but 0 has put or taken nothing; one that is cancelled or times out while it gets
 * the item returns 0 with it. Memory order: what was done before a put is seen after the get of its item.
 *
 *   -EAGAIN      full (put) or empty (get), and the deadline was CHENG_NOW
 *   -ETIMEDOUT   full or empty until the deadline
 *   -ECANCELED   the calling task was cancelled
 *   -EPIPE       put: closed; get: closed and empty
 *   -ENOMEM      put: no memory for one more; never of a CHENG_FIFO with a bound
 *   -EOWNERDEAD  in a fork's child: another task was just inside a queue of any other kind, which is lost
 *   -EBADMSG     its arena is corrupted
 *   -EOPNOTSUPP  its arena is not attached in this process
 *   -ENOTSUP     not in an arena: any order but CHENG_FIFO, capacities without a number, peek, task_done, join
 *   -EINVAL      new: arguments; task_done: called too often */
#ifndef CHENG_QUEUE_H
#define CHENG_QUEUE_H

#include <cheng/arena.h>
#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_queue cheng_queue;

/* What leaves first.
 *   CHENG_FIFO      the oldest. Items of one producer leave in the order they were put; each put that returned
 *                   before another began is ahead of it
 *   CHENG_LIFO      the newest
 *   CHENG_PRIORITY  the smallest, of equal ones the oldest */
enum cheng_order { CHENG_FIFO, CHENG_LIFO, CHENG_PRIORITY };

/* A capacity: nothing is ever in the queue. A put waits for a get and hands the item over: it returns 0 when the
 * item is taken, and has put nothing else (Go: an unbuffered channel). CHENG_FIFO only. */
#define CHENG_RENDEZVOUS SIZE_MAX

/* NULL is all zero: a FIFO without a bound. A FIFO with one is by far the fastest, and allocates only in new. */
typedef struct cheng_queue_options {
    size_t capacity;        /* items; 0: as many as there is memory for; CHENG_RENDEZVOUS */
    enum cheng_order order; /* CHENG_FIFO */
    cheng_arena *arena;     /* NULL: private to the process */
    /* CHENG_PRIORITY: < 0 if `a` leaves before `b`, 0 if they are equal. NULL: an item begins with an int64_t, the
     * smallest leaves first. Called inside put and get, one call at a time: it must return, and not use the queue. */
    int (*compare)(const void *a, const void *b);
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

/* Copies the item out that leaves first; blocks while the queue is empty. To take items until the queue is closed:
 * while (cheng_queue_get(queue, &item) == 0). */
CHENG_API CHENG_NODISCARD int cheng_queue_get(cheng_queue *queue, void *item);
CHENG_API CHENG_NODISCARD int cheng_queue_get_until(cheng_queue *queue, void *item, cheng_deadline deadline);

/* Copies the item out that would leave first, and leaves it there; another may take it at once. Never waits for one:
 * -EAGAIN. Unless it returns 0, `item` may hold anything. */
CHENG_API CHENG_NODISCARD int cheng_queue_peek(cheng_queue *queue, void *item);

/* Items in the queue: as many as there were at one moment of the call. */
CHENG_API size_t cheng_queue_size(const cheng_queue *queue);

/* No more puts, also of those who wait; gets go on until it is empty. Wakes all who wait. Again is harmless. */
CHENG_API void cheng_queue_close(cheng_queue *queue);

/* The same, and drops what is in the queue, as if it were taken and done. Items that own something are better taken
 * out one by one after cheng_queue_close. (Python: shutdown(immediate=True).) */
CHENG_API void cheng_queue_close_and_drop(cheng_queue *queue);

/* An item that was taken is done. -EINVAL: as many are done already as were taken. Does not block. */
CHENG_API int cheng_queue_task_done(cheng_queue *queue);

/* Blocks until all items that were put are taken and done. Also -ETIMEDOUT, -ECANCELED, -EAGAIN: not yet, and the
 * deadline was CHENG_NOW. What was done before each task_done is seen after. In a child made by fork, what the parent's tasks
 * had taken, or were putting, is never done: there, join a queue of the child's own. */
CHENG_API int cheng_queue_join(cheng_queue *queue);
CHENG_API CHENG_NODISCARD int cheng_queue_join_until(cheng_queue *queue, cheng_deadline deadline);

#ifdef __cplusplus
}
#endif
#endif
