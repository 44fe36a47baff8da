/* What a signal handler posts, from within: a task stands for the handler. */
#include "explore/explored.h"

static cheng_event event;
static cheng_semaphore semaphore;
static cheng_queue *queue;
static int data;

static int wait_for_event(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(cheng_event_wait(&event), 0);
    assert_int_equal(data, 42);
    return 0;
}

static int take_unit(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_semaphore_acquire(&semaphore);
}

static int get_item(const void *arg, void *result)
{
    long item = 0;
    (void)arg, (void)result;
    assert_int_equal(cheng_queue_get(queue, &item), 0);
    return (int)item;
}

/* Several at once share a place. */
static int set_as_a_handler(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_signal_enter();
    cheng_event_set(&event);
    cheng_signal_leave();
    return 0;
}

EXPLORED(an_event)
{
    data = 42;
    event = (cheng_event){ 0 };
    assert_int_equal(cheng_signal_prepare(), 0);
    cheng_task *a = start(CHENG_THREAD, wait_for_event, 0), *b = start(CHENG_THREAD, set_as_a_handler, 0);
    set_as_a_handler(NULL, NULL);
    finish(a);
    finish(b);
}

EXPLORED(a_semaphore)
{
    assert_int_equal(cheng_signal_prepare(), 0);
    cheng_task *a = start(CHENG_THREAD, take_unit, 0), *b = start(CHENG_COROUTINE, take_unit, 0);
    cheng_signal_enter();
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    cheng_signal_leave();
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(cheng_semaphore_value(&semaphore), 0);
}

EXPLORED(a_queue)
{
    long item = 7;
    assert_int_equal(cheng_signal_prepare(), 0);
    assert_int_equal(cheng_queue_new(&queue, sizeof item, &(cheng_queue_options){ .capacity = 2 }), 0);
    cheng_task *a = start(CHENG_THREAD, get_item, 0);
    cheng_signal_enter();
    assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), 0);
    cheng_signal_leave();
    assert_int_equal(finish(a), 7);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    assert_int_equal(cheng_queue_size(queue), 1);
    cheng_queue_free(queue);
}
