/* Stacks of coroutines: slices of large mappings.
 *
 *   low                                                          high
 *   | guard page |  . . . untouched . . .  |  in use  | struct stack |
 *
 * The control block lies at the high end, in the page that a coroutine touches first, so that a parked one costs
 * a single page. Stacks of the default size are kept hot by their worker, a few, and cold by a pool, which gives
 * their pages back to the system. Sizes are powers of two. */
#ifndef CHENG_RUN_STACK_H
#define CHENG_RUN_STACK_H

#include <stddef.h>

#include "host/sanitize.h"

enum { CHENGI_STACK_DEFAULT = 256 << 10, CHENGI_STACK_LEAST = 16 << 10, CHENGI_STACK_MOST = 1 << 30 };

struct stack {
    void *context;      /* where it waits for its next coroutine */
    struct stack *next; /* in a list of free stacks */
    char *low;
    size_t size;
    struct sanitize sanitize;
    unsigned valgrind;
};

/* A stack of at least `size` bytes, its guard in place and `entry` prepared; NULL: no memory, or no room for
 * another guard. Thread-safe. */
struct stack *chengi_stack_new(size_t size, void (*entry)(void *stack, void *value));

/* Gives it to the pool; its pages go back to the system. Not while running on it. Thread-safe. */
void chengi_stack_free(struct stack *stack);

/* In a fork's child: the pool may be torn, forget it. */
void chengi_stack_after_fork(void);

#endif
