/* Park and unpark themselves, on one word. */
#include "explore/explored.h"

#include <errno.h>

#include "park/park.h"

static uint32_t word;
static int data;
static const struct why why = { CHENGI_WAIT_EVENT, &word, NULL };

/* Returns what its last park returned. */
static int park(const void *arg, void *result)
{
    long patience = *(const long *)arg;
    int64_t deadline_ns = patience == 0 ? 0 : cheng_after(patience).at_ns;
    int rc = 0;
    (void)result;
    while (rc == 0 && __atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0)
        rc = chengi_park(&word, 0, deadline_ns, &why, 0);
    if (rc == 0)
        assert_int_equal(data, 42);
    return -rc;
}

static void release(void)
{
    data = 42;
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
}

EXPLORED_WITH(one_thread, .inside = true, .strategy = CHENG_EXPLORE_ALL)
{
    cheng_task *a = start(CHENG_THREAD, park, 0);
    release();
    chengi_unpark(&word, 1);
    assert_int_equal(finish(a), 0);
}

/* Who leaves has consumed no wake: of two wakes of one each the other one gets his. */
static void one_leaves(enum cheng_kind leaves, enum cheng_kind stays, long patience)
{
    cheng_task *a = start(leaves, park, patience), *b = start(stays, park, 0);
    if (patience == 0)
        cheng_cancel(a);
    release();
    chengi_unpark(&word, 1);
    int rc = finish_cancelled(a, ECANCELED);
    if (rc == 0)
        chengi_unpark(&word, 1);
    else
        assert_int_equal(rc, patience == 0 ? ECANCELED : ETIMEDOUT);
    assert_int_equal(finish(b), 0);
    assert_int_equal(chengi_unpark(&word, UINT32_MAX), 0); /* nobody was left in the lot */
}

EXPLORED(a_time_out)
{
    one_leaves(CHENG_THREAD, CHENG_THREAD, 1000000);
}

EXPLORED(a_time_out_of_a_coroutine)
{
    one_leaves(CHENG_COROUTINE, CHENG_COROUTINE, 1000000);
}

EXPLORED_WITH(a_cancel, .inside = true, .spurious = 1)
{
    one_leaves(CHENG_THREAD, CHENG_COROUTINE, 0);
}

/* What `decide` is told is true: a word that says that nobody waits has nobody who waits. The word counts down. */
enum { PARKED = 1, FREE = 0, HELD = 2 };

static int take(const void *arg, void *result)
{
    uint32_t seen = __atomic_load_n(&word, __ATOMIC_RELAXED);
    (void)arg, (void)result;
    for (;;) {
        if (!(seen & HELD)) {
            if (__atomic_compare_exchange_n(&word, &seen, seen | HELD, false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED))
                return 0;
        } else if ((seen & PARKED) || __atomic_compare_exchange_n(&word, &seen, seen | PARKED, false,
                                                                  __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            assert_int_equal(chengi_park(&word, HELD | PARKED, 0, &why, CHENGI_PARK_FRONT), 0);
            seen = __atomic_load_n(&word, __ATOMIC_RELAXED);
        }
    }
}

static void leave_free(void *context, bool woken, bool more)
{
    (void)context, (void)woken;
    __atomic_store_n(&word, more ? PARKED : FREE, __ATOMIC_RELEASE);
}

static int take_and_give(const void *arg, void *result)
{
    uint32_t held = HELD;
    take(arg, result);
    data++;
    if (!__atomic_compare_exchange_n(&word, &held, FREE, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        chengi_unpark_one(&word, leave_free, NULL);
    return 0;
}

EXPLORED(one_by_one)
{
    cheng_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = start(i == 0 ? CHENG_COROUTINE : CHENG_THREAD, take_and_give, 0);
    for (int i = 0; i < 3; i++)
        finish(tasks[i]);
    assert_int_equal(data, 3);
    assert_int_equal(word, FREE);
}
