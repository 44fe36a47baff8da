/* The private FIFO: a ring of slots with sequence numbers. (Source: D. Vyukov, bounded MPMC queue, 2011.)
 *
 * Tickets count puts (tail) and gets (head); ticket n uses slot n modulo the ring's size, a power of two.
 *
 *   slot.seq     meaning
 *   n            free for put n
 *   n + 1        holds the item of put n
 *   n + size     taken by get n: free for put n + size
 *
 *   tail, head   64 bits: ticket << 2 | flags
 *   CLOSED       no more puts
 *   WAITERS      in tail: getters may be parked on its low half; in head: putters on its
 *
 * Putting is one read-modify-write, on tail: the same that takes the ticket sees the flag. So no barrier is needed
 * between publishing an item and looking for waiters:
 *
 *   getter                                        putter
 *   slot not published
 *   tail's ticket == head's: really empty         tail: ticket + 1, WAITERS stays
 *   tail: sets WAITERS, if the ticket still is    publishes the item
 *   parks while tail is unchanged                 had WAITERS: unparks one
 *
 * The two changes of tail are ordered: either the putter sees the flag, or the getter sees the ticket. A getter
 * that sees the ticket but no item yet waits for the putter, which is between two instructions. The flag is cleared
 * by a putter that finds nobody parked, with the bucket locked, where nobody can come. Rejected: clearing it in the
 * putter's read-modify-write; each parking would have to set it again, and puts that come before the wake-up would
 * have to be found and made good. Head and putters are the mirror image.
 *
 * A fork may come while another task is between taking its ticket and finishing with its slot. The child knows all rings, and
 * notes how far the tickets had got. Who meets an unfinished one from before does its part: a put's without an item. */
#ifndef CHENG_QUEUE_RING_H
#define CHENG_QUEUE_RING_H

#include <cheng/time.h>

#include "base/compiler.h"
#include "park/any.h"

struct ring_end {
    _Alignas(2 * CHENGI_CACHE_LINE) uint64_t word;
    uint32_t patience; /* rounds for which a thread looks again before it parks here; relaxed: a guess */
};

struct ring {
    unsigned char *slots;
    uint32_t mask;   /* size - 1 */
    uint32_t stride; /* bytes from slot to slot */
    size_t item_size, capacity;
    struct ring *next, **link;     /* all rings; what points here */
    uint64_t forks_put, forks_get; /* in a fork's child: the tickets at the fork */
    struct ring_end tail, head;
};
_Static_assert(sizeof(struct ring_end) == 2 * CHENGI_CACHE_LINE, "processors fetch lines in pairs");

/* 0 or -ENOMEM. */
int chengi_ring_init(struct ring *ring, size_t item_size, size_t capacity);
void chengi_ring_destroy(struct ring *ring);

/* As cheng_queue_put_until and cheng_queue_get_until. */
int chengi_ring_put(struct ring *ring, const void *item, cheng_deadline deadline);
int chengi_ring_get(struct ring *ring, void *item, cheng_deadline deadline);
int chengi_ring_peek(struct ring *ring, void *item);
void chengi_ring_close(struct ring *ring);
/* After closing: takes all items, and returns how many. */
size_t chengi_ring_drop(struct ring *ring);

/* For cheng_select. 1: a put (get) cannot be done, and `point` is what changes when one may be; 0: try again. */
int chengi_ring_await(struct ring *ring, bool putting, struct park_point *point);

/* In a fork's child. */
void chengi_rings_after_fork(void);

/* Puts and gets so far; both may have begun only. */
uint64_t chengi_ring_puts(const struct ring *ring);
uint64_t chengi_ring_gets(const struct ring *ring);

#endif
