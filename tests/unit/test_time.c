/* Clock, deadlines and sleep. */
#include "unit/actors.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

TEST(clock_is_monotonic_and_positive)
{
    int64_t before = cheng_clock_ns();
    assert_true(before > 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = cheng_clock_ns();
        assert_true(now >= before);
        before = now;
    }
}

TEST(after)
{
    int64_t now = cheng_clock_ns();
    int64_t second = cheng_after(CHENG_SECOND).at_ns;
    assert_true(second >= now + CHENG_SECOND && second <= cheng_clock_ns() + CHENG_SECOND);
    assert_true(cheng_after(0).at_ns >= now);
    assert_true(cheng_after(-CHENG_SECOND).at_ns < now);
    assert_true(cheng_after(INT64_MAX).at_ns == INT64_MAX); /* cut to the end of the range */
    assert_true(cheng_after(INT64_MIN).at_ns < now);
    /* a computed deadline is never taken for one of the two special ones */
    assert_true(cheng_after(INT64_MIN).at_ns != CHENG_NOW.at_ns);
    assert_true(cheng_after(INT64_MIN).at_ns != CHENG_FOREVER.at_ns);
    assert_true(cheng_after(-cheng_clock_ns()).at_ns != CHENG_FOREVER.at_ns);
    assert_int_equal(CHENG_FOREVER.at_ns, 0);
    assert_int_equal(CHENG_SECOND, 1000 * CHENG_MILLISECOND);
    assert_int_equal(CHENG_MILLISECOND, 1000 * CHENG_MICROSECOND);
    assert_int_equal(CHENG_MICROSECOND, 1000 * CHENG_NANOSECOND);
}

TEST(a_past_deadline_in_every_range)
{
    cheng_event event = { 0 };
    const int64_t past[] = { 1, -1, INT64_MIN + 1, cheng_clock_ns() };
    for (size_t i = 0; i < sizeof past / sizeof *past; i++)
        assert_int_equal(cheng_event_wait_until(&event, cheng_deadline_at(past[i])), -ETIMEDOUT);
}

static int sleep_and_check(void *unused)
{
    static const cheng_duration durations[] = { 1,
                                                1000,
                                                CHENG_MICROSECOND * 17,
                                                CHENG_MICROSECOND * 300,
                                                CHENG_MILLISECOND,
                                                CHENG_MILLISECOND * 3,
                                                CHENG_MILLISECOND * 20 };
    (void)unused;
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        int64_t begun = cheng_clock_ns();
        assert_int_equal(cheng_sleep(durations[i]), 0);
        assert_true(cheng_clock_ns() - begun >= durations[i]); /* never early */
        cheng_deadline deadline = cheng_after(durations[i]);
        assert_int_equal(cheng_sleep_until(deadline), 0);
        assert_true(cheng_clock_ns() >= deadline.at_ns);
        assert_int_equal(cheng_sleep_until(deadline), 0); /* in the past */
    }
    assert_int_equal(cheng_sleep(0), 0);
    assert_int_equal(cheng_sleep(-5), 0);
    assert_int_equal(cheng_sleep_until(CHENG_NOW), 0);
    return 0;
}

TEST(sleep_is_never_short)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, sleep_and_check, NULL);
        assert_int_equal(actor_join(&actor), 0);
    }
}

/* Sleepers wake in the order of their deadlines, whatever the order of their coming, if all have come by the first. */
enum { SLEEPERS = 40 };
static int come, woken[SLEEPERS], woken_count;
static bool in_time;

static int sleep_and_sign(const void *argument, void *result)
{
    struct {
        int number;
        cheng_deadline deadline;
    } mine;
    (void)result;
    memcpy(&mine, argument, sizeof mine);
    come++;
    assert_int_equal(cheng_sleep_until(mine.deadline), 0);
    woken[woken_count++] = mine.number; /* one thread */
    return 0;
}

static int start_sleepers(const void *argument, void *result)
{
    cheng_deadline first = cheng_after(*(const cheng_duration *)argument);
    (void)result;
    come = woken_count = 0;
    for (int i = 0; i < SLEEPERS; i++) {
        struct {
            int number;
            cheng_deadline deadline;
        } theirs = { i * 7 % SLEEPERS, { 0 } };
        theirs.deadline = cheng_deadline_at(first.at_ns + theirs.number * 100 * CHENG_MICROSECOND);
        assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, sleep_and_sign, &theirs, sizeof theirs, NULL), 0);
    }
    while (come < SLEEPERS)
        cheng_yield();
    in_time = cheng_clock_ns() < first.at_ns;
    return 0;
}

TEST(sleepers_wake_in_order)
{
    for (cheng_duration lead = 10 * CHENG_MILLISECOND; !in_time; lead *= 2) {
        assert_true(lead < 10 * CHENG_SECOND);
        assert_int_equal(cheng_run(NULL, start_sleepers, &lead, sizeof lead), 0);
        assert_int_equal(woken_count, SLEEPERS);
    }
    for (int i = 0; i < SLEEPERS; i++)
        assert_int_equal(woken[i], i);
}

static int sleep_forever(void *unused)
{
    (void)unused;
    return cheng_sleep_until(CHENG_FOREVER);
}

TEST(sleep_for_ever_can_be_cancelled)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, sleep_forever, NULL);
        wait_until_blocked(actor.self, CHENGI_WAIT_SLEEP);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
    }
}

static int sleep_long(void *context)
{
    return cheng_sleep(*(cheng_duration *)context);
}

/* Up to the ends of the clock's range. */
TEST(very_long_sleeps)
{
    cheng_duration durations[] = { 3600 * CHENG_SECOND, 1000000 * CHENG_SECOND, INT64_MAX / 2, INT64_MAX };
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++)
        for (enum place place = 0; place < PLACES; place++) {
            struct actor actor;
            actor_start(&actor, place, sleep_long, &durations[i]);
            wait_until_blocked(actor.self, CHENGI_WAIT_SLEEP);
            (void)cheng_sleep(100 * CHENG_MICROSECOND);
            assert_true(task_waits(actor.self, CHENGI_WAIT_SLEEP));
            cheng_cancel(actor.self);
            assert_int_equal(actor_join(&actor), -ECANCELED);
        }
}

/* A coroutine's sleep is not held up by others that never wait but yield. */
static bool stop;

static int yield_all_the_time(const void *argument, void *result)
{
    (void)argument, (void)result;
    while (!stop)
        cheng_yield();
    return 0;
}

static int sleep_among_the_busy(const void *argument, void *result)
{
    (void)argument, (void)result;
    for (int i = 0; i < 5; i++)
        assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, yield_all_the_time, NULL, 0, NULL), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0);
    stop = true;
    return 0;
}

TEST(sleep_beside_busy_coroutines)
{
    assert_int_equal(cheng_run(NULL, sleep_among_the_busy, NULL, 0), 0);
    assert_true(stop);
}

/* ---- a worker that always finds somebody whom others have woken looks at its timers all the same ---- */

struct relay {
    cheng_semaphore turns[2];
    atomic_int wanted; /* 1 + whom the helper is to wake; 0: done; -1: end */
    atomic_int rang;
    int64_t until;
    int yields;
};

static void *wake_as_told(void *argument)
{
    struct relay *relay = argument;
    for (int wanted; (wanted = atomic_load(&relay->wanted)) >= 0;) {
        if (wanted > 0) {
            cheng_semaphore_release(&relay->turns[wanted - 1], 1);
            atomic_store(&relay->wanted, 0);
        }
        sched_yield();
    }
    return NULL;
}

static int run_relay(struct relay *relay, int me)
{
    while (!atomic_load(&relay->rang) && cheng_clock_ns() < relay->until) {
        atomic_store(&relay->wanted, 2 - me); /* the other: in the inbox before we park */
        while (atomic_load(&relay->wanted) != 0)
            sched_yield();
        assert_int_equal(cheng_semaphore_acquire(&relay->turns[me]), 0);
    }
    return cheng_semaphore_release(&relay->turns[1 - me], 1);
}

static int run_second(const void *argument, void *result)
{
    struct relay *relay = *(struct relay *const *)argument;
    (void)result;
    assert_int_equal(cheng_semaphore_acquire(&relay->turns[1]), 0);
    return run_relay(relay, 1);
}

static int ring_soon(const void *argument, void *result)
{
    (void)result;
    assert_int_equal(cheng_sleep(10 * CHENG_MILLISECOND), 0);
    atomic_store(&(*(struct relay *const *)argument)->rang, 1);
    return 0;
}

static int run_first(const void *argument, void *result)
{
    struct relay *relay = *(struct relay *const *)argument;
    (void)result;
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, ring_soon, argument, sizeof relay, NULL), 0);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, run_second, argument, sizeof relay, NULL), 0);
    for (int i = 0; i < relay->yields; i++)
        cheng_yield();
    return run_relay(relay, 0);
}

TEST(timers_are_looked_at_however_many_are_woken)
{
    for (int yields = 2; yields < 4; yields++) {
        struct relay relay = { .until = cheng_clock_ns() + 5 * CHENG_SECOND, .yields = yields }, *it = &relay;
        pthread_t helper;
        assert_int_equal(pthread_create(&helper, NULL, wake_as_told, it), 0);
        assert_int_equal(cheng_run(NULL, run_first, &it, sizeof it), 0);
        atomic_store(&relay.wanted, -1);
        assert_int_equal(pthread_join(helper, NULL), 0);
        assert_true(cheng_clock_ns() < relay.until);
    }
}

/* However short the sleeps: others run, and a cancel ends them. */
static uint32_t turns;

static int take_a_turn(const void *unused, void *unused_too)
{
    (void)unused, (void)unused_too;
    turns++;
    return 0;
}

static int sleep_in_the_past(const void *unused, void *unused_too)
{
    cheng_task *other;
    cheng_deadline past = cheng_deadline_at(1);
    (void)unused, (void)unused_too;
    assert_int_equal(cheng_start(&other, CHENG_COROUTINE, take_a_turn, NULL, 0, NULL), 0);
    for (int i = 0; i < 1000 && turns == 0; i++)
        assert_int_equal(cheng_sleep_until(past), 0);
    assert_int_equal(turns, 1);
    cheng_task_free(other);
    cheng_cancel(cheng_current());
    assert_int_equal(cheng_sleep_until(past), -ECANCELED);
    return cheng_sleep(1);
}

TEST(sleeps_that_are_over)
{
    int status;
    assert_int_equal(cheng_run(&status, sleep_in_the_past, NULL, 0), 0);
    assert_int_equal(status, -ECANCELED);
}
