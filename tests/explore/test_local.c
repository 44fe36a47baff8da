/* Task-locals, from within: the first values of several tasks at once, and their end. */
#include "explore/explored.h"

static int destroyed;

static void count(void *value)
{
    __atomic_fetch_add(&destroyed, (int)(intptr_t)value, __ATOMIC_RELAXED);
}

static cheng_local first = { .destroy = count }, second = { .destroy = count };

static int set_both(const void *arg, void *result)
{
    long number = *(const long *)arg;
    (void)result;
    assert_int_equal(cheng_local_set(number == 1 ? &first : &second, (void *)(intptr_t)1), 0);
    assert_int_equal(cheng_local_set(number == 1 ? &second : &first, (void *)(intptr_t)10), 0);
    assert_int_equal((intptr_t)cheng_local_get(number == 1 ? &first : &second), 1);
    return 0;
}

EXPLORED(values_are_set_and_destroyed)
{
    cheng_task *a = start(CHENG_THREAD, set_both, 1), *b = start(CHENG_COROUTINE, set_both, 2);
    finish(a);
    finish(b);
    assert_int_equal(destroyed, 22); /* a join waits for the destructors too */
}

static int set_dropped(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_local_set(&first, (void *)(intptr_t)1), 0);
    return 0;
}

/* A task ends while another takes the place of a local of its. */
static int drop_second(const void *arg, void *result)
{
    static cheng_local third;
    (void)arg, (void)result;
    assert_int_equal(cheng_local_set(&second, (void *)(intptr_t)100), 0);
    cheng_local_drop(&second);
    assert_int_equal(cheng_local_set(&third, (void *)(intptr_t)1000), 0);
    return 0;
}

EXPLORED(dropped_while_another_ends)
{
    cheng_task *a = start(CHENG_THREAD, set_dropped, 0), *b = start(CHENG_COROUTINE, drop_second, 0);
    finish(a);
    finish(b);
    assert_int_equal(destroyed, 1);
}
