/* The scheduler by time and priority. */
#include "unit/actors.h"

static char said[128];

static int say(const void *argument, void *result)
{
    assert_null(result);
    size_t length = strlen(said);
    snprintf(said + length, sizeof said - length, "%s", (const char *)argument);
    return 0;
}

static cheng_sched *sched;

static uint64_t enter(cheng_deadline when, int priority, cheng_fn *function, const char *text)
{
    uint64_t event = 0;
    assert_int_equal(cheng_sched_enter(sched, when, priority, function, text, strlen(text) + 1, &event), 0);
    assert_true(event != 0);
    return event;
}

static void begin(void)
{
    assert_int_equal(cheng_sched_new(&sched), 0);
    assert_int_equal(cheng_sched_queue(sched, NULL, 0), 0);
    said[0] = '\0';
}

TEST(by_time_then_priority_then_age)
{
    begin();
    cheng_deadline now = cheng_after(0), soon = cheng_after(5 * CHENG_MILLISECOND);
    enter(soon, 2, say, "e");
    enter(soon, 1, say, "c");
    enter(now, 9, say, "b");
    enter(soon, 1, say, "d");
    enter(CHENG_NOW, 10, say, "a");
    enter(soon, -1, say, "_");
    assert_int_equal(cheng_sched_run(sched), 0);
    assert_true(cheng_clock_ns() >= soon.at_ns);
    assert_string_equal(said, "ab_cde");
    assert_int_equal(cheng_sched_run(sched), 0); /* empty */
    cheng_sched_free(sched);
}

TEST(queue_is_in_order)
{
    enum { EVENTS = 100 };
    cheng_sched_event told[EVENTS + 1];
    uint64_t events[EVENTS];
    begin();
    for (int i = 0; i < EVENTS; i++)
        events[i] = enter(cheng_deadline_at(1000 + i * 37 % 10), i * 11 % 7, say, "x");
    for (int i = 0; i < EVENTS; i += 3)
        assert_int_equal(cheng_sched_cancel(sched, events[i]), 0);
    assert_int_equal(cheng_sched_cancel(sched, events[0]), -ENOENT);
    size_t n = cheng_sched_queue(sched, told, EVENTS + 1);
    assert_int_equal(n, EVENTS - (EVENTS + 2) / 3);
    for (size_t i = 1; i < n; i++) {
        bool time = told[i - 1].when.at_ns < told[i].when.at_ns,
             same = told[i - 1].when.at_ns == told[i].when.at_ns;
        assert_true(time || (same && told[i - 1].priority <= told[i].priority));
        if (same && told[i - 1].priority == told[i].priority)
            assert_true(told[i - 1].event < told[i].event);
    }
    cheng_sched_event first[3];
    assert_int_equal(cheng_sched_queue(sched, first, 3), n);
    for (int i = 0; i < 3; i++)
        assert_int_equal(first[i].event, told[i].event);
    assert_int_equal(cheng_sched_run(sched), 0);
    assert_int_equal(strlen(said) > 0, 1);
    assert_int_equal(cheng_sched_queue(sched, NULL, 0), 0);
    cheng_sched_free(sched);
}

TEST(errors)
{
    begin();
    assert_int_equal(cheng_sched_enter(sched, CHENG_NOW, 0, NULL, NULL, 0, NULL), -EINVAL);
    assert_int_equal(cheng_sched_enter(sched, CHENG_FOREVER, 0, say, NULL, 0, NULL), -EINVAL);
    assert_int_equal(cheng_sched_enter(sched, CHENG_NOW, 0, say, NULL, 1, NULL), -EINVAL);
    assert_int_equal(cheng_sched_cancel(sched, 1), -ENOENT);
    enter(cheng_after(3600 * CHENG_SECOND), 0, say, "never");
    cheng_sched_free(sched); /* with what is left */
    cheng_sched_free(NULL);
}

TEST(run_until)
{
    begin();
    enter(CHENG_NOW, 0, say, "a");
    enter(cheng_after(3600 * CHENG_SECOND), 0, say, "z");
    assert_int_equal(cheng_sched_run_until(sched, CHENG_NOW), -EAGAIN);
    assert_string_equal(said, "a");
    cheng_deadline soon = cheng_after(5 * CHENG_MILLISECOND);
    assert_int_equal(cheng_sched_run_until(sched, soon), -ETIMEDOUT);
    assert_true(cheng_clock_ns() >= soon.at_ns);
    assert_string_equal(said, "a");
    cheng_sched_free(sched);
}

static int give_eio(const void *argument, void *result)
{
    say(argument, result);
    return -EIO;
}

TEST(a_failure_ends_the_run)
{
    begin();
    enter(CHENG_NOW, 0, give_eio, "f");
    enter(CHENG_NOW, 1, say, "g");
    assert_int_equal(cheng_sched_run(sched), -EIO);
    assert_string_equal(said, "f");
    assert_int_equal(cheng_sched_run(sched), 0); /* goes on */
    assert_string_equal(said, "fg");
    cheng_sched_free(sched);
}

static uint64_t victim;

static int enter_and_cancel(const void *argument, void *result)
{
    say(argument, result);
    assert_int_equal(cheng_sched_cancel(sched, victim), 0);
    enter(CHENG_NOW, 0, say, "n");
    return 0;
}

TEST(changed_by_what_it_calls)
{
    begin();
    enter(CHENG_NOW, 0, enter_and_cancel, "c");
    victim = enter(CHENG_NOW, 1, say, "v");
    assert_int_equal(cheng_sched_run(sched), 0);
    assert_string_equal(said, "cn");
    cheng_sched_free(sched);
}

static int run_it(void *context)
{
    (void)context;
    return cheng_sched_run(sched);
}

/* An earlier event wakes who waits for a later one; a cancel of the last one ends the run; so does cheng_cancel. */
TEST(changed_while_it_waits)
{
    for (enum place place = IN_THREAD; place < PLACES; place++) {
        struct actor actor;
        begin();
        uint64_t far = enter(cheng_after(3600 * CHENG_SECOND), 0, say, "z");
        actor_start(&actor, place, run_it, NULL);
        wait_until_blocked(actor.self, CHENGI_WAIT_CONDITION);
        enter(cheng_after(CHENG_MILLISECOND), 0, say, "a");
        while (cheng_sched_queue(sched, NULL, 0) != 1)
            cheng_yield();
        wait_until_blocked(actor.self, CHENGI_WAIT_CONDITION);
        if (place != IN_THREAD)
            cheng_sched_cancel(sched, far);
        else
            cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), place != IN_THREAD ? 0 : -ECANCELED);
        assert_string_equal(said, "a");
        cheng_sched_free(sched);
    }
}
