/* Actors: a function that runs as a thread, as a coroutine of the default runtime, or as a coroutine in cheng_run
 * on a thread of its own. What a case of the matrix puts together, and most other tests use too. */
#ifndef CHENG_TEST_ACTORS_H
#define CHENG_TEST_ACTORS_H

#include <cheng.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "host/sanitize.h"
#include "park/lot.h"
#include "run/runner.h"
#include "unit/harness.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

enum place { IN_THREAD, IN_COROUTINE, IN_RUN, PLACES };
static const char *const place_names[] = { "thread", "coroutine", "cheng_run" };

struct actor {
    int (*function)(void *context);
    void *context;
    enum place place;
    cheng_task *handle; /* for IN_RUN the thread around it */
    cheng_task *self;   /* the task that runs the function: what to cancel. It stays until actor_join */
    cheng_event started;
};

static inline int actor_main(const void *argument, void *result)
{
    struct actor *actor = *(struct actor *const *)argument;
    (void)result;
    actor->self = cheng_current();
    cheng_event_set(&actor->started);
    return actor->function(actor->context);
}

static inline int actor_run_within(const void *argument, void *result)
{
    cheng_task *inner;
    int status = 0;
    (void)result;
    assert_int_equal(cheng_start(&inner, CHENG_COROUTINE, actor_main, argument, sizeof(struct actor *), NULL),
                     0);
    assert_int_equal(cheng_join(inner, &status), 0);
    return status; /* the handle is freed by actor_join */
}

static inline int actor_run_main(const void *argument, void *result)
{
    int status = 0;
    (void)result;
    assert_int_equal(cheng_run(&status, actor_run_within, argument, sizeof(struct actor *)), 0);
    return status;
}

/* Starts it and waits until it runs. The actor must stay until actor_join. */
static inline void actor_start(struct actor *actor, enum place place, int (*function)(void *context),
                               void *context)
{
    *actor = (struct actor){ .function = function, .context = context, .place = place };
    assert_int_equal(cheng_start(&actor->handle, place == IN_COROUTINE ? CHENG_COROUTINE : CHENG_THREAD,
                                 place == IN_RUN ? actor_run_main : actor_main, &actor, sizeof actor, NULL),
                     0);
    assert_int_equal(cheng_event_wait(&actor->started), 0);
}

/* Returns the function's status. */
static inline int actor_join(struct actor *actor)
{
    int status = 0;
    assert_int_equal(cheng_join(actor->handle, &status), 0);
    cheng_task_free(actor->handle);
    if (actor->self != actor->handle)
        cheng_task_free(actor->self);
    return status;
}

/* What the function gives in that place, and in every place. */
static inline int run_in(enum place place, int (*function)(void *context))
{
    struct actor actor;
    actor_start(&actor, place, function, NULL);
    return actor_join(&actor);
}

static inline void everybody_finds(int (*function)(void *context), int status)
{
    for (enum place place = 0; place < PLACES; place++)
        assert_int_equal(run_in(place, function), status);
}

/* The wait of this kind is published: the task sleeps, or is about to, but may still look for a deadlock. */
static inline bool task_waits(const cheng_task *task, enum wait_kind kind)
{
    return __atomic_load_n(&task->why.kind, __ATOMIC_RELAXED) == kind &&
           (__atomic_load_n(&task->wake, __ATOMIC_ACQUIRE) & CHENGI_OUTCOME) == CHENGI_WAITING;
}

/* It waits in the queue of its word, so that who comes now comes later; or for what has no such queue. */
static inline bool task_is_queued(const cheng_task *task, enum wait_kind kind)
{
    uint32_t *word = task_waits(task, kind) ? __atomic_load_n(&task->word, __ATOMIC_ACQUIRE) : NULL;
    if (word == NULL)
        return task_waits(task, kind);
    struct bucket *bucket = chengi_lot_lock(word);
    bool queued = task_waits(task, kind) && task->waiter->next != NULL;
    chengi_lot_unlock(bucket);
    return queued;
}

static inline void wait_until_blocked(const cheng_task *task, enum wait_kind kind)
{
    while (!task_is_queued(task, kind))
        cheng_yield();
}

/* ---- random numbers, each actor its own (splitmix64) ---- */

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline unsigned random_below(uint64_t *state, unsigned n)
{
    return (unsigned)(next_random(state) % n);
}

/* ---- what tools can bear ---- */

/* A count, divided where a tool makes each step many times slower. */
static inline unsigned scaled(unsigned count)
{
    unsigned by = 1;
#if defined(CHENGI_TSAN) || defined(CHENGI_ASAN)
    by = 8;
#endif
    if (RUNNING_ON_VALGRIND)
        by = 20;
    return count / by > 0 ? count / by : 1;
}

/* Coroutines at the same time: ThreadSanitizer's fibers, AddressSanitizer's root regions (searched one after the
 * other) and Valgrind's stacks (a list) are made for hundreds, not for 100,000. */
static inline unsigned coroutines_at_most(unsigned count)
{
    unsigned most = count;
#if defined(CHENGI_TSAN)
    most = 2000;
#elif defined(CHENGI_ASAN)
    most = 4000;
#endif
    if (RUNNING_ON_VALGRIND)
        most = 500;
    return count < most ? count : most;
}

/* Whether times mean anything. */
static inline bool slowed_down(void)
{
    return scaled(1000) != 1000;
}

#endif
