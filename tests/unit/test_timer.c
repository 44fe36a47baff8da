/* Timers: when they run, and when they do not. */
#include "unit/actors.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOR_EACH_KIND(kind) for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++)

static cheng_semaphore runs;
static atomic_int count;
static int64_t ran_at[64];
static cheng_event began, go;

static int note(const void *argument, void *result)
{
    assert_null(result);
    assert_string_equal(argument, "note");
    ran_at[count++ % 64] = cheng_clock_ns();
    return cheng_semaphore_release(&runs, 1);
}

static int wait_inside(const void *argument, void *result)
{
    (void)argument, (void)result;
    count++;
    cheng_event_set(&began);
    cheng_event_wait(&go);
    return cheng_semaphore_release(&runs, 1);
}

static cheng_timer *new_timer(enum cheng_kind kind, cheng_fn *function, const cheng_timer_options *options)
{
    cheng_timer *timer;
    assert_int_equal(cheng_timer_new(&timer, kind, function, "note", 5, options), 0);
    assert_false(cheng_timer_is_set(timer));
    return timer;
}

static void start(cheng_timer *timer, cheng_deadline when)
{
    assert_int_equal(cheng_timer_start(timer, when), 0);
}

static void wait_for_run(void)
{
    assert_int_equal(cheng_semaphore_acquire(&runs), 0);
}

/* Sets it for soon and cancels it, in time: a busy machine may let it run before. */
static void cancel_in_time(cheng_timer *timer)
{
    for (int soon = 5;; soon *= 2) {
        int before = count;
        start(timer, cheng_after(soon * CHENG_MILLISECOND));
        bool set = cheng_timer_is_set(timer);
        if (cheng_timer_cancel(timer)) {
            assert_true(set);
            return;
        }
        wait_for_run();
        assert_int_equal(count, before + 1);
        assert_true(soon < 5000);
    }
}

/* What a timer that will not run again may have begun has ended. */
static void forget_runs(void)
{
    while (cheng_enumerate(NULL, 0) > 1)
        cheng_yield();
    while (cheng_semaphore_acquire_until(&runs, CHENG_NOW) == 0)
        ;
    count = 0;
}

TEST(errors)
{
    cheng_timer *timer = NULL;
    const cheng_timer_options backwards = { .period = -1 };
    assert_int_equal(cheng_timer_new(&timer, CHENG_PROCESS, note, NULL, 0, NULL), -ENOTSUP);
    assert_int_equal(cheng_timer_new(&timer, (enum cheng_kind)0, note, NULL, 0, NULL), -EINVAL);
    assert_int_equal(cheng_timer_new(&timer, CHENG_THREAD, NULL, NULL, 0, NULL), -EINVAL);
    assert_int_equal(cheng_timer_new(&timer, CHENG_THREAD, note, NULL, 1, NULL), -EINVAL);
    assert_int_equal(cheng_timer_new(&timer, CHENG_THREAD, note, "", (64 << 10) + 1, NULL), -EINVAL);
    assert_int_equal(cheng_timer_new(&timer, CHENG_THREAD, note, "", 1, &backwards), -EINVAL);
    assert_null(timer);
    timer = new_timer(CHENG_THREAD, note, NULL);
    assert_int_equal(cheng_timer_start(timer, CHENG_FOREVER), -EINVAL);
    assert_false(cheng_timer_is_set(timer));
    cheng_timer_free(timer);
    cheng_timer_free(NULL);
}

TEST(runs_once_and_never_early)
{
    FOR_EACH_KIND(kind)
    {
        cheng_timer *timer = new_timer(kind, note, NULL);
        for (int i = 0; i < 3; i++) {
            count = 0;
            cheng_deadline when = i == 0 ? CHENG_NOW : cheng_after(i * 5 * CHENG_MILLISECOND);
            start(timer, when);
            wait_for_run();
            assert_true(ran_at[0] >= when.at_ns);
            assert_false(cheng_timer_is_set(timer));
            assert_false(cheng_timer_cancel(timer));
            assert_int_equal(count, 1);
        }
        cheng_timer_free(timer);
    }
}

TEST(in_the_order_of_their_times)
{
    enum { TIMERS = 16 };
    cheng_timer *timers[TIMERS];
    int64_t base = cheng_clock_ns() + 20000000, previous = 0;
    for (int i = 0; i < TIMERS; i++) {
        timers[i] = new_timer(CHENG_COROUTINE, note, NULL);
        start(timers[i], cheng_deadline_at(base + (i * 7 % TIMERS) * 1000000));
    }
    for (int i = 0; i < TIMERS; i++)
        wait_for_run();
    for (int i = 0; i < TIMERS; i++) {
        assert_true(ran_at[i] >= base + i * 1000000); /* of the first i + 1, the latest comes now */
        assert_true(ran_at[i] != previous);
        previous = ran_at[i];
        cheng_timer_free(timers[i]);
    }
}

TEST(cancelled)
{
    cheng_timer *timer = new_timer(CHENG_COROUTINE, note, NULL),
                *later = new_timer(CHENG_COROUTINE, note, NULL);
    cancel_in_time(timer);
    assert_false(cheng_timer_cancel(timer));
    assert_false(cheng_timer_is_set(timer));
    count = 0;
    start(later, cheng_after(10 * CHENG_MILLISECOND));
    wait_for_run();
    assert_int_equal(count, 1); /* the later one's */
    start(timer, cheng_after(3600 * CHENG_SECOND));
    start(later, cheng_after(3600 * CHENG_SECOND));
    cheng_timer_free(timer); /* set: cancels */
    assert_true(cheng_timer_cancel(later));
    cheng_timer_free(later); /* still in the wheel */
}

TEST(set_anew)
{
    cheng_timer *timer = new_timer(CHENG_COROUTINE, note, NULL);
    bool in_time = false;
    for (int soon = 5; !in_time; soon *= 2) { /* else it may have run for the first */
        cheng_timer_cancel(timer);
        forget_runs();
        cheng_deadline first = cheng_after(soon * CHENG_MILLISECOND),
                       second = cheng_after(soon * 2 * CHENG_MILLISECOND);
        start(timer, first);
        start(timer, second); /* later */
        in_time = cheng_clock_ns() < first.at_ns;
        wait_for_run();
        assert_true(!in_time || (count == 1 && ran_at[0] >= second.at_ns));
    }
    count = 0;
    start(timer, cheng_after(3600 * CHENG_SECOND));
    start(timer, cheng_after(5 * CHENG_MILLISECOND)); /* earlier: the watch sleeps for the other */
    wait_for_run();
    assert_int_equal(count, 1);
    cancel_in_time(timer);
    count = 0;
    start(timer, cheng_after(10 * CHENG_MILLISECOND)); /* again, after a cancel */
    wait_for_run();
    assert_int_equal(count, 1);
    cheng_timer_free(timer);
}

TEST(periodic)
{
    FOR_EACH_KIND(kind)
    {
        const cheng_timer_options options = { .period = 2 * CHENG_MILLISECOND };
        cheng_timer *timer = new_timer(kind, note, &options);
        cheng_deadline first = cheng_after(5 * CHENG_MILLISECOND);
        start(timer, first);
        for (int i = 0; i < 10; i++)
            wait_for_run();
        for (int i = 0; i < 10; i++) /* from start to start: no drift, so none is early by the first */
            assert_true(ran_at[i] >= first.at_ns + i * 2 * CHENG_MILLISECOND);
        assert_true(cheng_timer_cancel(timer));
        int so_far = count;
        cheng_sleep(10 * CHENG_MILLISECOND);
        assert_in_range(count, so_far, so_far + 1); /* one may have begun before the cancel */
        cheng_timer_free(timer);
        forget_runs();
    }
}

/* The second run of these would come after the end of time. */
TEST(the_longest_period)
{
    const cheng_timer_options options = { .period = INT64_MAX };
    cheng_timer *timer = new_timer(CHENG_COROUTINE, note, &options);
    start(timer, cheng_after(CHENG_MILLISECOND));
    wait_for_run();
    cheng_sleep(2 * CHENG_MILLISECOND);
    assert_int_equal(cheng_semaphore_acquire_until(&runs, CHENG_NOW), -EAGAIN);
    assert_true(cheng_timer_is_set(timer));
    cheng_timer_free(timer);
}

/* A run that takes longer than the period: no other begins meanwhile, and what has passed is left out. */
TEST(runs_do_not_overlap)
{
    const cheng_timer_options options = { .period = CHENG_MILLISECOND };
    cheng_timer *timer = new_timer(CHENG_THREAD, wait_inside, &options);
    start(timer, CHENG_NOW);
    cheng_event_wait(&began);
    cheng_sleep(20 * CHENG_MILLISECOND);
    assert_int_equal(count, 1);
    assert_true(cheng_timer_cancel(timer)); /* the next one */
    cheng_event_set(&go);
    wait_for_run();
    cheng_sleep(5 * CHENG_MILLISECOND);
    assert_int_equal(count, 1);
    cheng_timer_free(timer);
}

TEST(started_while_it_runs)
{
    cheng_timer *timer = new_timer(CHENG_COROUTINE, wait_inside, NULL);
    start(timer, CHENG_NOW);
    cheng_event_wait(&began);
    start(timer, CHENG_NOW);
    cheng_sleep(5 * CHENG_MILLISECOND);
    assert_int_equal(count, 1);
    assert_true(cheng_timer_is_set(timer));
    cheng_event_set(&go);
    wait_for_run();
    wait_for_run();
    assert_int_equal(count, 2);
    cheng_timer_free(timer);
}

TEST(freed_while_it_runs)
{
    FOR_EACH_KIND(kind)
    {
        cheng_event_clear(&began);
        cheng_event_clear(&go);
        cheng_timer *timer = new_timer(kind, wait_inside, &(cheng_timer_options){ .period = 1 });
        start(timer, CHENG_NOW);
        cheng_event_wait(&began);
        cheng_timer_free(timer);
        cheng_event_set(&go);
        wait_for_run();
    }
    assert_int_equal(count, 2);
}

static cheng_timer *own;

static int free_own(const void *argument, void *result)
{
    (void)result;
    cheng_timer_free(own);
    assert_string_equal(argument, "note"); /* a run keeps it */
    return cheng_semaphore_release(&runs, 1);
}

TEST(freed_by_its_run)
{
    own = new_timer(CHENG_COROUTINE, free_own, NULL);
    start(own, CHENG_NOW);
    wait_for_run();
}

static int check_name(const void *argument, void *result)
{
    (void)argument, (void)result;
    assert_string_equal(cheng_name(), "clock");
    assert_true(cheng_task_is_daemon(cheng_current()));
    return cheng_semaphore_release(&runs, 1);
}

TEST(name_and_daemon)
{
    cheng_timer *timer =
        new_timer(CHENG_COROUTINE, check_name, &(cheng_timer_options){ .name = "clock", .daemon = true });
    start(timer, CHENG_NOW);
    wait_for_run();
    cheng_timer_free(timer);
    assert_in_range(cheng_enumerate(NULL, 0), 1, 2); /* the watch is not there */
}

static atomic_int failures;

static void count_failure(const cheng_incident *incident)
{
    failures += incident->kind == CHENG_FAILURE && incident->error == -EIO;
}

static int give_eio(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_semaphore_release(&runs, 1);
    return -EIO;
}

TEST(a_run_that_fails)
{
    cheng_set_incident_hook(count_failure);
    cheng_timer *timer = new_timer(CHENG_COROUTINE, give_eio, NULL);
    start(timer, CHENG_NOW);
    wait_for_run();
    while (failures == 0)
        cheng_yield();
    cheng_timer_free(timer);
}

/* Every task sets and cancels its own timers, and some of the others'. */
enum { SHARED = 32 };
static cheng_timer *shared[SHARED];

static int count_run(const void *argument, void *result)
{
    (void)argument, (void)result;
    count++;
    return 0;
}

static int set_and_cancel(void *context)
{
    uint64_t state = (uintptr_t)context;
    for (unsigned n = scaled(8000); n-- > 0;) {
        cheng_timer *timer = shared[random_below(&state, SHARED)];
        if (random_below(&state, 3) == 0)
            cheng_timer_cancel(timer);
        else
            start(timer, cheng_after(random_below(&state, 300000)));
    }
    return 0;
}

TEST(many_hands)
{
    enum { ACTORS = 6 };
    struct actor actors[ACTORS];
    for (int i = 0; i < SHARED; i++)
        shared[i] = new_timer(i % 8 == 0 ? CHENG_THREAD : CHENG_COROUTINE, count_run,
                              &(cheng_timer_options){ .period = i % 2 * 50000 });
    for (int i = 0; i < ACTORS; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), set_and_cancel, &actors[i]);
    for (int i = 0; i < ACTORS; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    count = 0;
    for (int i = 0; i < SHARED; i++) /* all still work */
        start(shared[i], CHENG_NOW);
    cheng_deadline deadline = cheng_after(10 * CHENG_SECOND);
    while (count < SHARED && cheng_clock_ns() < deadline.at_ns)
        cheng_sleep(CHENG_MILLISECOND);
    assert_true(count >= SHARED);
    for (int i = 0; i < SHARED; i++)
        cheng_timer_free(shared[i]);
}

/* ---- runs that never begin ---- */

static int cancels;

static void cancel_first(void)
{
    if (cancels > 0) {
        cancels--;
        cheng_cancel(cheng_current());
    }
}

TEST(a_run_that_is_cancelled_before_it_begins)
{
    cheng_set_start_hook(cancel_first);
    FOR_EACH_KIND(kind)
    {
        const cheng_timer_options options = { .period = 2 * CHENG_MILLISECOND };
        cheng_timer *again = new_timer(kind, note, &options), *once = new_timer(kind, note, NULL);
        cancels = 2; /* that is a run, too */
        start(again, CHENG_NOW);
        wait_for_run();
        assert_int_equal(cancels, 0);
        assert_true(cheng_timer_is_set(again));
        cheng_timer_free(again);
        cheng_sleep(5 * CHENG_MILLISECOND);
        forget_runs();
        cancels = 1;
        start(once, CHENG_NOW);
        while (cheng_timer_is_set(once) || cheng_enumerate(NULL, 0) > 1)
            cheng_sleep(CHENG_MILLISECOND);
        assert_int_equal(cheng_semaphore_acquire_until(&runs, CHENG_NOW), -EAGAIN);
        start(once, CHENG_NOW);
        wait_for_run();
        cheng_timer_free(once);
    }
}

/* ---- forks ---- */

static cheng_timer *forks;

static int fork_within(const void *argument, void *result)
{
    (void)argument, (void)result;
    pid_t pid = fork();
    if (pid == 0) {
        cheng_timer_free(forks); /* whose run this is */
        return 0;                /* which ends the child */
    }
    int status = -1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    return cheng_semaphore_release(&runs, 1);
}

TEST(freed_by_the_child_of_its_run) // notsan: noasan: noqemu: a threaded program's child
{
    FOR_EACH_KIND(kind)
    {
        forks = new_timer(kind, fork_within, NULL);
        start(forks, CHENG_NOW);
        wait_for_run();
        cheng_timer_free(forks);
    }
}

TEST(in_a_forks_child) // notsan: noqemu: no threads in a threaded program's child
{
    cheng_timer *timer = new_timer(CHENG_COROUTINE, note, NULL), *set = new_timer(CHENG_THREAD, note, NULL);
    start(timer, CHENG_NOW);
    wait_for_run();
    start(set, cheng_after(20 * CHENG_MILLISECOND));
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        count = 0;
        assert_false(cheng_timer_is_set(set));
        assert_false(cheng_timer_cancel(set));
        start(timer, cheng_after(30 * CHENG_MILLISECOND));
        wait_for_run();
        assert_int_equal(count, 1);
        cheng_timer_free(timer);
        cheng_timer_free(set);
        exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    wait_for_run();
    cheng_timer_free(timer);
    cheng_timer_free(set);
}
