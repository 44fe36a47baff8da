/* The queue between processes: a ring in an arena, and a private handle on it.
 *
 *   head, tail     count items taken and put since the beginning; size = tail - head
 *     bit 0        CLOSED
 *     bit 1        ASLEEP: somebody may sleep until this index moves
 *     bits 2-31    the count, modulo 2^30
 *     bits 32-63   the complement of bits 0-31: an overwritten index is noticed
 *
 *   who            holds       writes, in this order
 *   put            put lock    the slot of tail; then tail + 1, the one store that puts the item
 *   get            get lock    the caller's buffer; then head + 1, the one store that takes it
 *   close          nothing     tail closed (which closes it), head closed (which only wakes), by compare-and-swap
 *   getter         nothing     tail ASLEEP, before it sleeps, or when it leaves after a sleep; cleared by the put
 *   putter         nothing     head ASLEEP, likewise; cleared by the get
 *
 * The locks are held while one item is copied, never while anybody waits. Who finds one with a dead owner just
 * goes on: the owner has either made its one store, or nothing. Getters sleep on the lower half of tail, which
 * every put changes, putters on that of head. What the ring trusts (item size, capacity) is in the private
 * handle; what lies in the arena is validated at each use. */
#ifndef CHENG_QUEUE_SHARED_RING_H
#define CHENG_QUEUE_SHARED_RING_H

#include <cheng/arena.h>
#include <cheng/time.h>

struct shared_ring;

/* -EINVAL: item size or capacity; -ENOMEM: no memory, or no room in the arena; -EOPNOTSUPP. */
int chengi_shared_ring_new(struct shared_ring **out, cheng_arena *arena, size_t item_size, size_t capacity);

/* A handle on a ring that another process made, from where it lies. -EBADMSG, -EINVAL, -ENOMEM, -EOPNOTSUPP. */
int chengi_shared_ring_open(struct shared_ring **out, cheng_arena *arena, const void *part);
const void *chengi_shared_ring_part(const struct shared_ring *ring);

/* Frees the handle; in the process that made the ring, the ring too. */
void chengi_shared_ring_free(struct shared_ring *ring);

/* As cheng/queue.h has them; also -EBADMSG, -EOPNOTSUPP. A get to NULL drops the item. */
int chengi_shared_ring_put(struct shared_ring *ring, const void *item, cheng_deadline deadline);
int chengi_shared_ring_get(struct shared_ring *ring, void *item, cheng_deadline deadline);
size_t chengi_shared_ring_size(const struct shared_ring *ring);
void chengi_shared_ring_close(struct shared_ring *ring);

#endif
