#include "run/stack.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/list.h"
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

enum { STACKS = 256, WORD_BITS = 64, GUARD_LEAST = 16 << 10 };

/* 256 stacks of the default size. Its books lie outside, so that all its pages can go. */
struct region {
    struct link link; /* in one of the pool's lists, unless none of its stacks is free */
    char *base;
    unsigned free_count;
    uint64_t free[STACKS / WORD_BITS], guarded[STACKS / WORD_BITS];
};

/* Regions with free stacks, to be taken from in this order; in each list the one that was used last comes first.
 * Warm: all its stacks are free, and have their pages still; cold: those are gone, or never were. */
enum { PARTLY_FREE, WARM, COLD, LISTS };

static struct {
    struct latch latch;
    struct link lists[LISTS];
} pool = { .lists = { { &pool.lists[PARTLY_FREE], &pool.lists[PARTLY_FREE] },
                      { &pool.lists[WARM], &pool.lists[WARM] },
                      { &pool.lists[COLD], &pool.lists[COLD] } } };

size_t chengi_stack_guard(void)
{
    size_t page = chengi_host_page_size();
    return page < GUARD_LEAST ? GUARD_LEAST : page;
}

static size_t slice_size(void)
{
    return CHENGI_STACK_DEFAULT + chengi_stack_guard();
}

static struct region *region_new(void)
{
    struct region *region = malloc(sizeof *region);
    char *base = region == NULL ? NULL : chengi_host_map(STACKS * slice_size());
    if (base == NULL) {
        free(region);
        return NULL;
    }
    *region = (struct region){ .base = base, .free_count = STACKS };
    for (int i = 0; i < STACKS / WORD_BITS; i++)
        region->free[i] = ~UINT64_C(0);
    return region;
}

/* With the pool latched, as the next two: a region with a free stack, NULL if there is none. */
static struct region *region_with_room(void)
{
    for (int i = 0; i < LISTS; i++)
        if (!chengi_list_empty(&pool.lists[i]))
            return CHENGI_CONTAINER(pool.lists[i].next, struct region, link);
    struct region *made = region_new();
    if (made != NULL)
        chengi_list_push_front(&pool.lists[COLD], &made->link);
    return made;
}

/* A free stack's number. */
static unsigned take_number(struct region *region)
{
    unsigned word = 0;
    while (region->free[word] == 0)
        word++;
    unsigned bit = (unsigned)__builtin_ctzll(region->free[word]);
    region->free[word] &= region->free[word] - 1;
    chengi_list_remove(&region->link);
    if (--region->free_count != 0)
        chengi_list_push_front(&pool.lists[PARTLY_FREE], &region->link);
    return word * WORD_BITS + bit;
}

/* A stack comes free. */
static void give_number(struct region *region, unsigned number)
{
    region->free[number / WORD_BITS] |= UINT64_C(1) << number % WORD_BITS;
    if (region->free_count++ != 0)
        chengi_list_remove(&region->link);
    chengi_list_push_front(&pool.lists[region->free_count == STACKS ? WARM : PARTLY_FREE], &region->link);
}

/* A slice of a region, its guard in place; NULL: no memory, or no more guards. */
static char *take_slice(struct region **out)
{
    chengi_latch_acquire(&pool.latch);
    struct region *region = region_with_room();
    if (region == NULL) {
        chengi_latch_release(&pool.latch);
        return NULL;
    }
    unsigned number = take_number(region);
    uint64_t bit = UINT64_C(1) << number % WORD_BITS, *guarded = &region->guarded[number / WORD_BITS];
    char *base = region->base + number * slice_size();
    bool guard = !(*guarded & bit);
    *guarded |= bit;
    chengi_latch_release(&pool.latch);
    if (guard && chengi_host_guard(base, chengi_stack_guard()) < 0) {
        chengi_latch_acquire(&pool.latch);
        *guarded &= ~bit;
        give_number(region, number);
        chengi_latch_release(&pool.latch);
        return NULL;
    }
    *out = region;
    return base;
}

static char *map_alone(size_t size)
{
    char *base = chengi_host_map(size + chengi_stack_guard());
    if (base != NULL && chengi_host_guard(base, chengi_stack_guard()) < 0) {
        chengi_host_unmap(base, size + chengi_stack_guard());
        return NULL;
    }
    return base;
}

static unsigned number_of(const struct stack *stack)
{
    return (unsigned)((size_t)(stack->low - stack->region->base) / slice_size());
}

struct stack *chengi_stack_new(size_t size, void (*entry)(void *stack, void *value))
{
    size_t page = chengi_host_page_size();
    struct region *region = NULL;
    size = size < 4 * page ? 4 * page : (size + page - 1) & ~(page - 1); /* where a page has 64 KiB, too */
    char *base = size == CHENGI_STACK_DEFAULT ? take_slice(&region) : map_alone(size);
    if (base == NULL)
        return NULL;
    char *low = base + chengi_stack_guard();
    size_t top = size - ((sizeof(struct stack) + 63) & ~(size_t)63);
    struct stack *stack = (struct stack *)(void *)(low + top);
    stack->low = low;
    stack->size = size;
    stack->region = region;
    stack->next = NULL;
    stack->valgrind = VALGRIND_STACK_REGISTER(low, (char *)stack);
    chengi_sanitize_stack_made(&stack->sanitize, low, size);
    stack->context = chengi_switch_prepare(stack, entry, stack);
    return stack;
}

void chengi_stack_free(struct stack *stack)
{
    struct region *region = stack->region;
    chengi_sanitize_stack_gone(&stack->sanitize);
    VALGRIND_STACK_DEREGISTER(stack->valgrind);
    if (region == NULL) {
        chengi_host_unmap(stack->low - chengi_stack_guard(), stack->size + chengi_stack_guard());
        return;
    }
    unsigned number = number_of(stack);
    chengi_latch_acquire(&pool.latch);
    give_number(region, number);
    chengi_latch_release(&pool.latch);
}

bool chengi_stacks_discard(void)
{
    chengi_latch_acquire(&pool.latch);
    struct link *link = pool.lists[WARM].prev; /* the one that has cooled longest */
    bool any = link != &pool.lists[WARM];
    if (any)
        chengi_list_remove(link); /* nobody takes from it meanwhile */
    chengi_latch_release(&pool.latch);
    if (!any)
        return false;
    struct region *region = CHENGI_CONTAINER(link, struct region, link);
    chengi_host_discard(region->base, STACKS * slice_size()); /* guards stay */
    chengi_latch_acquire(&pool.latch);
    chengi_list_push_front(&pool.lists[COLD], &region->link);
    chengi_latch_release(&pool.latch);
    return true;
}

void chengi_stack_after_fork(void)
{
    pool.latch = (struct latch){ 0 };
    for (int i = 0; i < LISTS; i++)
        chengi_list_init(&pool.lists[i]);
}
