/* Small programs in which a bug is easily missed though every order seems to be seen, and correct ones that are easily
 * accused: spinning, yields, single bytes, the end of the process (docs/reviews/2026-11-22-explore.md). */
#include "explore/explored.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ready, word, gave_up;

static void both(cheng_fn *first, cheng_fn *second)
{
    cheng_task *a = start(CHENG_THREAD, first, 0), *b = start(CHENG_THREAD, second, 1);
    finish(a);
    finish(b);
}

static void wait_for(const int *flag)
{
    while (!__atomic_load_n(flag, __ATOMIC_SEQ_CST))
        continue;
}

/* ---- a spin lock by exchange: it writes all the time, and changes nothing ---- */

static unsigned char spin_lock;
static int count;

static int add_spinning(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (__atomic_exchange_n(&spin_lock, 1, __ATOMIC_ACQUIRE))
        continue;
    count++;
    __atomic_store_n(&spin_lock, 0, __ATOMIC_RELEASE);
    return 0;
}

EXPLORED_ALL(spin_lock_by_exchange)
{
    both(add_spinning, add_spinning);
    assert_int_equal(count, 2);
}

EXPLORED_WITH(spin_lock_by_lot, .strategy = CHENG_EXPLORE_PCT, .schedules = 10000)
{
    both(add_spinning, add_spinning);
}

/* ---- memcpy as newer compilers call it ---- */

void *__tsan_memcpy(void *to, const void *from, size_t size);
static int copied;

static int copy_into(const void *arg, void *result)
{
    (void)result;
    __tsan_memcpy(&copied, arg, sizeof copied);
    return 0;
}

FINDS(CHENG_FOUND_RACE, memcpy_as_clang_15_calls_it)
{
    both(copy_into, copy_into);
}

/* ---- a yield may come back at once ---- */

static int store_twice(const void *arg, void *result)
{
    (void)arg, (void)result;
    wait_for(&ready);
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    cheng_yield();
    __atomic_store_n(&word, 2, __ATOMIC_SEQ_CST);
    return 0;
}

static int look_once(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
    assert_int_not_equal(__atomic_load_n(&word, __ATOMIC_SEQ_CST), 2);
    return 0;
}

FINDS(CHENG_FOUND_FAILURE, yield_that_comes_back)
{
    both(store_twice, look_once);
}

/* ---- who looks fifty times and then gives up has not waited for ever ---- */

static int look_fifty_times(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 50; i++)
        if (__atomic_load_n(&word, __ATOMIC_SEQ_CST))
            return 0;
    __atomic_store_n(&gave_up, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static int answer_late(const void *arg, void *result)
{
    (void)arg, (void)result;
    wait_for(&ready);
    assert_int_equal(__atomic_load_n(&gave_up, __ATOMIC_SEQ_CST), 0);
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    return 0;
}

FINDS(CHENG_FOUND_FAILURE, bounded_spin)
{
    both(look_fifty_times, answer_late);
}

/* ---- eight bytes, written one by one, are eight accesses to one granule ---- */

static char text[8];

static int write_text(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (volatile int i = 0; i < 8; i++)
        text[i] = (char)i;
    __atomic_store_n(&ready, 1, __ATOMIC_RELAXED);
    return 0;
}

static int read_byte(const void *arg, void *result)
{
    (void)arg, (void)result;
    if (__atomic_load_n(&ready, __ATOMIC_RELAXED))
        assert_int_equal(text[6], 6);
    return 0;
}

FINDS(CHENG_FOUND_RACE, one_byte_of_eight)
{
    both(write_text, read_byte);
}

/* ---- the last bytes of a block; large blocks; the end without cleaning up ---- */

FINDS(CHENG_FOUND_OUT_OF_BOUNDS, written_past_ten_bytes)
{
    volatile size_t end = 10;
    volatile char *bytes = malloc(10);
    bytes[end] = 1;
    free((void *)bytes);
}

EXPLORED_WITH(large_block, .schedules = 100)
{
    volatile char *bytes = malloc(4 << 20);
    bytes[5] = 1;
    free((void *)bytes);
}

FINDS(CHENG_FOUND_FAILURE, exit_at_once)
{
    _Exit(1);
}

/* ---- a deadline that passes just before the wake ---- */

static cheng_event event;

static int wait_a_while(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
    assert_int_equal(cheng_event_wait_until(&event, cheng_after(CHENG_SECOND)), 0);
    return 0;
}

static int set_late(const void *arg, void *result)
{
    (void)arg, (void)result;
    wait_for(&ready);
    cheng_event_set(&event);
    return 0;
}

static void set_and_wait(void *unused)
{
    (void)unused;
    both(wait_a_while, set_late);
}

TEST(deadline_before_the_wake)
{
    cheng_explore_options options = { .strategy = CHENG_EXPLORE_ALL, .quiet = true };
    assert_int_equal(cheng_explore(set_and_wait, NULL, &options), CHENG_FOUND_FAILURE);
}

/* ---- what is told is the shortest, however it was found ---- */

static int add_one(const void *arg, void *result)
{
    (void)arg, (void)result;
    word = word + 1;
    return 0;
}

static void add_two(void *unused)
{
    (void)unused;
    both(add_one, add_one);
    assert_int_equal(word, 2);
}

TEST(the_shortest_schedule)
{
    cheng_explore_result result;
    cheng_explore_options options = { .races = true, .quiet = true, .result = &result };
    for (options.seed = 1; options.seed <= 20; options.seed++) {
        assert_int_equal(cheng_explore(add_two, NULL, &options), CHENG_FOUND_FAILURE);
        assert_int_equal(result.departures, 1);
    }
}

/* ---- what is wrong within a call is told with the line that calls ---- */

static cheng_lock *freed_lock;

static int take_freed(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_lock_acquire(freed_lock);
    return 0;
}

static void free_and_take(void *unused)
{
    (void)unused;
    freed_lock = calloc(1, sizeof *freed_lock);
    free(freed_lock);
    finish(start(CHENG_THREAD, take_freed, 0));
}

TEST(whose_call_it_is)
{
    char path[PATH_MAX], report[4096];
    test_scratch_path(path, sizeof path);
    int saved = dup(2), file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && file >= 0 && dup2(file, 2) == 2);
    enum cheng_finding finding = cheng_explore(free_and_take, NULL, NULL);
    dup2(saved, 2);
    ssize_t length = pread(file, report, sizeof report - 1, 0);
    assert_true(length > 0);
    report[length] = '\0';
    assert_int_equal(finding, CHENG_FOUND_USE_AFTER_FREE);
    assert_non_null(strstr(report, "\n  in cheng_lock_acquire at "));
    assert_non_null(strstr(report, "test_findings.c"));
    close(saved);
    close(file);
}

/* ---- an option that says nothing is not taken for another ---- */

TEST(options_of_the_environment)
{
    static const char *const wrong[] = { "seconds=0.5", "schedules=", "schedules", "strategy=best",
                                         "sedes=1" };
    cheng_explore_options options = { .quiet = true };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("CHENG_EXPLORE", wrong[i], 1);
        assert_int_equal(cheng_explore(add_two, NULL, &options), CHENG_EXPLORE_ERROR);
    }
    setenv("CHENG_EXPLORE", "seconds=1,schedules=20 strategy=all", 1);
    assert_int_equal(cheng_explore(add_two, NULL, &options), CHENG_FOUND_RACE);
}
