#include "explore/explored.h"

#include <string.h>
#include <time.h>

#include "host/explore/engine.h"

enum { ATTEMPTS = 5 }; /* at a measurement: a machine may have stopped as a whole, and counts that as ours */

/* Of the processor: not of others that use it. */
static double seconds_since(clock_t began)
{
    return (double)(clock() - began) / CLOCKS_PER_SEC;
}

static cheng_explore_result explore(cheng_explore_fn *body, cheng_explore_options options)
{
    cheng_explore_result result;
    options.result = &result;
    enum cheng_finding finding = cheng_explore(body, NULL, &options);
    printf("%s: %llu schedules%s, %.2f s\n", options.name, (unsigned long long)result.schedules,
           result.complete ? ", all there are" : "", result.seconds);
    assert_int_equal(finding, CHENG_FOUND_NOTHING);
    assert_true(result.schedules > 0);
    return result;
}

void explored_run(cheng_explore_fn *body, cheng_explore_options options)
{
    if (options.schedules == 0)
        options.schedules = test_long() ? 100000 : 1000000;
    if (options.time == 0)
        options.time = test_long() ? 600 * CHENG_SECOND : EXPLORED_SECONDS * CHENG_SECOND;
    explore(body, options);
}

void explored_all(cheng_explore_fn *body, cheng_explore_options options)
{
    options.strategy = CHENG_EXPLORE_ALL;
    options.schedules = 1000000;
    options.time = 100 * CHENG_SECOND;
    double seconds = 2;
    for (int attempt = 0; attempt < ATTEMPTS && seconds > 1; attempt++) {
        clock_t began = clock();
        assert_true(explore(body, options).complete);
        seconds = seconds_since(began);
    }
    assert_true(seconds <= 1);
}

void explored_find(enum cheng_finding expected, cheng_explore_fn *body, cheng_explore_options options)
{
    enum { SEEDS = 100, SCHEDULES = 2000 };
    cheng_explore_result result = { 0 };
    unsigned long long most = 0, sum = 0;
    double slowest = 0;
    options.result = &result;
    options.schedules = SCHEDULES;
    options.quiet = true;
    for (options.seed = 1; options.seed <= SEEDS; options.seed++) {
        double seconds = 1;
        for (int attempt = 0; attempt < ATTEMPTS && seconds > 0.1; attempt++) {
            clock_t began = clock();
            assert_int_equal(cheng_explore(body, NULL, &options), expected);
            seconds = seconds_since(began);
        }
        assert_true(result.replays);
        most = result.schedules > most ? result.schedules : most;
        sum += result.schedules;
        slowest = seconds > slowest ? seconds : slowest;
    }
    printf(
        "%s: found by each of %d seeds, after %llu schedules (at most %llu), at most %.3f s with the shortening\n",
        options.name, SEEDS, sum / SEEDS, most, slowest);
    assert_true(slowest <= 0.1);
    setenv("CHENG_REPLAY", result.replay, 1); /* what the report says can be done */
    assert_int_equal(cheng_explore(body, NULL, &options), expected);
}

void explored_within(int64_t began, cheng_duration most)
{
    assert_true(chengi_engine.early > 0 || cheng_clock_ns() - began <= most);
}
