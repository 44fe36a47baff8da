/* Stacks of coroutines: slices of large mappings.
 *
 *                   low                                    low + size
 *   | guard, 16 KiB |  . . . untouched . . .  |  in use  | struct stack |
 *
 * The guard is wider than a page, because a function with a large array may reach below without touching what lies
 * between. It does not count as part of the size.
 *
 * The control block lies at the high end, in the page that a coroutine touches first, so that a parked one costs
 * a single page. Stacks of the default size are cut from regions of 256. Their worker keeps a few of them hot; the
 * others go back to their region. Once all 256 are free, its pages are given to the system by the next worker that has
 * nothing else to do: a system call for each stack would cost more than running a short coroutine, and one when many
 * end at once would keep the rest of them waiting. Other sizes are mapped and unmapped one by one. */
#ifndef CHENG_RUN_STACK_H
#define CHENG_RUN_STACK_H

#include <stdbool.h>
#include <stddef.h>

#include "host/sanitize.h"

enum { CHENGI_STACK_DEFAULT = 256 << 10, CHENGI_STACK_LEAST = 16 << 10, CHENGI_STACK_MOST = 1 << 30 };

struct region;

struct stack {
    void *context;      /* where it waits for its next coroutine */
    struct stack *next; /* in a list of free stacks */
    char *low;          /* the lowest byte that may be used */
    size_t size;
    struct region *region; /* NULL: a mapping of its own */
    struct sanitize sanitize;
    unsigned valgrind;
};

/* A stack of at least `size` bytes, its guard in place and `entry` prepared; NULL: no memory, or no room for
 * another guard. Thread-safe. */
struct stack *chengi_stack_new(size_t size, void (*entry)(void *stack, void *value));

/* The bytes below `low` that may not be touched. */
size_t chengi_stack_guard(void);

/* Not while running on it. Thread-safe. */
void chengi_stack_free(struct stack *stack);

/* Gives the pages of one region whose stacks are all free to the system; false: there was none. Thread-safe. */
bool chengi_stacks_discard(void);

/* In a fork's child: the regions' books may be torn, begin new ones. */
void chengi_stack_after_fork(void);

#endif
