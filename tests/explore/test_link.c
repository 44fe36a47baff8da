/* What is called when a task ends, from within: linking, unlinking and the end at the same time. */
#include "explore/explored.h"

static int done, calls, told;

static int work(const void *arg, void *result)
{
    (void)result;
    done = 42;
    return (int)*(const long *)arg;
}

static void note(cheng_task *task, int status, void *context)
{
    (void)task;
    assert_int_equal(done, 42);                        /* not atomic: the end orders, whoever calls */
    __atomic_store_n(&told, status, __ATOMIC_RELAXED); /* after the end, two may call at the same time */
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    if (context != NULL)
        cheng_event_set(context);
}

static void reset(void)
{
    done = calls = told = 0;
}

/* Called once, by the one or the other, and before the join returns. */
static void link_one(enum cheng_kind kind)
{
    cheng_link link = { .call = note };
    reset();
    cheng_task *task = start(kind, work, 5);
    cheng_task_link(task, &link);
    assert_int_equal(finish(task), 5);
    assert_int_equal(calls, 1);
    assert_int_equal(told, 5);
}

EXPLORED(a_thread)
{
    link_one(CHENG_THREAD);
}

EXPLORED(a_coroutine)
{
    link_one(CHENG_COROUTINE);
}

static cheng_task *linked;
static cheng_link links[2];

static int link_second(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_task_link(linked, &links[1]);
    return 0;
}

/* Each of two is called once, or taken away. */
EXPLORED(two_link_and_one_unlinks)
{
    cheng_event called = { 0 };
    reset();
    links[0] = (cheng_link){ .call = note };
    links[1] = (cheng_link){ .call = note, .context = &called };
    linked = start(CHENG_COROUTINE, work, 5);
    cheng_task *b = start(CHENG_THREAD, link_second, 0);
    cheng_task_link(linked, &links[0]);
    bool taken = cheng_task_unlink(linked, &links[0]);
    assert_int_equal(cheng_event_wait(&called), 0);
    finish(b);
    assert_int_equal(finish(linked), 5);
    assert_int_equal(calls, taken ? 1 : 2);
}

static cheng_lock lock;
static int held;

static void take_the_lock(cheng_task *task, int status, void *context)
{
    (void)task, (void)status, (void)context;
    cheng_lock_acquire(&lock);
    held++;
    assert_int_equal(cheng_lock_release(&lock), 0);
}

/* Who links late has it called by a task whose words are stale already. */
EXPLORED(what_takes_a_lock)
{
    cheng_link link = { .call = take_the_lock };
    reset();
    cheng_task *task = start(CHENG_THREAD, work, 5);
    cheng_task_link(task, &link);
    cheng_lock_acquire(&lock);
    held++;
    assert_int_equal(cheng_lock_release(&lock), 0);
    assert_int_equal(finish(task), 5);
    assert_int_equal(held, 2);
    assert_false(cheng_lock_locked(&lock));
    held = 0;
}
