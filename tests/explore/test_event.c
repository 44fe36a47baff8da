/* The private event, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_event event;
static int data;

static int wait_for_it(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_event_wait(&event), 0);
    assert_int_equal(data, 42);
    return 0;
}

static int wait_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg;
    (void)result;
    int rc = cheng_event_wait_until(&event, patience == 0 ? CHENG_FOREVER : cheng_after(patience));
    if (rc == 0)
        assert_int_equal(data, 42);
    else
        assert_int_equal(rc, patience == 0 ? -ECANCELED : -ETIMEDOUT);
    return 0;
}

static void set(void)
{
    data = 42;
    cheng_event_set(&event);
}

EXPLORED_WITH(two_wait, .inside = true, .spurious = 1)
{
    cheng_task *a = start(CHENG_THREAD, wait_for_it, 0), *b = start(CHENG_COROUTINE, wait_for_it, 0);
    set();
    finish(a);
    finish(b);
}

/* Who waited when it was set is woken, though it is clear again. */
EXPLORED(set_and_cleared)
{
    cheng_task *a = start(CHENG_THREAD, wait_for_it, 0);
    while (__atomic_load_n(&event.word, __ATOMIC_RELAXED) == 0) /* until it has said that it waits */
        cheng_yield();
    set();
    cheng_event_clear(&event);
    finish(a);
    assert_false(cheng_event_is_set(&event));
}

EXPLORED(a_deadline)
{
    cheng_task *a = start(CHENG_THREAD, wait_or_leave, 1000000),
               *b = start(CHENG_COROUTINE, wait_or_leave, 1000000);
    set();
    finish(a);
    finish(b);
}

EXPLORED(a_cancel)
{
    cheng_task *a = start(CHENG_THREAD, wait_or_leave, 0), *b = start(CHENG_COROUTINE, wait_or_leave, 0);
    cheng_cancel(a);
    set();
    cheng_cancel(b);
    finish(a);
    finish(b);
}

static int wait_and_free(const void *arg, void *result)
{
    cheng_event *mine = *(cheng_event *const *)arg;
    (void)result;
    assert_int_equal(cheng_event_wait(mine), 0);
    free(mine);
    return 0;
}

EXPLORED(freed_by_the_waiter)
{
    cheng_event *mine = calloc(1, sizeof *mine);
    cheng_task *a = start(CHENG_THREAD, wait_and_free, (long)(intptr_t)mine);
    cheng_event_set(mine);
    finish(a);
}
