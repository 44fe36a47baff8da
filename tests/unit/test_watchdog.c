/* The watchdog names a coroutine that keeps its worker for itself, and nobody else. */
#include "unit/harness.h"

#include <cheng.h>

#include <errno.h>
#include <string.h>

static cheng_event told;
static char text[160];
static cheng_task *hog; /* says itself who it is */
static uint32_t incidents, of_others, stop;

static void note(const cheng_incident *incident)
{
    assert_int_equal(incident->kind, CHENG_HOG);
    assert_int_equal(incident->error, -EBUSY);
    if (incident->object != __atomic_load_n(&hog, __ATOMIC_RELAXED)) {
        __atomic_add_fetch(&of_others, 1, __ATOMIC_RELAXED);
        return;
    }
    snprintf(text, sizeof text, "%s", incident->report);
    __atomic_add_fetch(&incidents, 1, __ATOMIC_RELAXED);
    cheng_event_set(&told);
}

static int compute(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_store_n(&hog, cheng_current(), __ATOMIC_RELAXED);
    cheng_yield(); /* named before, it would not be named again */
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        continue;
    return 0;
}

static int64_t longest; /* from one yield to the next: on a busy machine that is not its own doing */

static int yields(const void *arg, void *result)
{
    int64_t last = cheng_clock_ns();
    (void)arg, (void)result;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        cheng_yield();
        int64_t now = cheng_clock_ns();
        longest = now - last > longest ? now - last : longest;
        last = now;
    }
    return 0;
}

static int run_polite(const void *arg, void *result)
{
    (void)result;
    return cheng_run(NULL, yields, arg, 0);
}

TEST(names_the_hog_once)
{
    const cheng_duration limit = 50 * CHENG_MILLISECOND;
    cheng_task *greedy, *polite;
    const cheng_task_options named = { .name = "greedy" };
    cheng_set_incident_hook(note);
    assert_int_equal(cheng_watch(limit), 0);
    assert_int_equal(cheng_start(&polite, CHENG_THREAD, run_polite, NULL, 0, NULL), 0);
    assert_int_equal(cheng_start(&greedy, CHENG_COROUTINE, compute, NULL, 0, &named), 0);
    assert_int_equal(cheng_event_wait(&told), 0);
    assert_non_null(strstr(text, "greedy has run for "));
    assert_int_equal(cheng_sleep(3 * limit), 0); /* in which it could be named again */
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    cheng_join(greedy, NULL);
    cheng_join(polite, NULL);
    assert_int_equal(cheng_watch(0), 0);
    assert_int_equal(__atomic_load_n(&incidents, __ATOMIC_RELAXED), 1);
    printf("from one yield to the next at most %lld us\n", (long long)(longest / CHENG_MICROSECOND));
    if (longest < limit) /* else it may have been named, too */
        assert_int_equal(__atomic_load_n(&of_others, __ATOMIC_RELAXED), 0);
    cheng_task_free(greedy);
    cheng_task_free(polite);
}

static int hog_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_store_n(&hog, cheng_current(), __ATOMIC_RELAXED);
    while (!__atomic_load_n(&incidents, __ATOMIC_RELAXED) && !__atomic_load_n(&of_others, __ATOMIC_RELAXED))
        continue; /* the others: itself, before it said who it is */
    return 0;
}

TEST(sees_the_runtime_of_one_thread)
{
    cheng_set_incident_hook(note);
    assert_int_equal(cheng_watch(CHENG_MILLISECOND), 0);
    assert_int_equal(cheng_run(NULL, hog_within, NULL, 0), 0);
    assert_int_equal(cheng_watch(0), 0);
    assert_int_equal(cheng_watch(-1), -EINVAL);
}

static int sleeps(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_sleep(60 * CHENG_MILLISECOND);
}

/* Each time that it is named a busy machine may have stopped it before it slept; not ten times in a row. */
TEST(who_sleeps_is_no_hog)
{
    uint32_t before, after = 0;
    int attempts = 0;
    cheng_set_incident_hook(note);
    assert_int_equal(cheng_watch(2 * CHENG_MILLISECOND), 0);
    do {
        before = after;
        assert_int_equal(cheng_run(NULL, sleeps, NULL, 0), 0);
        after = __atomic_load_n(&of_others, __ATOMIC_RELAXED);
    } while (after != before && ++attempts < 10);
    assert_true(attempts < 10);
    assert_int_equal(cheng_watch(0), 0);
}
