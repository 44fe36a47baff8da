/* The scheduler by time and priority, from within: what others enter and cancel while it waits. */
#include "explore/explored.h"

#include <errno.h>

static cheng_sched *sched;
static int called[3]; /* plain: an order that is missing is a race */
static int64_t began;

static int call(const void *arg, void *result)
{
    long number = *(const long *)arg;
    (void)result;
    called[number]++;
    if (number == 1)
        explored_within(began, CHENG_SECOND / 2);
    return 0;
}

static uint64_t enter(cheng_deadline when, long number)
{
    uint64_t event;
    assert_int_equal(cheng_sched_enter(sched, when, 0, call, &number, sizeof number, &event), 0);
    return event;
}

static int run(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_sched_run(sched);
}

static void begin(void)
{
    assert_int_equal(cheng_sched_new(&sched), 0);
    called[0] = called[1] = called[2] = 0;
    began = cheng_clock_ns();
}

/* Who waits for a later event is told of an earlier one. */
static void an_earlier_one(enum cheng_kind kind)
{
    begin();
    enter(cheng_after(CHENG_SECOND), 0);
    cheng_task *a = start(kind, run, 0);
    enter(CHENG_NOW, 1);
    assert_int_equal(finish(a), 0);
    assert_int_equal(cheng_sched_run(sched), 0); /* if it was too early to see it */
    assert_int_equal(called[0], 1);
    assert_int_equal(called[1], 1);
    cheng_sched_free(sched);
}

EXPLORED(an_earlier_event)
{
    an_earlier_one(CHENG_THREAD);
}

EXPLORED(an_earlier_event_for_a_coroutine)
{
    an_earlier_one(CHENG_COROUTINE);
}

/* And that the last one, for which it waits, is gone. */
EXPLORED(the_last_is_cancelled)
{
    begin();
    uint64_t far = enter(cheng_after(CHENG_SECOND), 0);
    cheng_task *a = start(CHENG_THREAD, run, 0);
    int rc = cheng_sched_cancel(sched, far);
    assert_int_equal(finish(a), 0);
    assert_int_equal(called[0], rc == 0 ? 0 : 1);
    explored_within(began, CHENG_SECOND / 2);
    cheng_sched_free(sched);
}

/* Each event is called once, whoever runs it. */
EXPLORED_WITH(two_run_it, .inside = true, .spurious = 1)
{
    begin();
    enter(CHENG_NOW, 0);
    enter(cheng_after(10000), 1);
    cheng_task *a = start(CHENG_THREAD, run, 0), *b = start(CHENG_COROUTINE, run, 0);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_int_equal(called[0], 1);
    assert_int_equal(called[1], 1);
    cheng_sched_free(sched);
}

/* Who is cancelled leaves the events to others. */
EXPLORED(a_cancel)
{
    begin();
    enter(cheng_after(CHENG_SECOND), 2);
    cheng_task *a = start(CHENG_THREAD, run, 0);
    cheng_cancel(a);
    int rc = finish(a);
    explored_within(began, CHENG_SECOND / 2);
    assert_true(rc == 0 || rc == -ECANCELED);
    assert_int_equal(called[2], rc == 0 ? 1 : 0);
    assert_int_equal(cheng_sched_run(sched), 0);
    assert_int_equal(called[2], 1);
    cheng_sched_free(sched);
}
