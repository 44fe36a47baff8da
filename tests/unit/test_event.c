/* The event: set, clear, and what a waiter that was woken returns. test_matrix.c has the ways a wait ends. */
#include "unit/actors.h"

static cheng_event event;

static int wait_on_event(void *unused)
{
    (void)unused;
    return cheng_event_wait(&event);
}

TEST(zero_is_not_set)
{
    cheng_event zero = { 0 };
    assert_int_equal(sizeof zero, 8);
    assert_false(cheng_event_is_set(&zero));
    assert_int_equal(cheng_event_wait_until(&zero, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_event_wait_until(&zero, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_event_wait_until(&zero, cheng_after(-CHENG_SECOND)), -ETIMEDOUT);
}

TEST(set_and_clear)
{
    for (unsigned i = 0; i < 10; i++) {
        cheng_event_set(&event);
        cheng_event_set(&event); /* again is harmless */
        assert_true(cheng_event_is_set(&event));
        assert_int_equal(cheng_event_wait(&event), 0);
        assert_int_equal(cheng_event_wait_until(&event, CHENG_NOW), 0);
        assert_int_equal(cheng_event_wait_until(&event, cheng_after(-CHENG_SECOND)), 0); /* tries once */
        cheng_event_clear(&event);
        cheng_event_clear(&event);
        assert_false(cheng_event_is_set(&event));
        assert_int_equal(cheng_event_wait_until(&event, CHENG_NOW), -EAGAIN);
    }
}

TEST(set_wakes_all)
{
    enum { COUNT = 50 };
    static struct actor actors[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), wait_on_event, NULL);
    for (unsigned i = 0; i < COUNT; i++)
        wait_until_blocked(actors[i].self, CHENGI_WAIT_EVENT);
    cheng_event_set(&event);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
}

/* A waiter that set has woken returns 0 even if the event was cleared since. */
TEST(cleared_before_the_waiter_runs)
{
    for (enum place place = 0; place < PLACES; place++)
        for (unsigned round = 0; round < 50; round++) {
            struct actor actor;
            actor_start(&actor, place, wait_on_event, NULL);
            wait_until_blocked(actor.self, CHENGI_WAIT_EVENT);
            cheng_event_set(&event);
            cheng_event_clear(&event);
            assert_int_equal(actor_join(&actor), 0);
        }
}

/* The same where nothing is left to chance: the waiter is on this very thread and cannot run in between. */
static int set_and_clear_within(const void *argument, void *result)
{
    struct actor waiter;
    (void)argument, (void)result;
    waiter = (struct actor){ .function = wait_on_event };
    struct actor *at = &waiter;
    cheng_task *task;
    int status = -1;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, actor_main, &at, sizeof at, NULL), 0);
    wait_until_blocked(task, CHENGI_WAIT_EVENT);
    cheng_event_set(&event);
    cheng_event_clear(&event);
    assert_true(cheng_task_is_alive(task));
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, 0);
    cheng_task_free(task);
    return 0;
}

TEST(cleared_before_the_waiter_can_run)
{
    assert_int_equal(cheng_run(NULL, set_and_clear_within, NULL, 0), 0);
}

/* What was done before set is seen after a wait: two take turns over plain memory. */
static cheng_event turns[2];
static unsigned written;
enum { ROUNDS = 2000 };

static int play(void *context)
{
    unsigned me = *(unsigned *)context;
    for (unsigned i = 0; i < scaled(ROUNDS); i++) {
        assert_int_equal(cheng_event_wait(&turns[me]), 0);
        cheng_event_clear(&turns[me]);
        assert_int_equal(written, 2 * i + me);
        written++;
        cheng_event_set(&turns[1 - me]);
    }
    return 0;
}

TEST(turns)
{
    unsigned zero = 0, one = 1;
    for (enum place a = 0; a < PLACES; a++)
        for (enum place b = 0; b < PLACES; b++) {
            struct actor players[2];
            written = 0;
            cheng_event_clear(&turns[0]);
            cheng_event_clear(&turns[1]);
            actor_start(&players[0], a, play, &zero);
            actor_start(&players[1], b, play, &one);
            cheng_event_set(&turns[0]);
            assert_int_equal(actor_join(&players[0]), 0);
            assert_int_equal(actor_join(&players[1]), 0);
            assert_int_equal(written, 2 * scaled(ROUNDS));
        }
}

TEST(not_an_event)
{
    cheng_event odd = { .kind = 1 };
    assert_int_equal(cheng_event_wait_until(&odd, cheng_after(CHENG_MILLISECOND)), -EINVAL);
}
