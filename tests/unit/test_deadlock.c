/* Deadlocks of locks and joins: found, told to whom closes the cycle, and described; and what is none. */
#include "unit/actors.h"
#include "unit/processes.h"

enum { MOST = 10 };

static void assert_mentions(const char *report, const char *text)
{
    if (strstr(report, text) == NULL)
        fail_msg("the report does not mention \"%s\":\n%s", text, report);
}

/* A line of this file, as the reports print it. */
static void assert_mentions_line(const char *report, int line)
{
    char text[32];
    snprintf(text, sizeof text, "test_deadlock.c:%d", line);
    assert_mentions(report, text);
}

static unsigned lines_of(const char *text)
{
    unsigned lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static cheng_lock lock;

TEST(no_report_without_a_deadlock)
{
    assert_string_equal(cheng_deadlock_report(), "");
}

static int take_twice(void *unused)
{
    (void)unused;
    enum { TAKEN = __LINE__ + 1 };
    cheng_lock_acquire(&lock);
    enum { WANTED = __LINE__ + 1 };
    int rc = cheng_lock_acquire_until(&lock, CHENG_FOREVER);
    assert_int_equal(rc, -EDEADLK);
    assert_mentions(cheng_deadlock_report(), cheng_name());
    assert_mentions(cheng_deadlock_report(), "waits for itself");
    assert_mentions_line(cheng_deadlock_report(), TAKEN);
    assert_mentions_line(cheng_deadlock_report(), WANTED);
    assert_int_equal(cheng_lock_acquire_until(&lock, cheng_after(CHENG_SECOND)), -EDEADLK);
    assert_int_equal(cheng_lock_acquire_until(&lock, CHENG_NOW), -EAGAIN);
    assert_true(cheng_lock_locked(&lock)); /* it holds it still, once */
    assert_int_equal(cheng_lock_release(&lock), 0);
    assert_false(cheng_lock_locked(&lock));
    return 0;
}

TEST(oneself)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, take_twice, NULL);
        assert_int_equal(actor_join(&actor), 0);
    }
    assert_string_equal(cheng_deadlock_report(), ""); /* each has its own */
}

/* ---- a ring: each holds a lock and wants the next one's ---- */

struct ring {
    unsigned count;
    cheng_lock locks[MOST];
    struct member {
        struct ring *ring;
        unsigned number;
        cheng_deadline deadline;
        cheng_event go;
        struct actor actor;
        char name[32];
        char *report;
    } members[MOST];
    cheng_semaphore holding;
    unsigned told; /* atomic: how many got -EDEADLK */
};

enum { LINE_HELD = __LINE__ + 6, LINE_WANTED = __LINE__ + 10 };
static int take_mine_then_the_next(void *context)
{
    struct member *me = context;
    struct ring *ring = me->ring;
    cheng_lock *next = &ring->locks[(me->number + 1) % ring->count];
    cheng_lock_acquire(&ring->locks[me->number]); /* LINE_HELD */
    snprintf(me->name, sizeof me->name, "%s", cheng_name());
    cheng_semaphore_release(&ring->holding, 1);
    cheng_event_wait(&me->go);
    int rc = cheng_lock_acquire_until(next, me->deadline); /* LINE_WANTED */
    if (rc == -EDEADLK) {
        me->report = strdup(cheng_deadlock_report());
        __atomic_fetch_add(&ring->told, 1, __ATOMIC_RELAXED);
    }
    if (rc == 0)
        assert_int_equal(cheng_lock_release(next), 0);
    assert_int_equal(cheng_lock_release(&ring->locks[me->number]), 0);
    return rc;
}

/* The members are of each place in turn, beginning with that one. */
static void ring_start(struct ring *ring, unsigned count, unsigned place)
{
    memset(ring, 0, sizeof *ring);
    ring->count = count;
    for (unsigned i = 0; i < count; i++) {
        ring->members[i].ring = ring;
        ring->members[i].number = i;
        actor_start(&ring->members[i].actor, (enum place)((place + i) % PLACES), take_mine_then_the_next,
                    &ring->members[i]);
    }
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(cheng_semaphore_acquire(&ring->holding), 0);
}

static void check_ring_report(const struct ring *ring, const char *report)
{
    char text[64];
    assert_non_null(report);
    snprintf(text, sizeof text, "%u tasks", ring->count);
    assert_mentions(report, text);
    assert_int_equal(lines_of(report), ring->count + 1);
    for (unsigned i = 0; i < ring->count; i++) {
        snprintf(text, sizeof text, "%s waits for lock %p", ring->members[i].name,
                 (void *)&ring->locks[(i + 1) % ring->count]);
        assert_mentions(report, text);
        snprintf(text, sizeof text, "which %s holds since", ring->members[i].name);
        assert_mentions(report, text);
    }
    assert_mentions_line(report, LINE_HELD);
    assert_mentions_line(report, LINE_WANTED);
}

/* One after the other goes to wait; who closes the ring is told, and lets the others go on. That is the last one, or
 * the one before if it was still looking. */
static void ring_in_order(unsigned count)
{
    static struct ring ring;
    unsigned told = 0;
    ring_start(&ring, count, IN_THREAD);
    for (unsigned i = 0; i < count; i++) {
        cheng_event_set(&ring.members[i].go);
        if (i + 1 < count)
            wait_until_blocked(ring.members[i].actor.self, CHENGI_WAIT_LOCK);
    }
    for (unsigned i = 0; i < count; i++) {
        int rc = actor_join(&ring.members[i].actor);
        if (rc != -EDEADLK) {
            assert_int_equal(rc, 0);
            continue;
        }
        told++;
        check_ring_report(&ring, ring.members[i].report);
        free(ring.members[i].report);
    }
    assert_int_equal(told, 1);
}

TEST(ring_of_2)
{
    ring_in_order(2);
}

TEST(ring_of_3)
{
    ring_in_order(3);
}

TEST(ring_of_10)
{
    ring_in_order(MOST);
    ring_in_order(MOST);
}

/* All at once: exactly one is told, whoever it is. */
static void ring_at_once(unsigned count)
{
    static struct ring ring;
    unsigned told = 0;
    ring_start(&ring, count, IN_THREAD);
    for (unsigned i = 0; i < count; i++)
        cheng_event_set(&ring.members[i].go);
    for (unsigned i = 0; i < count; i++) {
        int rc = actor_join(&ring.members[i].actor);
        assert_true(rc == 0 || rc == -EDEADLK);
        told += rc == -EDEADLK;
        if (rc == -EDEADLK)
            check_ring_report(&ring, ring.members[i].report);
        free(ring.members[i].report);
    }
    assert_true(told <= 1); /* none, if one of them was through before the others came */
}

TEST(rings_at_once)
{
    for (unsigned round = 0; round < scaled(200); round++)
        ring_at_once(round % 2 ? 2 : MOST);
}

/* ---- what is no deadlock ---- */

/* It has walked before the others come: else it could find the whole cycle, and be told in spite of its deadline. So it is
 * a coroutine of the caller's own thread, which goes on only when that one sleeps. */
static int one_waits_for_a_while(const void *argument, void *result)
{
    static struct ring ring;
    unsigned who = *(const unsigned *)argument;
    (void)result;
    ring_start(&ring, 3, IN_COROUTINE + PLACES - who);
    ring.members[who].deadline = cheng_after(200 * CHENG_MILLISECOND);
    for (unsigned i = 0; i < 3; i++) {
        struct member *member = &ring.members[(who + i) % 3];
        cheng_event_set(&member->go);
        while (!task_waits(member->actor.self, CHENGI_WAIT_LOCK) &&
               cheng_task_is_alive(member->actor.self)) /* or over, on a slow machine */
            cheng_yield();
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(actor_join(&ring.members[i].actor), i == who ? -ETIMEDOUT : 0);
    assert_int_equal(ring.told, 0);
    return 0;
}

TEST(another_has_a_deadline)
{
    for (unsigned who = 0; who < 3; who++)
        assert_int_equal(cheng_run(NULL, one_waits_for_a_while, &who, sizeof who), 0);
}

/* A cancel is certain to end the wait of who joins here, so it is no part of a cycle, however briefly it is seen waiting. */
static bool joined_enough;

static int join_though_cancelled(void *context)
{
    cheng_task *other = context;
    cheng_cancel(cheng_current());
    while (!__atomic_load_n(&joined_enough, __ATOMIC_RELAXED))
        assert_int_equal(cheng_join(other, NULL), -ECANCELED);
    return 0;
}

TEST(another_is_cancelled)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        joined_enough = false;
        actor_start(&actor, place, join_though_cancelled, cheng_current());
        for (unsigned i = 0; i < scaled(2000); i++)
            assert_int_equal(cheng_join_until(actor.self, NULL, cheng_after(CHENG_MICROSECOND)), -ETIMEDOUT);
        __atomic_store_n(&joined_enough, true, __ATOMIC_RELAXED);
        assert_int_equal(actor_join(&actor), 0);
    }
}

/* Its own deadline does not keep the closing call from being told: it need not wait for what cannot come. */
TEST(ones_own_deadline)
{
    static struct ring ring;
    ring_start(&ring, 2, IN_THREAD);
    ring.members[1].deadline = cheng_after(60 * CHENG_SECOND);
    cheng_event_set(&ring.members[0].go);
    wait_until_blocked(ring.members[0].actor.self, CHENGI_WAIT_LOCK);
    cheng_event_set(&ring.members[1].go);
    int first = actor_join(&ring.members[0].actor), second = actor_join(&ring.members[1].actor);
    assert_int_equal(first, 0); /* the other has a deadline, so it may not be told */
    assert_int_equal(second, -EDEADLK);
    free(ring.members[1].report);
}

/* Locks taken in order by everybody, as fast as can be: no report may come. */
static cheng_lock ordered[4];

static int take_in_order(void *context)
{
    uint64_t random = *(uint64_t *)context;
    for (unsigned i = 0; i < scaled(2000); i++) {
        unsigned taken = (unsigned)(next_random(&random) & 15);
        for (unsigned l = 0; l < 4; l++)
            if (taken & 1u << l)
                assert_int_equal(cheng_lock_acquire_until(&ordered[l], CHENG_FOREVER), 0);
        if ((random & 15) == 0)
            cheng_yield();
        for (unsigned l = 0; l < 4; l++)
            if (taken & 1u << l)
                assert_int_equal(cheng_lock_release(&ordered[l]), 0);
    }
    return 0;
}

TEST(no_false_report)
{
    enum { COUNT = 9 };
    struct actor actors[COUNT];
    uint64_t seed = test_seed(), seeds[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        seeds[i] = next_random(&seed);
        actor_start(&actors[i], (enum place)(i % PLACES), take_in_order, &seeds[i]);
    }
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
}

/* ---- joins ---- */

struct joiner {
    struct actor actor;
    struct joiner *next;
    cheng_event go;
    char name[32];
    char *report;
};

static int join_the_next(void *context)
{
    struct joiner *me = context;
    int status;
    snprintf(me->name, sizeof me->name, "%s", cheng_name());
    assert_int_equal(cheng_event_wait(&me->go), 0);
    int rc = cheng_join(me->next->actor.self, &status);
    if (rc == -EDEADLK)
        me->report = strdup(cheng_deadlock_report());
    return rc;
}

static void join_ring(unsigned count)
{
    static struct joiner ring[MOST];
    memset(ring, 0, sizeof ring);
    for (unsigned i = 0; i < count; i++) {
        ring[i].next = &ring[(i + 1) % count];
        /* not in cheng_run: there the task ends before its handle, which is the thread around it */
        actor_start(&ring[i].actor, i % 2 ? IN_THREAD : IN_COROUTINE, join_the_next, &ring[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        cheng_event_set(&ring[i].go);
        if (i + 1 < count)
            wait_until_blocked(ring[i].actor.self, CHENGI_WAIT_JOIN);
    }
    const char *report = NULL;
    for (unsigned i = 0; i < count; i++) { /* one is told and ends, and so do the others, backwards */
        int status = 1;
        assert_int_equal(cheng_join(ring[i].actor.handle, &status), 0);
        assert_int_equal(status, ring[i].report == NULL ? 0 : -EDEADLK);
        assert_true(report == NULL || ring[i].report == NULL);
        report = report == NULL ? ring[i].report : report;
    }
    assert_non_null(report);
    for (unsigned i = 0; i < count; i++)
        cheng_task_free(ring[i].actor.handle);
    for (unsigned i = 0; i < count; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s joins %s", ring[i].name, ring[(i + 1) % count].name);
        assert_mentions(report, text);
    }
    for (unsigned i = 0; i < count; i++)
        free(ring[i].report);
}

TEST(joins_in_a_ring)
{
    join_ring(2);
    join_ring(3);
    join_ring(MOST);
}

/* One holds a lock and joins another, who wants the lock. */
static int want_the_lock(void *unused)
{
    (void)unused;
    int rc = cheng_lock_acquire_until(&lock, CHENG_FOREVER);
    if (rc == 0)
        assert_int_equal(cheng_lock_release(&lock), 0);
    return rc;
}

TEST(a_lock_and_a_join)
{
    unsigned told = 0;
    for (unsigned round = 0; round < 30; round++) {
        struct actor actor;
        cheng_lock_acquire(&lock);
        actor_start(&actor, (enum place)(round % PLACES), want_the_lock, NULL);
        wait_until_blocked(actor.self, CHENGI_WAIT_LOCK);
        int rc = cheng_join(actor.self, NULL);
        if (rc == -EDEADLK) {
            told++;
            assert_mentions(cheng_deadlock_report(), "MainThread joins ");
            assert_mentions(cheng_deadlock_report(), "which MainThread holds since ");
        }
        assert_int_equal(cheng_lock_release(&lock), 0);
        assert_int_equal(actor_join(&actor), rc == 0 ? -EDEADLK : 0); /* one of the two */
    }
    assert_true(told > 0);
}

/* ---- calls that cannot return an error ---- */

static void acquire_twice(void *unused)
{
    (void)unused;
    cheng_lock_acquire(&lock);
    cheng_lock_acquire(&lock); /* does not return */
}

TEST(plain_acquire_reports_and_aborts)
{
    char text[1024];
    assert_true(killed_by(last_words(acquire_twice, NULL, text, sizeof text), SIGABRT));
    assert_mentions(text, "cheng: deadlock: MainThread waits for itself");
    assert_mentions(text, "test_deadlock.c:");
}

static cheng_event hook_called;
static char *hooked;

static void note_report(const cheng_incident *incident)
{
    assert_int_equal(incident->kind, CHENG_DEADLOCK);
    assert_int_equal(incident->error, -EDEADLK);
    assert_ptr_equal(incident->object, &lock);
    assert_string_equal(incident->report, cheng_deadlock_report());
    hooked = strdup(incident->report);
    cheng_event_set(&hook_called);
}

static int acquire_twice_with_hook(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_lock_acquire(&lock);
    CHENG_WITH(&lock)
        fail_msg("it holds the lock twice");
    return 0;
}

/* A hook that returns lets the caller hang: only the caller. */
TEST(hook_that_returns)
{
    cheng_task *task;
    cheng_set_incident_hook(note_report);
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, acquire_twice_with_hook, NULL, 0,
                                 &(cheng_task_options){ .name = "Unlucky" }),
                     0);
    assert_int_equal(cheng_event_wait(&hook_called), 0);
    assert_mentions(hooked, "deadlock: Unlucky waits for itself");
    free(hooked);
    wait_until_blocked(task, CHENGI_WAIT_SLEEP);
    cheng_cancel(task); /* nor does a cancel end it */
    assert_int_equal(cheng_join_until(task, NULL, cheng_after(5 * CHENG_MILLISECOND)), -ETIMEDOUT);
    _exit(0);
}
