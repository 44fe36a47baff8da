/* The watchdog names a coroutine that keeps its worker for itself, and nobody else. */
#include "unit/harness.h"

#include <cheng.h>

#include <errno.h>
#include <string.h>

static cheng_event told;
static char text[160];
static cheng_task *hog;
static const void *object; /* by the incident; read after the event */
static uint32_t incidents, stop;

static void note(const cheng_incident *incident)
{
    assert_int_equal(incident->kind, CHENG_HOG);
    assert_int_equal(incident->error, -EBUSY);
    __atomic_store_n(&object, incident->object, __ATOMIC_RELAXED);
    snprintf(text, sizeof text, "%s", incident->report);
    __atomic_add_fetch(&incidents, 1, __ATOMIC_RELAXED);
    cheng_event_set(&told);
}

static int compute(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        continue;
    return 0;
}

static int yields(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        cheng_yield();
    return 0;
}

TEST(names_the_hog_once) // serial: two others compute meanwhile
{
    cheng_task *polite;
    const cheng_task_options named = { .name = "greedy" };
    cheng_set_incident_hook(note);
    assert_int_equal(cheng_watch(20 * CHENG_MILLISECOND), 0);
    assert_int_equal(cheng_start(&polite, CHENG_COROUTINE, yields, NULL, 0, NULL), 0);
    assert_int_equal(cheng_start(&hog, CHENG_COROUTINE, compute, NULL, 0, &named), 0);
    assert_int_equal(cheng_event_wait_until(&told, cheng_after(10 * CHENG_SECOND)), 0);
    assert_non_null(strstr(text, "greedy has run for "));
    assert_ptr_equal(object, hog);
    assert_int_equal(cheng_sleep(100 * CHENG_MILLISECOND), 0);
    assert_int_equal(__atomic_load_n(&incidents, __ATOMIC_RELAXED), 1); /* and not again, and not the other */
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    cheng_join(hog, NULL);
    cheng_join(polite, NULL);
    cheng_task_free(hog);
    cheng_task_free(polite);
    assert_int_equal(cheng_watch(0), 0);
}

static int hog_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    hog = cheng_current();
    while (!__atomic_load_n(&incidents, __ATOMIC_RELAXED))
        continue;
    assert_ptr_equal(__atomic_load_n(&object, __ATOMIC_RELAXED), hog);
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

TEST(who_sleeps_is_no_hog)
{
    cheng_set_incident_hook(note);
    assert_int_equal(cheng_watch(2 * CHENG_MILLISECOND), 0);
    assert_int_equal(cheng_run(NULL, sleeps, NULL, 0), 0);
    assert_int_equal(incidents, 0);
    assert_int_equal(cheng_watch(0), 0);
}
