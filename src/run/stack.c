#include "run/stack.h"

#include <stdint.h>

#include "base/compiler.h"
#include "host/host.h"
#include "host/latch.h"
#include "host/switch.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

enum { REGION = 64 << 20, CLASSES = 31 };

static struct {
    struct latch latch;
    struct stack *free[CLASSES]; /* by the logarithm of the size */
    char *region;                /* where the next default stacks are cut */
    size_t left;
} pool;

static unsigned class_of(size_t size)
{
    return 63u - (unsigned)__builtin_clzll(size);
}

static struct stack *place(char *low, size_t size)
{
    struct stack *stack = (struct stack *)(void *)(low + size - ((sizeof *stack + 63) & ~(size_t)63));
    stack->low = low;
    stack->size = size;
    stack->next = NULL;
    stack->valgrind = VALGRIND_STACK_REGISTER(low, (char *)stack);
    return stack;
}

/* An address range for one stack; the caller holds the latch. */
static char *cut(size_t size)
{
    if (size > CHENGI_STACK_DEFAULT)
        return chengi_host_map(size);
    if (pool.left < size) {
        char *region = chengi_host_map(REGION);
        if (region == NULL)
            return NULL;
        pool.region = region;
        pool.left = REGION; /* what is left of the former one is address space only */
    }
    pool.left -= size;
    return pool.region + pool.left;
}

struct stack *chengi_stack_new(size_t size, void (*entry)(void *stack, void *value))
{
    size_t page = chengi_host_page_size();
    unsigned class = class_of(size < CHENGI_STACK_LEAST ? CHENGI_STACK_LEAST : size * 2 - 1);
    chengi_latch_acquire(&pool.latch);
    struct stack *stack = pool.free[class];
    char *low = NULL;
    if (stack != NULL)
        pool.free[class] = stack->next;
    else
        low = cut((size_t)1 << class);
    chengi_latch_release(&pool.latch);
    if (stack == NULL) {
        if (low == NULL || chengi_host_guard(low, page) < 0)
            return NULL; /* the range is lost: too many mappings is no state to be frugal in */
        stack = place(low, (size_t)1 << class);
    }
    chengi_sanitize_stack_made(&stack->sanitize, stack->low + page, stack->size - page);
    stack->context = chengi_switch_prepare(stack, entry, stack);
    return stack;
}

void chengi_stack_free(struct stack *stack)
{
    size_t page = chengi_host_page_size();
    /* the page of the control block stays: it links the pool */
    char *end = (char *)((uintptr_t)stack & ~(uintptr_t)(page - 1));
    chengi_sanitize_stack_gone(&stack->sanitize);
    if (end > stack->low + page)
        chengi_host_discard(stack->low + page, (size_t)(end - stack->low) - page);
    unsigned class = class_of(stack->size);
    chengi_latch_acquire(&pool.latch);
    stack->next = pool.free[class];
    pool.free[class] = stack;
    chengi_latch_release(&pool.latch);
}

void chengi_stack_after_fork(void)
{
    pool.latch = (struct latch){0};
    for (int i = 0; i < CLASSES; i++)
        pool.free[i] = NULL;
    pool.left = 0;
}
