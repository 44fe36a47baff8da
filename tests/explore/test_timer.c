/* Timers, from within: cancel, start and free against the run. */
#include "explore/explored.h"

#include <errno.h>

static int runs;
static cheng_event ran;

static int note(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_fetch_add(&runs, 1, __ATOMIC_RELAXED);
    cheng_event_set(&ran);
    return 0;
}

static cheng_timer *new_timer(cheng_duration period)
{
    cheng_timer *timer;
    assert_int_equal(
        cheng_timer_new(&timer, CHENG_COROUTINE, note, NULL, 0, &(cheng_timer_options){ .period = period }),
        0);
    return timer;
}

EXPLORED(a_run)
{
    cheng_timer *timer = new_timer(0);
    assert_int_equal(cheng_timer_start(timer, cheng_after(50000)), 0);
    cheng_event_wait(&ran);
    assert_false(cheng_timer_cancel(timer));
    assert_int_equal(__atomic_load_n(&runs, __ATOMIC_RELAXED), 1);
    cheng_timer_free(timer);
}

/* Either the cancel says that it came in time, or it runs: never both, never neither. */
EXPLORED(a_cancel_races_the_run)
{
    cheng_timer *timer = new_timer(0);
    assert_int_equal(cheng_timer_start(timer, CHENG_NOW), 0);
    if (cheng_timer_cancel(timer)) {
        cheng_sleep(CHENG_MILLISECOND);
        assert_int_equal(__atomic_load_n(&runs, __ATOMIC_RELAXED), 0);
    } else {
        cheng_event_wait(&ran);
    }
    cheng_timer_free(timer);
}

static int set_earlier(const void *arg, void *result)
{
    cheng_timer *timer = *(cheng_timer *const *)arg;
    (void)result;
    return cheng_timer_start(timer, CHENG_NOW);
}

/* Somebody else sets it for earlier, while the watch goes to sleep for the later. */
EXPLORED(set_earlier_by_another)
{
    cheng_timer *timer = new_timer(0);
    cheng_task *task;
    assert_int_equal(cheng_start(&task, CHENG_THREAD, set_earlier, &timer, sizeof timer, NULL), 0);
    assert_int_equal(cheng_timer_start(timer, cheng_after(CHENG_MILLISECOND)), 0);
    cheng_event_wait(&ran);
    assert_int_equal(finish(task), 0);
    cheng_timer_cancel(timer);
    cheng_timer_free(timer);
}

EXPLORED(freed_as_it_runs)
{
    cheng_timer *timer = new_timer(100000);
    assert_int_equal(cheng_timer_start(timer, CHENG_NOW), 0);
    cheng_timer_free(timer);
    cheng_sleep(CHENG_MILLISECOND);
}
