/* Loops, from within: waking one, starting tasks in one, and setting what its tasks wait for, while it goes to sleep. */
#include "explore/explored.h"

static cheng_loop *loop;
static cheng_event event;
static int count;

static int add(const void *arg, void *result)
{
    (void)arg, (void)result;
    count++; /* by the loop's thread only */
    return 0;
}

static int wait_for_event(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_event_wait(&event);
}

static void start_in_loop(cheng_fn *function)
{
    assert_int_equal(
        cheng_start(NULL, CHENG_COROUTINE, function, NULL, 0, &(cheng_task_options){ .loop = loop }), 0);
}

static void begin(const cheng_policy *policy)
{
    event = (cheng_event){ 0 };
    count = 0;
    assert_int_equal(cheng_loop_new(&loop, &(cheng_loop_options){ .policy = policy }), 0);
}

static int wake(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_loop_wake(loop);
    return 0;
}

/* The run, which has a task that waits for ever, returns if and only if it is woken. */
EXPLORED(wake_is_not_lost)
{
    begin(NULL);
    start_in_loop(wait_for_event);
    cheng_task *a = start(CHENG_THREAD, wake, 0);
    assert_int_equal(cheng_loop_run(loop), -EINTR);
    finish(a);
    assert_int_equal(cheng_loop_run_until(loop, CHENG_NOW), -EAGAIN);
    cheng_event_set(&event);
    assert_int_equal(cheng_loop_run(loop), 0);
    assert_int_equal(cheng_loop_free(loop), 0);
}

/* What was written before the wake is read after the run. */
static int written;

static int write_and_wake(const void *arg, void *result)
{
    written = 1;
    return wake(arg, result);
}

EXPLORED(wake_orders)
{
    begin(NULL);
    written = 0;
    start_in_loop(wait_for_event);
    cheng_task *a = start(CHENG_THREAD, write_and_wake, 0);
    assert_int_equal(cheng_loop_run(loop), -EINTR);
    assert_int_equal(written, 1);
    finish(a);
    cheng_event_set(&event);
    assert_int_equal(cheng_loop_run(loop), 0);
    assert_int_equal(cheng_loop_free(loop), 0);
}

static int send(const void *arg, void *result)
{
    (void)arg, (void)result;
    start_in_loop(add);
    return 0;
}

/* A task that another thread starts runs in this run, or in the next. */
EXPLORED(a_task_from_outside)
{
    begin(NULL);
    start_in_loop(add);
    cheng_task *a = start(CHENG_THREAD, send, 0);
    assert_int_equal(cheng_loop_run(loop), 0);
    finish(a);
    assert_int_equal(cheng_loop_run(loop), 0);
    assert_int_equal(count, 2);
    assert_int_equal(cheng_loop_free(loop), 0);
}

static int set_event(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_event_set(&event);
    return 0;
}

/* The waker may still be about it when the loop has ended and is freed. */
EXPLORED(a_loop_is_freed_behind_its_waker)
{
    begin(cheng_policy_lifo());
    start_in_loop(wait_for_event);
    cheng_task *a = start(CHENG_THREAD, set_event, 0);
    assert_int_equal(cheng_loop_run(loop), 0);
    assert_int_equal(cheng_loop_free(loop), 0);
    finish(a);
}

/* ---- until the others have had their turn ---- */

static int idle_and_count(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_idle();
    count++;
    return 0;
}

static int yield_and_count(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_yield();
    assert_int_equal(count, 0); /* who idles lets it go first */
    return 0;
}

/* Whoever comes from outside meanwhile, who idles goes on, and after those that could. */
EXPLORED(idle)
{
    begin(NULL);
    start_in_loop(idle_and_count);
    start_in_loop(yield_and_count);
    start_in_loop(wait_for_event);
    cheng_task *a = start(CHENG_THREAD, set_event, 0);
    assert_int_equal(cheng_loop_run(loop), 0);
    finish(a);
    assert_int_equal(count, 1);
    assert_int_equal(cheng_loop_free(loop), 0);
}

static int idle_for_once(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_idle();
    return 7;
}

/* In a runtime of workers, who may look for others' work just then. */
EXPLORED(idle_among_workers)
{
    event = (cheng_event){ 0 };
    cheng_task *a = start(CHENG_COROUTINE, idle_for_once, 0), *b = start(CHENG_COROUTINE, wait_for_event, 0);
    cheng_event_set(&event);
    assert_int_equal(finish(a), 7);
    assert_int_equal(finish(b), 0);
}
