/* The life of tasks: start, argument, result, name, ident, join, free, cheng_run, errno, stacks. */
#include "unit/actors.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "run/stack.h"

static const enum cheng_kind kinds[] = { CHENG_THREAD, CHENG_COROUTINE };

#define FOR_EACH_KIND(kind) for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++)

static int return_seven(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 7;
}

static int wait_for(const void *argument, void *result)
{
    (void)result;
    return cheng_event_wait(*(cheng_event *const *)argument);
}

static cheng_task *start_waiting(enum cheng_kind kind, cheng_event *event)
{
    cheng_task *task = NULL;
    assert_int_equal(cheng_start(&task, kind, wait_for, &event, sizeof event, NULL), 0);
    assert_non_null(task);
    return task;
}

/* ---- start ---- */

TEST(start_checks_its_arguments)
{
    cheng_task *const untouched = (cheng_task *)&kinds;
    cheng_task *task = untouched;
    int value = 0;
    cheng_task_options large_result = { .result_size = (64 << 10) + 1 };
    cheng_task_options small_stack = { .stack_size = 100 }, large_stack = { .stack_size = SIZE_MAX / 2 };
    assert_int_equal(cheng_start(&task, CHENG_PROCESS, return_seven, NULL, 0, NULL), -ENOTSUP);
    assert_int_equal(cheng_start(&task, (enum cheng_kind)0, return_seven, NULL, 0, NULL), -EINVAL);
    assert_int_equal(cheng_start(&task, (enum cheng_kind)9, return_seven, NULL, 0, NULL), -EINVAL);
    FOR_EACH_KIND(kind)
    {
        assert_int_equal(cheng_start(&task, kind, NULL, NULL, 0, NULL), -EINVAL);
        assert_int_equal(cheng_start(&task, kind, return_seven, NULL, 4, NULL), -EINVAL);
        assert_int_equal(cheng_start(&task, kind, return_seven, &value, (64 << 10) + 1, NULL), -EINVAL);
        assert_int_equal(cheng_start(&task, kind, return_seven, NULL, 0, &large_result), -EINVAL);
        assert_int_equal(cheng_start(&task, kind, return_seven, NULL, 0, &small_stack), -EINVAL);
        assert_int_equal(cheng_start(&task, kind, return_seven, NULL, 0, &large_stack), -EINVAL);
    }
    assert_ptr_equal(task, untouched);
}

TEST(start_without_memory) // noqemu: noasan: notsan: novalgrind: they need address space
{
    struct rlimit none = { 1 << 20, 1 << 20 };
    cheng_task *const untouched = (cheng_task *)&kinds;
    cheng_task *task = untouched;
    static char large[60000];
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, return_seven, NULL, 0, NULL), 0);
    while (cheng_enumerate(NULL, 0) > 1)
        cheng_yield();
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    assert_int_equal(cheng_start(&task, CHENG_THREAD, return_seven, NULL, 0,
                                 &(cheng_task_options){ .stack_size = 64 << 20 }),
                     -EAGAIN);
    assert_int_equal(cheng_enumerate(NULL, 0), 1); /* it was never there */
    int rc = 0;
    for (unsigned i = 0; i < 1000 && rc == 0; i++) /* the heap may have some room left */
        rc = cheng_start(NULL, CHENG_COROUTINE, return_seven, large, sizeof large,
                         &(cheng_task_options){ .result_size = 60000 });
    assert_true(rc == -ENOMEM || rc == -EAGAIN);
    assert_ptr_equal(task, untouched);
}

static int clobber_the_copy(const void *argument, void *result)
{
    (void)argument;
    memset((void *)(uintptr_t)argument, 0xff, 4); /* the task's own copy, and aligned for anything */
    assert_null(result);
    assert_int_equal((uintptr_t)argument % 8, 0);
    return 0;
}

TEST(argument_is_copied)
{
    for (size_t size = 4; size <= 64 << 10; size = size * 3 / 2) {
        unsigned char *bytes = malloc(size);
        assert_non_null(bytes);
        memset(bytes, 0x11, size);
        FOR_EACH_KIND(kind)
        {
            cheng_task *task;
            assert_int_equal(cheng_start(&task, kind, clobber_the_copy, bytes, size, NULL), 0);
            assert_int_equal(cheng_join(task, NULL), 0);
            assert_int_equal(bytes[0], 0x11);
            cheng_task_free(task);
        }
        free(bytes);
    }
}

static int compare_pointer(const void *argument, void *result)
{
    (void)result;
    return argument == (const void *)kinds ? 1 : 0;
}

TEST(argument_of_size_0_is_the_pointer)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        int status = 0;
        assert_int_equal(cheng_start(&task, kind, compare_pointer, kinds, 0, NULL), 0);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 1);
        cheng_task_free(task);
    }
}

struct sizes {
    size_t argument, result;
};

/* The result is the argument's bytes, over and over. */
static int repeat(const void *argument, void *result)
{
    struct sizes sizes;
    memcpy(&sizes, argument, sizeof sizes);
    unsigned char *out = result;
    assert_int_equal((uintptr_t)result % 16, 0); /* as from malloc: for any type */
    for (size_t i = 0; i < sizes.result; i++) {
        assert_int_equal(out[i], 0); /* it comes zeroed */
        out[i] = (unsigned char)(i % 251);
    }
    for (size_t i = sizeof sizes; i < sizes.argument; i++) /* and apart from the argument */
        assert_int_equal(((const unsigned char *)argument)[i], 0x5a);
    return (int)sizes.result;
}

static void check_result(cheng_task *task, size_t size)
{
    unsigned char *out = malloc(size + 1);
    assert_non_null(out);
    memset(out, 0xee, size + 1);
    assert_int_equal(cheng_task_result(task, out, size + 1), -EINVAL);
    assert_int_equal(out[0], 0xee);
    assert_int_equal(cheng_task_result(task, out, size), 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(out[i], i % 251);
    assert_int_equal(out[size], 0xee);
    assert_int_equal(cheng_task_result(task, out, 1), 0); /* again, and less of it */
    free(out);
}

TEST(results_of_every_size)
{
    static const size_t results[] = { 1, 4, 19, 24, 25, 39, 40, 41, 64, 4096, 64 << 10 };
    static const size_t arguments[] = { 16, 20, 21, 40, 41, 1000 };
    unsigned char argument[1000];
    for (size_t a = 0; a < sizeof arguments / sizeof *arguments; a++)
        for (size_t r = 0; r < sizeof results / sizeof *results; r++)
            FOR_EACH_KIND(kind)
            {
                struct sizes sizes = { arguments[a], results[r] };
                cheng_task_options options = { .result_size = results[r] };
                cheng_task *task;
                int status;
                memset(argument, 0x5a, sizeof argument);
                memcpy(argument, &sizes, sizeof sizes);
                assert_int_equal(cheng_start(&task, kind, repeat, argument, sizes.argument, &options), 0);
                assert_int_equal(cheng_join(task, &status), 0);
                assert_int_equal(status, sizes.result);
                check_result(task, sizes.result);
                cheng_task_free(task);
            }
}

static int fill_result(const void *argument, void *result)
{
    assert_int_equal((uintptr_t)argument % 16, 0);
    assert_int_equal((uintptr_t)result % 16, 0);
    return 0;
}

TEST(small_results_are_aligned)
{
    for (size_t argument_size = 1; argument_size <= 48; argument_size++)
        for (size_t result_size = 1; result_size <= 48; result_size++) {
            char bytes[48] = { 0 };
            cheng_task *task;
            cheng_task_options options = { .result_size = result_size };
            assert_int_equal(cheng_start(&task, CHENG_COROUTINE, fill_result, bytes, argument_size, &options),
                             0);
            assert_int_equal(cheng_join(task, NULL), 0);
            cheng_task_free(task);
        }
}

TEST(result_errors)
{
    cheng_event go = { 0 };
    char out = 'x';
    FOR_EACH_KIND(kind)
    {
        cheng_event_clear(&go);
        cheng_task *task = start_waiting(kind, &go);
        assert_int_equal(cheng_task_result(task, &out, 1), -EBUSY);
        cheng_event_set(&go);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_int_equal(cheng_task_result(task, &out, 1), -ENODATA);
        assert_int_equal(out, 'x');
        cheng_task_free(task);
    }
}

/* ---- names ---- */

static int check_name(const void *argument, void *result)
{
    (void)result;
    assert_string_equal(cheng_name(), *(const char *const *)argument);
    assert_string_equal(cheng_task_name(cheng_current()), cheng_name());
    return 0;
}

TEST(names)
{
    char name[] = "a name that is longer than the thirty-one bytes";
    const char *kept = "a name that is longer than the ";
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        assert_int_equal(
            cheng_start(&task, kind, check_name, &kept, sizeof kept, &(cheng_task_options){ .name = name }),
            0);
        name[0] = 'A'; /* copied */
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_string_equal(cheng_task_name(task), kept); /* as long as the handle */
        cheng_task_free(task);
        name[0] = 'a';
    }
    assert_string_equal(cheng_name(), "MainThread");
}

TEST(default_names)
{
    FOR_EACH_KIND(kind)
    {
        const char *prefix = kind == CHENG_THREAD ? "Thread-" : "Coroutine-";
        cheng_task *one, *two;
        assert_int_equal(cheng_start(&one, kind, return_seven, NULL, 0, NULL), 0);
        assert_int_equal(cheng_start(&two, kind, return_seven, NULL, 0, NULL), 0);
        assert_int_equal(strncmp(cheng_task_name(one), prefix, strlen(prefix)), 0);
        assert_int_equal(strncmp(cheng_task_name(two), prefix, strlen(prefix)), 0);
        assert_true(atoi(cheng_task_name(one) + strlen(prefix)) > 0);
        assert_string_not_equal(cheng_task_name(one), cheng_task_name(two));
        cheng_join(one, NULL);
        cheng_join(two, NULL);
        cheng_task_free(one);
        cheng_task_free(two);
    }
}

/* ---- ident, kind, life ---- */

static int compare_idents(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

TEST(idents_are_never_used_again)
{
    enum { COUNT = 3000 };
    static uint64_t idents[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        cheng_task *task;
        enum cheng_kind kind = i % 16 == 0 ? CHENG_THREAD : CHENG_COROUTINE;
        assert_int_equal(cheng_start(&task, kind, return_seven, NULL, 0, NULL), 0);
        idents[i] = cheng_task_ident(task);
        if (i % 3)
            assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
    }
    qsort(idents, COUNT, sizeof *idents, compare_idents);
    assert_true(idents[0] != 0);
    for (unsigned i = 1; i < COUNT; i++)
        assert_true(idents[i - 1] != idents[i]);
}

static int publish_current(const void *argument, void *result)
{
    cheng_task *self = cheng_current();
    (void)argument;
    memcpy(result, &self, sizeof self);
    return 0;
}

TEST(current_is_the_handle)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task, *seen = NULL;
        assert_int_equal(cheng_start(&task, kind, publish_current, NULL, 0,
                                     &(cheng_task_options){ .result_size = sizeof(cheng_task *) }),
                         0);
        assert_int_equal(cheng_task_kind(task), kind);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_int_equal(cheng_task_result(task, &seen, sizeof seen), 0);
        assert_ptr_equal(seen, task);
        assert_int_equal(cheng_task_kind(task), kind);
        cheng_task_free(task);
    }
    assert_int_equal(cheng_task_kind(cheng_current()), CHENG_THREAD);
    assert_ptr_equal(cheng_current(), cheng_current());
}

TEST(is_alive_until_the_end)
{
    FOR_EACH_KIND(kind)
    {
        cheng_event go = { 0 };
        cheng_task *task = start_waiting(kind, &go);
        assert_true(cheng_task_is_alive(task));
        cheng_event_set(&go);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_false(cheng_task_is_alive(task));
        cheng_task_free(task);
    }
    assert_true(cheng_task_is_alive(cheng_current()));
}

/* ---- join and free ---- */

TEST(join_gives_the_status_again_and_again)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        assert_int_equal(cheng_start(&task, kind, return_seven, NULL, 0, NULL), 0);
        for (int i = 0; i < 3; i++) {
            int status = 0;
            assert_int_equal(cheng_join(task, &status), 0);
            assert_int_equal(status, 7);
            status = 0;
            assert_int_equal(cheng_join_until(task, &status, CHENG_NOW), 0);
            assert_int_equal(status, 7);
        }
        cheng_task_free(task);
    }
}

TEST(join_until_leaves_the_status_alone)
{
    FOR_EACH_KIND(kind)
    {
        cheng_event go = { 0 };
        cheng_task *task = start_waiting(kind, &go);
        int status = 55;
        assert_int_equal(cheng_join_until(task, &status, CHENG_NOW), -EAGAIN);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(-CHENG_SECOND)), -ETIMEDOUT);
        assert_int_equal(status, 55);
        cheng_event_set(&go);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(60 * CHENG_SECOND)), 0);
        assert_int_equal(status, 0);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(-CHENG_SECOND)), 0); /* tries once */
        cheng_task_free(task);
    }
}

static int join_it(void *context)
{
    int status = 0;
    assert_int_equal(cheng_join(context, &status), 0);
    return status == 0 ? 0 : -EINVAL;
}

TEST(many_joiners)
{
    enum { COUNT = 30 };
    struct actor joiners[COUNT];
    FOR_EACH_KIND(kind)
    {
        cheng_event go = { 0 };
        cheng_task *task = start_waiting(kind, &go);
        for (unsigned i = 0; i < COUNT; i++)
            actor_start(&joiners[i], (enum place)(i % PLACES), join_it, task);
        for (unsigned i = 0; i < COUNT; i++)
            wait_until_blocked(joiners[i].self, CHENGI_WAIT_JOIN);
        cheng_event_set(&go);
        for (unsigned i = 0; i < COUNT; i++)
            assert_int_equal(actor_join(&joiners[i]), 0);
        cheng_task_free(task);
    }
}

static int join_oneself(const void *argument, void *result)
{
    int status = 3;
    (void)argument, (void)result;
    assert_int_equal(cheng_join_until(cheng_current(), &status, CHENG_NOW), -EAGAIN);
    assert_int_equal(status, 3);
    return cheng_join(cheng_current(), &status);
}

TEST(joining_oneself)
{
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        int status = 0;
        assert_int_equal(cheng_start(&task, kind, join_oneself, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, -EDEADLK);
        cheng_task_free(task);
    }
}

static int count_end(const void *argument, void *result)
{
    cheng_semaphore *ended = *(cheng_semaphore *const *)argument;
    (void)result;
    cheng_yield();
    return cheng_semaphore_release(ended, 1);
}

TEST(free_before_the_end)
{
    static cheng_semaphore ended;
    cheng_semaphore *at = &ended;
    for (unsigned i = 0; i < 200; i++) {
        cheng_task *task;
        assert_int_equal(cheng_start(&task, kinds[i % 2], count_end, &at, sizeof at,
                                     &(cheng_task_options){ .result_size = 100 }),
                         0);
        cheng_task_free(task); /* it goes on */
    }
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(cheng_semaphore_acquire(&ended), 0);
    cheng_task_free(NULL);
}

TEST(no_handle)
{
    static cheng_semaphore ended;
    cheng_semaphore *at = &ended;
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(cheng_start(NULL, kinds[i % 2], count_end, &at, sizeof at, NULL), 0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(cheng_semaphore_acquire(&ended), 0);
}
