/* Waiting for several things: who else may take what came, who ends the wait, and what is passed on. */
#include "explore/explored.h"

#include <errno.h>

static cheng_queue *queues[2];
static cheng_event event;
static int taken; /* the sum of what came out */

static void make(size_t first, size_t second)
{
    const cheng_queue_options options[2] = { { .capacity = first }, { .capacity = second } };
    for (int i = 0; i < 2; i++)
        assert_int_equal(cheng_queue_new(&queues[i], sizeof(long), &options[i]), 0);
}

static void destroy(void)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cheng_queue_size(queues[i]), 0);
        cheng_queue_free(queues[i]);
    }
}

static void add(long item)
{
    __atomic_fetch_add(&taken, (int)item, __ATOMIC_RELAXED);
}

static int get_from_either(const void *arg, void *result)
{
    long item = 0;
    (void)arg, (void)result;
    cheng_case cases[] = { cheng_case_get(queues[0], &item), cheng_case_get(queues[1], &item) };
    int which = cheng_select(cases, 2);
    assert_in_range(which, 0, 1);
    assert_int_equal(cases[which].result, 0);
    assert_int_equal(item, which + 1);
    add(item);
    return 0;
}

static int put_to_either(const void *arg, void *result)
{
    const long items[] = { 1, 2 };
    (void)arg, (void)result;
    cheng_case cases[] = { cheng_case_put(queues[0], &items[0]), cheng_case_put(queues[1], &items[1]) };
    int which = cheng_select(cases, 2);
    assert_in_range(which, 0, 1);
    assert_int_equal(cases[which].result, 0);
    return 0;
}

static int get_from(const void *arg, void *result)
{
    long item = 0;
    (void)result;
    assert_int_equal(cheng_queue_get(queues[*(const long *)arg], &item), 0);
    add(item);
    return 0;
}

static void put(int queue)
{
    long item = queue + 1;
    assert_int_equal(cheng_queue_put(queues[queue], &item), 0);
}

/* ---- two that select, an item in each of two queues ---- */

static void two_and_two(size_t first, size_t second)
{
    make(first, second);
    cheng_task *a = start(CHENG_THREAD, get_from_either, 0), *b = start(CHENG_COROUTINE, get_from_either, 0);
    put(0);
    put(1);
    finish(a);
    finish(b);
    assert_int_equal(taken, 3);
    destroy();
}

EXPLORED_WITH(two_rings, .inside = true, .spurious = 1)
{
    two_and_two(1, 1);
}

EXPLORED(two_channels)
{
    two_and_two(0, 0);
}

EXPLORED(two_rendezvous)
{
    two_and_two(CHENG_RENDEZVOUS, CHENG_RENDEZVOUS);
}

EXPLORED(a_ring_and_a_rendezvous)
{
    two_and_two(1, CHENG_RENDEZVOUS);
}

/* ---- a wake that was meant for another ---- */

/* Both queues have an item for who selects; another waits for one of them alone. */
static void beside_a_getter(int own)
{
    make(2, 2);
    cheng_task *alone = start(CHENG_THREAD, get_from, own), *either = start(CHENG_THREAD, get_from_either, 0);
    put(own);
    put(1 - own);
    finish(either);
    bool left = cheng_queue_size(queues[1 - own]) != 0;
    if (left)
        put(own);
    finish(alone);
    if (left)
        get_from(&(long){ 1 - own }, NULL);
    destroy();
}

/* Twice, since the order of the attempts is drawn, but always the same here. */
EXPLORED(a_wake_is_not_lost)
{
    beside_a_getter(0);
}

EXPLORED(a_wake_of_the_other_is_not_lost)
{
    beside_a_getter(1);
}

/* The same, but who selects may have been woken for one when the other is handed to it. */
EXPLORED(a_wake_is_passed_on)
{
    long item = 2;
    make(2, CHENG_RENDEZVOUS);
    cheng_task *alone = start(CHENG_THREAD, get_from, 0), *either = start(CHENG_THREAD, get_from_either, 0);
    put(0);
    if (cheng_queue_put_until(queues[1], &item, CHENG_NOW) < 0)
        put(0);
    finish(alone);
    finish(either);
    destroy();
}

/* ---- both sides select ---- */

EXPLORED(both_sides_meet)
{
    make(CHENG_RENDEZVOUS, CHENG_RENDEZVOUS);
    cheng_task *a = start(CHENG_THREAD, get_from_either, 0), *b = start(CHENG_COROUTINE, put_to_either, 0),
               *c = start(CHENG_THREAD, put_to_either, 0);
    get_from_either(NULL, NULL);
    finish(a);
    finish(b);
    finish(c);
    destroy();
}

/* Each offers what the other one wants, in another queue. */
static int get_or_put(const void *arg, void *result)
{
    long own = *(const long *)arg, in = 0, out = own + 1;
    (void)result;
    cheng_case cases[] = { cheng_case_get(queues[own], &in), cheng_case_put(queues[1 - own], &out) };
    int which = cheng_select(cases, 2);
    assert_in_range(which, 0, 1);
    assert_int_equal(cases[which].result, 0);
    assert_int_equal(in, which == 0 ? 2 - own : 0);
    return which;
}

EXPLORED(crosswise)
{
    make(CHENG_RENDEZVOUS, CHENG_RENDEZVOUS);
    cheng_task *a = start(CHENG_THREAD, get_or_put, 0);
    int mine = get_or_put(&(long){ 1 }, NULL);
    assert_int_equal(mine + finish(a), 1);
    destroy();
}

/* Who offers both sides of one queue does not meet itself. */
EXPLORED(not_oneself)
{
    long in = 0, out = 5;
    make(CHENG_RENDEZVOUS, 1);
    cheng_task *a = start(CHENG_THREAD, get_from, 0);
    cheng_case cases[] = { cheng_case_get(queues[0], &in), cheng_case_put(queues[0], &out) };
    assert_int_equal(cheng_select(cases, 2), 1);
    finish(a);
    assert_int_equal(taken, 5);
    destroy();
}

/* ---- ending otherwise ---- */

/* Patience 0: until it is cancelled. How many items it has taken. */
static int get_or_leave(const void *arg, void *result)
{
    long patience = *(const long *)arg, item = 0;
    (void)result;
    cheng_case cases[] = { cheng_case_get(queues[0], &item), cheng_case_get(queues[1], &item),
                           cheng_case_event(&event) };
    int rc = cheng_select_until(cases, 3, patience == 0 ? CHENG_FOREVER : cheng_after(patience));
    assert_true(rc == (patience == 0 ? -ECANCELED : -ETIMEDOUT) || (rc >= 0 && cases[rc].result == 0));
    assert_int_equal(item, rc >= 0 ? rc + 1 : 0);
    return rc >= 0;
}

/* Whoever leaves, the other one gets the item. */
static void one_leaves(size_t first, size_t second, enum cheng_kind kind, long patience)
{
    make(first, second);
    cheng_task *a = start(kind, get_or_leave, patience), *b = start(CHENG_THREAD, get_from, 0);
    if (patience == 0)
        cheng_cancel(a);
    put(0);
    if (finish(a) == 1) /* not -ECANCELED before it began */
        put(0);
    finish(b);
    destroy();
}

EXPLORED(a_cancel)
{
    one_leaves(1, CHENG_RENDEZVOUS, CHENG_COROUTINE, 0);
}

EXPLORED(a_cancel_rendezvous)
{
    one_leaves(CHENG_RENDEZVOUS, 1, CHENG_THREAD, 0);
}

EXPLORED(a_deadline)
{
    one_leaves(1, 1, CHENG_THREAD, 1000000);
}

EXPLORED(a_deadline_rendezvous)
{
    one_leaves(CHENG_RENDEZVOUS, CHENG_RENDEZVOUS, CHENG_COROUTINE, 1000000);
}

static int until_closed(const void *arg, void *result)
{
    long item;
    (void)arg, (void)result;
    cheng_case cases[] = { cheng_case_get(queues[0], &item), cheng_case_get(queues[1], &item) };
    int which = cheng_select(cases, 2);
    assert_in_range(which, 0, 1);
    return cases[which].result;
}

static void closes(size_t capacity)
{
    make(capacity, 1);
    cheng_task *a = start(CHENG_THREAD, until_closed, 0), *b = start(CHENG_COROUTINE, until_closed, 0);
    cheng_queue_close(queues[0]);
    assert_int_equal(finish(a), -EPIPE);
    assert_int_equal(finish(b), -EPIPE);
    destroy();
}

EXPLORED(closed)
{
    closes(1);
}

EXPLORED(closed_rendezvous)
{
    closes(CHENG_RENDEZVOUS);
}

/* ---- the other kinds ---- */

static cheng_semaphore semaphore;

static int unit_or_event(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_case cases[] = { cheng_case_semaphore(&semaphore), cheng_case_event(&event) };
    int which = cheng_select(cases, 2);
    assert_in_range(which, 0, 1);
    return which;
}

/* The unit is never lost, nor is the event, which is cleared at once, to those who wait. */
EXPLORED(a_unit_and_an_event)
{
    cheng_task *a = start(CHENG_THREAD, unit_or_event, 0), *b = start(CHENG_COROUTINE, unit_or_event, 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    cheng_event_set(&event);
    int events = finish(a) + finish(b);
    assert_int_equal(semaphore.value, events == 2);
    assert_int_equal(semaphore.waiters, 0);
}

static int release(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_semaphore_release(&semaphore, 1);
}

EXPLORED(some_tasks)
{
    cheng_task *tasks[] = { start(CHENG_THREAD, release, 0), start(CHENG_COROUTINE, unit_or_event, 0),
                            start(CHENG_THREAD, unit_or_event, 0) };
    assert_int_equal(cheng_wait_tasks(tasks, 3, 2), 0);
    cheng_event_set(&event);
    assert_int_equal(cheng_wait_tasks(tasks, 3, 3), 0);
    for (int i = 0; i < 3; i++)
        finish(tasks[i]);
}

EXPLORED_WITH(no_memory, .inside = true, .failures = 2)
{
    long item = 0;
    const cheng_queue_options options = { .capacity = 1 };
    if (cheng_queue_new(&queues[0], sizeof item, &options) < 0)
        return;
    cheng_case cases[9] = { cheng_case_get(queues[0], &item) };
    int rc = cheng_select_until(cases, 9, cheng_after(1000));
    assert_true(rc == -ENOMEM || rc == -ETIMEDOUT);
    put(0);
    assert_int_equal(cheng_select(cases, 9), 0);
    cheng_queue_free(queues[0]);
}
