/* Cases whose body is run under every interleaving that matters:
 *
 *     EXPLORED(two_lock_in_order)
 *     {
 *         … start tasks, join them, assert …
 *     }
 *
 * The library is explored from within: its tasks are switched inside its own calls. A case fails if anything is found,
 * and prints the report with its replay string. EXPLORED_WITH takes further options: EXPLORED_WITH(name, .spurious = 1).
 * Small cases end when every order has been run, the others after a budget: EXPLORED_SECONDS of one core, or 100,000
 * schedules in the long form. EXPLORED_ALL, which sees the library from outside as programs do, must see every order, in
 * a second. FINDS(kind, name) is a case in which a bug must be found, as a program sees it from outside: within 2,000
 * schedules and 0.1 s, by each of 100 seeds, and it must replay. */
#ifndef CHENG_TEST_EXPLORED_H
#define CHENG_TEST_EXPLORED_H

#include "unit/harness.h"

#include <errno.h>

#include <cheng.h>
#include <cheng/explore.h>

enum { EXPLORED_SECONDS = 1 };

void explored_run(cheng_explore_fn *body, cheng_explore_options options);
void explored_all(cheng_explore_fn *body, cheng_explore_options options);
void explored_find(enum cheng_finding expected, cheng_explore_fn *body, cheng_explore_options options);

#define EXPLORED(case) EXPLORED_WITH(case, .inside = true)
#define EXPLORED_WITH(case, ...)                                                                             \
    static void explored_##case (void *unused);                                                              \
    TEST(case)                                                                                               \
    {                                                                                                        \
        explored_run(explored_##case, (cheng_explore_options){ .name = #case, __VA_ARGS__ });                \
    }                                                                                                        \
    static void explored_##case (void *unused __attribute__((unused)))

#define EXPLORED_ALL(case)                                                                                   \
    static void explored_##case (void *unused);                                                              \
    TEST(case)                                                                                               \
    {                                                                                                        \
        explored_all(explored_##case, (cheng_explore_options){ .name = #case });                             \
    }                                                                                                        \
    static void explored_##case (void *unused __attribute__((unused)))

#define FINDS(kind, case)                                                                                    \
    static void explored_##case (void *unused);                                                              \
    TEST(case)                                                                                               \
    {                                                                                                        \
        explored_find(kind, explored_##case, (cheng_explore_options){ .name = #case });                      \
    }                                                                                                        \
    static void explored_##case (void *unused __attribute__((unused)))

/* A wake-up that was lost but for a time-out, which comes in its place, shows in the time. Fails if more than `most` has
 * passed since `began`, unless the scheduler has let a deadline pass while others could go on. */
void explored_within(int64_t began, cheng_duration most);

/* Starting and joining, for bodies. */
static inline cheng_task *start(enum cheng_kind kind, cheng_fn *function, long number)
{
    cheng_task *task;
    int rc = cheng_start(&task, kind, function, &number, sizeof number, NULL);
    assert_int_equal(rc, 0);
    return task;
}

static inline int finish(cheng_task *task)
{
    int status;
    assert_int_equal(cheng_join(task, &status), 0);
    cheng_task_free(task);
    return status;
}

/* The same of a task that is cancelled, and may not have begun: what stands for its status then. */
static inline int finish_cancelled(cheng_task *task, int not_begun)
{
    int status = finish(task);
    return status == -ECANCELED ? not_begun : status;
}

#endif
