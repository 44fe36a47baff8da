/* The textbook's bugs are found, each as what it is; their corrections are not accused of anything. */
#include "explore/explored.h"

#include <stdlib.h>

/* Starts `n` threads, joins them. */
static void threads(unsigned n, cheng_fn *const *functions)
{
    cheng_task *tasks[8];
    for (unsigned i = 0; i < n; i++)
        tasks[i] = start(CHENG_THREAD, functions[i], i);
    for (unsigned i = 0; i < n; i++)
        finish(tasks[i]);
}

#define THREADS(...)                                                                                         \
    threads(sizeof((cheng_fn *[]){ __VA_ARGS__ }) / sizeof(cheng_fn *), (cheng_fn *[]){ __VA_ARGS__ })

static int count, items, data;
static cheng_lock locks[3];
static cheng_condition changed;

/* ---- the lost update ---- */

static int add(const void *arg, void *result)
{
    (void)arg, (void)result;
    count = count + 1;
    return 0;
}

static int add_locked(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&locks[0]) {
        count = count + 1;
    }
    return 0;
}

static int load_and_store(const void *arg, void *result)
{
    (void)arg, (void)result;
    int seen = __atomic_load_n(&count, __ATOMIC_SEQ_CST);
    __atomic_store_n(&count, seen + 1, __ATOMIC_SEQ_CST);
    return 0;
}

FINDS(CHENG_FOUND_RACE, lost_update)
{
    THREADS(add, add);
}

FINDS(CHENG_FOUND_RACE, lost_update_by_coroutines)
{
    cheng_task *a = start(CHENG_COROUTINE, add, 0), *b = start(CHENG_COROUTINE, add, 1);
    finish(a);
    finish(b);
}

FINDS(CHENG_FOUND_FAILURE, lost_atomic_update)
{
    THREADS(load_and_store, load_and_store);
    assert_int_equal(count, 2);
}

EXPLORED_WITH(update_with_a_lock, .schedules = 100000)
{
    THREADS(add_locked, add_locked);
    assert_int_equal(count, 2);
}

/* ---- AB-BA ---- */

static unsigned ring;

static int take_two(const void *arg, void *result)
{
    long first = *(const long *)arg, second = (first + 1) % ring;
    (void)result;
    cheng_lock_acquire(&locks[first]);
    cheng_lock_acquire(&locks[second]);
    cheng_lock_release(&locks[second]);
    cheng_lock_release(&locks[first]);
    return 0;
}

static int take_in_order(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 2; i++)
        cheng_lock_acquire(&locks[i]);
    for (int i = 0; i < 2; i++)
        cheng_lock_release(&locks[i]);
    return 0;
}

FINDS(CHENG_FOUND_DEADLOCK, ab_ba)
{
    ring = 2;
    THREADS(take_two, take_two);
}

FINDS(CHENG_FOUND_DEADLOCK, ab_bc_ca)
{
    ring = 3;
    THREADS(take_two, take_two, take_two);
}

EXPLORED_WITH(locks_in_one_order, .schedules = 100000)
{
    THREADS(take_in_order, take_in_order);
}

/* ---- `if` around a condition's wait: it must be `while` ---- */

static int take_if(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&locks[0]) {
        if (items == 0)
            cheng_condition_wait(&changed, &locks[0]);
        assert_true(items > 0);
        items--;
    }
    return 0;
}

static int take_while(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&locks[0]) {
        while (items == 0)
            cheng_condition_wait(&changed, &locks[0]);
        items--;
    }
    return 0;
}

static int give_two(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 2; i++) {
        CHENG_WITH(&locks[0]) {
            items++;
        }
        cheng_condition_notify(&changed, 1);
    }
    return 0;
}

FINDS(CHENG_FOUND_FAILURE, if_around_a_wait)
{
    THREADS(take_if, take_if, give_two);
}

EXPLORED_WITH(while_around_a_wait, .schedules = 100000)
{
    THREADS(take_while, take_while, give_two);
    assert_int_equal(items, 0);
}

/* ---- a notify that comes before the wait, unlocked: nobody is left to wake the waiter ---- */

static int wait_unlocked_check(const void *arg, void *result)
{
    (void)arg, (void)result;
    if (__atomic_load_n(&items, __ATOMIC_ACQUIRE) == 0)
        CHENG_WITH(&locks[0]) {
            cheng_condition_wait(&changed, &locks[0]);
        }
    return 0;
}

static int set_and_notify(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_store_n(&items, 1, __ATOMIC_RELEASE);
    cheng_condition_notify(&changed, 1);
    return 0;
}

FINDS(CHENG_FOUND_DEADLOCK, lost_wake_up)
{
    THREADS(wait_unlocked_check, set_and_notify);
}

/* ---- a stack without locks (R. K. Treiber, 1986) ---- */

struct node {
    struct node *next;
};
static struct node *top, pool[3];
static int owners[3];

static void push(struct node *node)
{
    struct node *seen = __atomic_load_n(&top, __ATOMIC_ACQUIRE);
    do
        __atomic_store_n(&node->next, seen, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&top, &seen, node, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
}

static struct node *pop(void)
{
    struct node *seen = __atomic_load_n(&top, __ATOMIC_ACQUIRE);
    while (seen != NULL &&
           !__atomic_compare_exchange_n(&top, &seen, __atomic_load_n(&seen->next, __ATOMIC_RELAXED), false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        continue;
    return seen;
}

static void own(const struct node *node)
{
    if (node != NULL)
        assert_int_equal(__atomic_fetch_add(&owners[node - pool], 1, __ATOMIC_SEQ_CST), 0);
}

static int pop_one(const void *arg, void *result)
{
    (void)arg, (void)result;
    own(pop());
    return 0;
}

static int pop_two_and_push_one(const void *arg, void *result)
{
    (void)arg, (void)result;
    struct node *first = pop(), *second = pop();
    if (first != NULL)
        push(first);
    own(second);
    return 0;
}

FINDS(CHENG_FOUND_FAILURE, treiber_aba)
{
    for (int i = 0; i < 3; i++)
        push(&pool[i]);
    THREADS(pop_one, pop_two_and_push_one);
    for (int i = 0; i < 3; i++)
        own(pop());
}

static int pop_and_free(const void *arg, void *result)
{
    (void)arg, (void)result;
    free(pop());
    return 0;
}

FINDS(CHENG_FOUND_USE_AFTER_FREE, treiber_use_after_free)
{
    for (int i = 0; i < 2; i++)
        push(malloc(sizeof(struct node)));
    THREADS(pop_and_free, pop_and_free);
}

/* ---- a message without a release ---- */

static int flag;

static int send_relaxed(const void *arg, void *result)
{
    (void)arg, (void)result;
    data = 42;
    __atomic_store_n(&flag, 1, __ATOMIC_RELAXED);
    return 0;
}

static int send_release(const void *arg, void *result)
{
    (void)arg, (void)result;
    data = 42;
    __atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
    return 0;
}

static int receive(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (!__atomic_load_n(&flag, __ATOMIC_ACQUIRE))
        continue;
    assert_int_equal(data, 42);
    return 0;
}

FINDS(CHENG_FOUND_RACE, missing_release)
{
    THREADS(send_relaxed, receive);
}

EXPLORED_WITH(message_with_a_release, .schedules = 100000)
{
    THREADS(send_release, receive);
}

/* ---- memory ---- */

static void *block;

static int free_block(const void *arg, void *result)
{
    (void)arg, (void)result;
    free(block);
    return 0;
}

FINDS(CHENG_FOUND_BAD_FREE, freed_twice)
{
    block = malloc(8);
    THREADS(free_block, free_block);
}

FINDS(CHENG_FOUND_OUT_OF_BOUNDS, written_past_the_end)
{
    volatile size_t end = 16;
    volatile char *bytes = malloc(end);
    bytes[end] = 1;
    free((void *)bytes);
}

static int *volatile nowhere;

FINDS(CHENG_FOUND_CRASH, fault)
{
    *nowhere = 1;
}

static int wait_for_ever(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) == 0)
        cheng_yield();
    return 0;
}

FINDS(CHENG_FOUND_LIVELOCK, spinning_for_ever)
{
    THREADS(wait_for_ever);
}
