/* Coroutines that pass control by hand, and generators: as greenlet and yield have it. */
#include "unit/harness.h"

#include <cheng.h>

#include <errno.h>
#include <string.h>

static char order[64]; /* who ran when */

static void say(char c)
{
    size_t n = strlen(order);
    assert_true(n + 1 < sizeof order);
    order[n] = c;
}

static cheng_coroutine *make(cheng_coroutine_fn *function, void *arg)
{
    cheng_coroutine *made;
    assert_int_equal(cheng_coroutine_new(&made, function, arg, NULL), 0);
    return made;
}

static void *number(intptr_t n)
{
    return (void *)n;
}

/* ---- switching ---- */

static cheng_coroutine *one, *two;

static int first(void *arg, void *value, void **result)
{
    void *back;
    (void)arg;
    assert_ptr_equal(value, number(1));
    say('a');
    assert_int_equal(cheng_coroutine_switch(two, number(2), &back), 0);
    assert_ptr_equal(back, number(3));
    say('c');
    *result = number(4);
    return 0;
}

static int second(void *arg, void *value, void **result)
{
    (void)arg, (void)result;
    assert_ptr_equal(value, number(2));
    say('b');
    int rc = cheng_coroutine_switch(one, number(3), NULL);
    assert_int_equal(rc, -ECANCELED); /* nobody comes back but the end of the task */
    say('x');
    return rc;
}

static int switch_around(const void *arg, void *result)
{
    void *out;
    (void)arg, (void)result;
    one = make(first, NULL);
    two = make(second, NULL);
    assert_ptr_equal(cheng_coroutine_parent(one), cheng_coroutine_current());
    assert_false(cheng_coroutine_is_active(one) || cheng_coroutine_is_dead(one));
    assert_int_equal(cheng_coroutine_switch(one, number(1), &out), 0);
    assert_string_equal(order, "abc");
    assert_ptr_equal(out, number(4)); /* the end goes to the parent, not to who switched there last */
    assert_true(cheng_coroutine_is_dead(one) && cheng_coroutine_is_active(two));
    assert_non_null(strstr(cheng_coroutine_where(two), "test_coroutine.c:"));
    assert_null(cheng_coroutine_where(one));
    assert_int_equal(cheng_coroutine_switch(one, number(5), &out),
                     0); /* the dead pass it on to their parent */
    assert_ptr_equal(out, number(5));
    assert_int_equal(cheng_coroutine_switch(cheng_coroutine_current(), number(6), &out), 0);
    assert_ptr_equal(out, number(6));
    assert_int_equal(cheng_coroutine_free(one), 0);
    return 0;
}

static void in_each_kind(cheng_fn *function, void (*after)(void))
{
    static const enum cheng_kind kinds[] = { CHENG_THREAD, CHENG_COROUTINE };
    for (int i = 0; i < 2; i++) {
        cheng_task *task;
        memset(order, 0, sizeof order);
        assert_int_equal(cheng_start(&task, kinds[i], function, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
        after();
    }
}

/* The second ended with its task; the handle is still ours. */
static void free_second(void)
{
    assert_string_equal(order, "abcx");
    assert_true(cheng_coroutine_is_dead(two));
    assert_int_equal(cheng_coroutine_free(two), 0);
}

TEST(values_are_passed_and_the_end_goes_to_the_parent)
{
    in_each_kind(switch_around, free_second);
}

/* ---- throwing ---- */

static int fails(void *arg, void *value, void **result)
{
    void *out;
    (void)arg, (void)value, (void)result;
    int rc = cheng_coroutine_switch(cheng_coroutine_parent(cheng_coroutine_current()), number(1), &out);
    assert_null(rc < 0 ? out : NULL);
    return rc < 0 ? rc : -EIO;
}

TEST(a_failure_goes_to_the_parent)
{
    void *out = number(9);
    cheng_coroutine *c = make(fails, NULL);
    assert_int_equal(cheng_coroutine_switch(c, NULL, NULL), 0);
    assert_int_equal(cheng_coroutine_switch(c, NULL, &out), -EIO);
    assert_null(out);
    assert_true(cheng_coroutine_is_dead(c));
    assert_int_equal(cheng_coroutine_free(c), 0);
}

TEST(what_is_thrown_comes_out_of_its_switch)
{
    cheng_coroutine *c = make(fails, NULL);
    assert_int_equal(cheng_coroutine_switch(c, NULL, NULL), 0);
    assert_int_equal(cheng_coroutine_throw(c, -ENOENT, NULL), -ENOENT);
    assert_true(cheng_coroutine_is_dead(c));
    assert_int_equal(cheng_coroutine_throw(c, -ENOENT, NULL), -ENOENT); /* the dead pass it on: to us */
    assert_int_equal(cheng_coroutine_throw(c, 1, NULL), -EINVAL);
    assert_int_equal(cheng_coroutine_free(c), 0);
}

TEST(to_be_told_to_end_is_no_failure)
{
    void *out = number(9);
    cheng_coroutine *c = make(fails, NULL);
    assert_int_equal(cheng_coroutine_switch(c, NULL, NULL), 0);
    assert_int_equal(cheng_coroutine_throw(c, -ECANCELED, &out), 0);
    assert_null(out);
    assert_int_equal(cheng_coroutine_free(c), 0);
}

static int takes_42(void *arg, void *value, void **result)
{
    (void)arg;
    assert_ptr_equal(value, number(42));
    *result = number(43);
    return 0;
}

static int gives_42(void *arg, void *value, void **result)
{
    (void)arg, (void)value;
    *result = number(42);
    return 0;
}

TEST(the_end_goes_to_a_parent_that_has_not_begun)
{
    void *out;
    cheng_coroutine *parent = make(takes_42, NULL), *child;
    assert_int_equal(
        cheng_coroutine_new(&child, gives_42, NULL, &(cheng_coroutine_options){ .parent = parent }), 0);
    assert_int_equal(cheng_coroutine_switch(child, NULL, &out), 0);
    assert_ptr_equal(out, number(43));
    assert_int_equal(cheng_coroutine_free(child), 0);
    assert_int_equal(cheng_coroutine_free(parent), 0);
}

TEST(one_that_has_not_begun_dies_of_what_is_thrown)
{
    cheng_coroutine *c = make(fails, NULL), *child;
    cheng_coroutine_options options = { .parent = c };
    assert_int_equal(cheng_coroutine_new(&child, fails, NULL, &options), 0);
    assert_int_equal(cheng_coroutine_throw(child, -ENOENT, NULL), -ENOENT); /* and so does its parent */
    assert_true(cheng_coroutine_is_dead(child) && cheng_coroutine_is_dead(c));
    assert_int_equal(cheng_coroutine_free(c), 0);
    assert_ptr_equal(cheng_coroutine_parent(child), cheng_coroutine_current());
    assert_int_equal(cheng_coroutine_free(child), 0);
}

/* ---- parents, strangers ---- */

static int adds_ten(void *arg, void *value, void **result)
{
    (void)arg, (void)result;
    int rc;
    while ((rc = cheng_generator_yield(number((intptr_t)value + 10), &value)) == 0)
        continue;
    return rc;
}

static int ends_at_once(void *arg, void *value, void **result)
{
    (void)arg;
    *result = value;
    return 0;
}

/* What is passed to one that is dead goes to the nearest of its ancestors that lives. */
TEST(the_nearest_living_ancestor)
{
    void *out;
    cheng_coroutine *parent = make(adds_ten, NULL), *child;
    cheng_coroutine_options options = { .parent = parent };
    assert_int_equal(cheng_coroutine_switch(parent, number(1), &out), 0);
    assert_ptr_equal(out, number(11));
    assert_int_equal(cheng_coroutine_new(&child, ends_at_once, NULL, &options), 0);
    assert_int_equal(cheng_coroutine_switch(child, number(2), &out), 0);
    assert_ptr_equal(out, number(12)); /* its end went to the parent */
    assert_true(cheng_coroutine_is_dead(child));
    assert_int_equal(cheng_coroutine_switch(child, number(3), &out), 0);
    assert_ptr_equal(out, number(13));
    assert_int_equal(cheng_coroutine_throw(parent, -ECANCELED, NULL), 0);
    assert_int_equal(cheng_coroutine_switch(child, number(4), &out), 0);
    assert_ptr_equal(out, number(4)); /* nobody lives but the caller */
    assert_int_equal(cheng_coroutine_free(parent), 0);
    assert_int_equal(cheng_coroutine_free(child), 0);
}

TEST(no_one_is_its_own_ancestor)
{
    cheng_coroutine *c = make(fails, NULL), *child = make(fails, NULL);
    assert_int_equal(cheng_coroutine_set_parent(child, c), 0);
    assert_int_equal(cheng_coroutine_set_parent(c, child), -ELOOP);
    assert_int_equal(cheng_coroutine_set_parent(c, c), -ELOOP);
    assert_int_equal(cheng_coroutine_set_parent(c, NULL), -EINVAL);
    assert_int_equal(cheng_coroutine_set_parent(cheng_coroutine_current(), c), -EINVAL);
    assert_int_equal(cheng_coroutine_free(cheng_coroutine_current()), -EBUSY);
    assert_int_equal(cheng_coroutine_free(child), 0);
    assert_int_equal(cheng_coroutine_free(c), 0);
}

static int meddle(const void *arg, void *result)
{
    cheng_coroutine *c = *(cheng_coroutine *const *)arg, *mine;
    cheng_coroutine_options options = { .parent = c };
    (void)result;
    assert_int_equal(cheng_coroutine_switch(c, NULL, NULL), -EPERM);
    assert_int_equal(cheng_coroutine_throw(c, -EIO, NULL), -EPERM);
    assert_int_equal(cheng_generator_next(c, NULL, NULL), -EPERM);
    assert_int_equal(cheng_generator_close(c), -EPERM);
    assert_int_equal(cheng_coroutine_free(c), -EPERM);
    assert_int_equal(cheng_coroutine_set_parent(c, cheng_coroutine_current()), -EPERM);
    assert_int_equal(cheng_coroutine_new(&mine, fails, NULL, &options), -EPERM);
    assert_int_equal(cheng_generator_yield(NULL, NULL), -EPERM);
    return 0;
}

TEST(another_task_may_not)
{
    cheng_coroutine *c = make(fails, NULL);
    cheng_task *task;
    assert_int_equal(cheng_start(&task, CHENG_THREAD, meddle, &c, sizeof c, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
    assert_int_equal(cheng_coroutine_free(c), 0);
}

TEST(bad_arguments)
{
    cheng_coroutine *c;
    assert_int_equal(cheng_coroutine_new(&c, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(cheng_coroutine_new(&c, fails, NULL, &(cheng_coroutine_options){ .stack_size = 1 }),
                     -EINVAL);
    assert_int_equal(cheng_coroutine_free(NULL), 0);
}

/* ---- generators ---- */

static int count(void *arg, void *value, void **result)
{
    (void)value;
    for (intptr_t i = 1; i <= (intptr_t)arg; i++) {
        void *sent;
        int rc = cheng_generator_yield(number(i), &sent);
        if (rc < 0)
            return rc;
        assert_ptr_equal(sent, number(10 * i));
    }
    *result = number(-1);
    return 0;
}

TEST(a_generator_yields_and_ends)
{
    cheng_coroutine *g = make(count, number(3));
    void *value;
    for (intptr_t i = 1; i <= 3; i++) {
        assert_int_equal(cheng_generator_next(g, number(10 * (i - 1)), &value), 0);
        assert_ptr_equal(value, number(i));
    }
    assert_int_equal(cheng_generator_next(g, number(30), &value), -EPIPE);
    assert_ptr_equal(value, number(-1)); /* what it returned */
    assert_int_equal(cheng_generator_next(g, NULL, &value), -EPIPE);
    assert_int_equal(cheng_generator_close(g), 0);
    assert_int_equal(cheng_coroutine_free(g), 0);
}

static int gives_the_error(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    return cheng_generator_yield(number(cheng_generator_yield(number(1), NULL)), NULL);
}

/* Thrown into a generator an error comes out of its yield, and what it yields next out of the throw. */
TEST(an_error_is_thrown_into_a_generator)
{
    cheng_coroutine *g = make(gives_the_error, NULL);
    void *value;
    assert_int_equal(cheng_generator_next(g, NULL, &value), 0);
    assert_int_equal(cheng_coroutine_throw(g, -EIO, &value), 0);
    assert_ptr_equal(value, number(-EIO));
    assert_int_equal(cheng_coroutine_throw(g, -ENOENT, &value), -ENOENT); /* it returns what it was told */
    assert_true(cheng_coroutine_is_dead(g));
    assert_int_equal(cheng_coroutine_free(g), 0);
}

static int insists(void *arg, void *value, void **result)
{
    (void)value, (void)result;
    while (cheng_generator_yield(NULL, NULL) == 0 || ++*(int *)arg < 3)
        continue;
    return -EIO;
}

TEST(one_that_yields_when_it_is_told_to_end_is_busy)
{
    int refusals = 0;
    cheng_coroutine *g = make(insists, &refusals);
    assert_int_equal(cheng_generator_next(g, NULL, NULL), 0);
    assert_int_equal(cheng_generator_close(g), -EBUSY);
    assert_int_equal(cheng_coroutine_free(g), -EBUSY);
    assert_int_equal(cheng_generator_close(g), -EIO);
    assert_int_equal(cheng_coroutine_free(g), 0);
    assert_int_equal(refusals, 3);
}

static int nested(void *arg, void *value, void **result)
{
    cheng_coroutine *inner = make(count, arg);
    void *got, *sent = NULL;
    (void)value, (void)result;
    while (cheng_generator_next(inner, sent, &got) == 0)
        assert_int_equal(cheng_generator_yield(got, &sent), 0);
    return cheng_coroutine_free(inner);
}

TEST(generators_nest)
{
    cheng_coroutine *g = make(nested, number(100));
    void *value, *sent = NULL;
    intptr_t sum = 0;
    while (cheng_generator_next(g, sent, &value) == 0) {
        sum += (intptr_t)value;
        sent = number(10 * (intptr_t)value);
    }
    assert_int_equal(sum, 5050);
    assert_int_equal(cheng_coroutine_free(g), 0);
}

/* ---- waiting ---- */

static int sleeps(void *arg, void *value, void **result)
{
    (void)value, (void)result;
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0);
    cheng_lock_acquire((cheng_lock *)arg);
    assert_int_equal(cheng_generator_yield(NULL, NULL), 0);
    assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0);
    return cheng_lock_release((cheng_lock *)arg); /* the task's lock: all its coroutines own it */
}

static void nothing(void)
{
}

static int wait_within(const void *arg, void *result)
{
    cheng_lock lock = { 0 };
    (void)arg, (void)result;
    cheng_coroutine *g = make(sleeps, &lock);
    assert_int_equal(cheng_generator_next(g, NULL, NULL), 0);
    assert_int_equal(cheng_lock_acquire_until(&lock, CHENG_FOREVER), -EDEADLK);
    cheng_yield();
    assert_int_equal(cheng_generator_next(g, NULL, NULL), -EPIPE);
    assert_false(cheng_lock_locked(&lock));
    return cheng_coroutine_free(g);
}

TEST(one_that_waits_makes_its_task_wait)
{
    cheng_task *tasks[8];
    in_each_kind(wait_within, nothing);
    for (int i = 0; i < 8; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, wait_within, NULL, 0, NULL), 0);
    for (int i = 0; i < 8; i++) {
        int status;
        assert_int_equal(cheng_join(tasks[i], &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(tasks[i]);
    }
}

/* ---- the end of a task ---- */

static int goes_to_the_other(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    assert_int_equal(cheng_generator_yield(NULL, NULL), -ECANCELED);
    return cheng_coroutine_switch(two, NULL, NULL);
}

static int frees_the_first(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    assert_int_equal(cheng_generator_yield(NULL, NULL), 0); /* by the first's switch */
    assert_int_equal(cheng_coroutine_free(one), 0);
    say('f');
    return 0;
}

static int leave_two(const void *arg, void *result)
{
    (void)arg, (void)result;
    one = make(goes_to_the_other, NULL);
    two = make(frees_the_first, NULL);
    assert_int_equal(cheng_generator_next(one, NULL, NULL), 0);
    assert_int_equal(cheng_generator_next(two, NULL, NULL), 0);
    return 0;
}

static void free_the_other(void)
{
    assert_string_equal(order, "f");
    assert_int_equal(cheng_coroutine_free(two), 0);
}

TEST(one_that_is_told_to_end_with_its_task_may_be_freed_by_another)
{
    in_each_kind(leave_two, free_the_other);
}

static int cannot_free_the_first(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    assert_int_equal(cheng_generator_yield(NULL, NULL), 0); /* by the first's switch */
    assert_int_equal(cheng_coroutine_free(one), -EBUSY);
    say('b');
    return 0;
}

/* Who closes it looks at it when it comes back. */
TEST(one_that_is_being_closed_is_not_freed)
{
    one = make(goes_to_the_other, NULL);
    two = make(cannot_free_the_first, NULL);
    assert_int_equal(cheng_generator_next(one, NULL, NULL), 0);
    assert_int_equal(cheng_generator_next(two, NULL, NULL), 0);
    assert_int_equal(cheng_generator_close(one), 0);
    assert_string_equal(order, "b");
    assert_int_equal(cheng_coroutine_free(one), 0);
    assert_int_equal(cheng_coroutine_free(two), 0);
}

/* ---- traces, many ---- */

static int switches, throws;

static void trace(const cheng_coroutine *from, const cheng_coroutine *to, int error)
{
    assert_ptr_not_equal(from, to);
    switches += error == 0;
    throws += error < 0;
}

TEST(a_trace_sees_switches_and_throws)
{
    cheng_coroutine *c = make(fails, NULL);
    assert_null(cheng_coroutine_trace(trace));
    assert_int_equal(cheng_coroutine_switch(c, NULL, NULL), 0);         /* there and back */
    assert_int_equal(cheng_coroutine_throw(c, -ENOENT, NULL), -ENOENT); /* both ways */
    assert_ptr_equal(cheng_coroutine_trace(NULL), trace);
    assert_int_equal(switches, 2);
    assert_int_equal(throws, 2);
    assert_int_equal(cheng_coroutine_free(c), 0);
}

TEST(stacks_come_back)
{
    for (int i = 0; i < 1000; i++) {
        cheng_coroutine *g = make(count, number(1));
        void *value;
        assert_int_equal(cheng_generator_next(g, NULL, &value), 0);
        assert_int_equal(cheng_coroutine_free(g), 0);
    }
}
