/* The order in which a loop's coroutines go on. */
#include "unit/actors.h"

static cheng_loop *loop;
static char order[64];
static int count;

static int note(const void *arg, void *result)
{
    (void)result;
    order[count++] = *(const char *)arg;
    return 0;
}

static int note_twice(const void *arg, void *result)
{
    note(arg, result);
    cheng_yield();
    return note(arg, result);
}

static void add(cheng_fn *function, char name, int64_t rank)
{
    const cheng_task_options options = { .loop = loop, .rank = rank };
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, function, &name, 1, &options), 0);
}

static void new_loop(const cheng_policy *policy)
{
    assert_int_equal(cheng_loop_new(&loop, &(cheng_loop_options){ .policy = policy }), 0);
}

static void finish(const char *expected)
{
    assert_int_equal(cheng_loop_run(loop), 0);
    assert_string_equal(order, expected);
    assert_int_equal(cheng_loop_free(loop), 0);
}

/* The same tasks, in each order. */
static void add_four(void)
{
    add(note_twice, 'a', 3);
    add(note_twice, 'b', 0);
    add(note_twice, 'c', -1);
    add(note_twice, 'd', 3);
}

TEST(fifo)
{
    new_loop(NULL);
    add_four();
    finish("abcdabcd");
}

TEST(lifo)
{
    new_loop(cheng_policy_lifo());
    add_four();
    finish("ddccbbaa");
}

TEST(priority)
{
    new_loop(cheng_policy_priority());
    add_four();
    finish("ccbbadad"); /* equal ones by turns */
}

TEST(deadline)
{
    new_loop(cheng_policy_deadline());
    add_four();
    finish("ccadadbb"); /* no deadline: last */
}

static int change_rank(const void *arg, void *result)
{
    assert_int_equal(cheng_task_rank(cheng_current()), 1);
    note(arg, result);
    cheng_set_rank(9);
    cheng_yield();
    return note(arg, result);
}

TEST(a_task_changes_its_rank)
{
    new_loop(cheng_policy_priority());
    add(change_rank, 'a', 1);
    add(note_twice, 'b', 2);
    finish("abba");
}

static cheng_event event;

static int wait_and_note(const void *arg, void *result)
{
    assert_int_equal(cheng_event_wait(&event), 0);
    return note(arg, result);
}

static int set_and_note(const void *arg, void *result)
{
    cheng_event_set(&event);
    cheng_yield();
    return note(arg, result);
}

/* Those that are woken, and those whose time has come, are put in order too. */
TEST(the_woken_are_ordered)
{
    new_loop(cheng_policy_priority());
    add(wait_and_note, 'c', 3);
    add(wait_and_note, 'a', 1);
    add(wait_and_note, 'b', 2);
    add(set_and_note, 'd', 4);
    finish("abcd");
}

static cheng_deadline due;

static int sleep_and_note(const void *arg, void *result)
{
    assert_int_equal(cheng_sleep_until(due), 0);
    return note(arg, result);
}

TEST(sleepers_are_ordered)
{
    new_loop(cheng_policy_priority());
    due = cheng_after(50 * CHENG_MILLISECOND); /* one for both, so that no look finds the first alone */
    add(sleep_and_note, 'b', 2);
    add(sleep_and_note, 'a', 1);
    int rc = cheng_loop_run_until(loop, CHENG_NOW);
    assert_true(rc == -EAGAIN || cheng_clock_ns() >= due.at_ns); /* a machine may have stopped as a whole */
    while (cheng_clock_ns() < due.at_ns + CHENG_MILLISECOND)
        continue; /* both are due at the next look */
    finish("ab");
}

/* A round has as many turns as coroutines could go on when it began, whoever gets them. */
TEST(rounds)
{
    new_loop(cheng_policy_lifo());
    add_four();
    assert_int_equal(cheng_loop_run_once(loop), -EBUSY);
    assert_string_equal(order, "ddcc");
    assert_int_equal(cheng_loop_run_once(loop), -EBUSY);
    assert_string_equal(order, "ddccbb");
    finish("ddccbbaa");
}

static int spin(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (!cheng_cancelled())
        cheng_yield();
    return 0;
}

/* A busy loop with a policy looks around as others do: its deadline, its inbox, its timers. */
TEST(the_busy_look_around)
{
    cheng_task *busy;
    new_loop(cheng_policy_lifo());
    assert_int_equal(
        cheng_start(&busy, CHENG_COROUTINE, spin, NULL, 0, &(cheng_task_options){ .loop = loop }), 0);
    due = cheng_after(50 * CHENG_MILLISECOND);
    add(sleep_and_note, 'a', 0);
    while (count == 0) /* else it is timed out */
        assert_int_equal(cheng_loop_run_until(loop, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    cheng_cancel(busy);
    finish("a");
    cheng_task_free(busy);
}

static int64_t last;

static int ascending(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 3; i++) {
        int64_t rank = cheng_task_rank(cheng_current());
        assert_true(rank >= last);
        last = rank;
        cheng_set_rank(rank + 1 + rand() % 1000);
        cheng_yield();
    }
    return 0;
}

TEST(a_heap_of_many)
{
    srand((unsigned)test_seed());
    new_loop(cheng_policy_priority());
    for (int i = 0; i < 2000; i++)
        add(ascending, 'x', 1 + rand() % 5000);
    finish("");
}

/* ---- a program's own: by turns from two lists, the odd ranks and the even ---- */

struct turns {
    cheng_task *first[2], *last[2];
    bool odd;
};

static void turns_push(void *ready, cheng_task *task)
{
    struct turns *turns = ready;
    int which = (int)(cheng_task_rank(task) & 1);
    *cheng_policy_link(task) = NULL;
    if (turns->first[which] == NULL)
        turns->first[which] = task;
    else
        *cheng_policy_link(turns->last[which]) = task;
    turns->last[which] = task;
}

static cheng_task *turns_pop(void *ready)
{
    struct turns *turns = ready;
    turns->odd = !turns->odd;
    int which = turns->first[turns->odd] != NULL ? turns->odd : !turns->odd;
    cheng_task *task = turns->first[which];
    if (task != NULL)
        turns->first[which] = *cheng_policy_link(task);
    return task;
}

TEST(a_policy_of_ones_own)
{
    const cheng_policy policy = { sizeof(struct turns), turns_push, turns_pop };
    new_loop(&policy);
    add(note, 'a', 0);
    add(note, 'b', 0);
    add(note, 'c', 1);
    add(note, 'd', 1);
    finish("cadb");
}

TEST(a_policy_has_its_functions)
{
    const cheng_policy none = { .size = 8 }, half = { .push = turns_push };
    loop = NULL;
    assert_int_equal(cheng_loop_new(&loop, &(cheng_loop_options){ .policy = &none }), -EINVAL);
    assert_int_equal(cheng_loop_new(&loop, &(cheng_loop_options){ .policy = &half }), -EINVAL);
    assert_null(loop);
}
