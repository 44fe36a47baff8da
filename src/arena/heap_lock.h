/* The allocator's lock: one 64-bit word in the header.
 *
 *   bits 0-31    0: free; else the participant word of the owner, with bit 0: somebody may be asleep
 *   bits 32-63   the block that is being allocated, in units; 0: none. Only the owner writes it
 *
 *   from              to                by
 *   0                 (me, 0)           anybody; acquire; partner: the release
 *   (owner, b)        (owner|1, b)      who is about to sleep
 *   (me, 0)           (me, b)           the owner, before it marks block b as used
 *   (me, b)           0                 the owner: the one store that both unlocks and gives block b to the caller
 *   (dead, b)         (me|1, b)         who finds the owner dead; it repairs the heap, and frees b if it is used
 *
 * Sleepers sleep on the lower half, never longer than the arena's bound.
 *
 * One process owns it, not one thread: no thread can die alone inside. */
#ifndef CHENG_ARENA_HEAP_LOCK_H
#define CHENG_ARENA_HEAP_LOCK_H

#include "arena/layout.h"

struct heap_tenure {
    bool died;        /* the owner before us died: repair first */
    uint32_t pending; /* the block that it was allocating; 0: none */
};

/* 0, or -EOPNOTSUPP: the arena is not attached. */
int chengi_heap_lock(struct cheng_arena *arena, struct heap_tenure *tenure);

/* Announces the block that is about to be allocated, or with 0 takes that back. */
void chengi_heap_lock_pending(struct cheng_arena *arena, uint32_t block);

void chengi_heap_unlock(struct cheng_arena *arena);

#endif
