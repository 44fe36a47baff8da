/* Very many tasks: at once, in chains, in trees across workers; and very many sleepers. */
#include "unit/actors.h"

static cheng_event gate;
static uint32_t passed; /* atomic */

static int pass_the_gate(const void *argument, void *result)
{
    (void)argument, (void)result;
    int rc = cheng_event_wait(&gate);
    __atomic_fetch_add(&passed, 1, __ATOMIC_RELAXED);
    return rc;
}

static void many_at_once(unsigned count)
{
    cheng_task **tasks = calloc(count, sizeof *tasks);
    assert_non_null(tasks);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, pass_the_gate, NULL, 0, NULL), 0);
    for (unsigned i = 0; i < count; i++)
        wait_until_blocked(tasks[i], CHENGI_WAIT_EVENT);
    assert_int_equal(passed, 0);
    cheng_event_set(&gate);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    assert_int_equal(passed, count);
    passed = 0;
    cheng_event_clear(&gate);
    free(tasks);
}

/* Twice: stacks and slots are used again. */
TEST(a_hundred_thousand_coroutines) // noqemu: its guards need a mapping each
{
    unsigned count = coroutines_at_most(test_long() ? 1000000 : 100000);
    many_at_once(count);
    many_at_once(count);
}

TEST(a_thousand_threads)
{
    enum { COUNT = 1000 };
    static cheng_task *tasks[COUNT];
    unsigned count = scaled(COUNT);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_THREAD, pass_the_gate, NULL, 0,
                                     &(cheng_task_options){ .stack_size = 128 << 10 }),
                         0);
    cheng_event_set(&gate);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    assert_int_equal(passed, count);
}

/* ---- trees: who is started where and stolen by whom is up to the workers ---- */

struct tree {
    unsigned depth, width;
};

static int grow(const void *argument, void *result)
{
    struct tree mine;
    cheng_task *tasks[4];
    uint64_t sum = 1, below;
    memcpy(&mine, argument, sizeof mine);
    if (mine.depth > 0) {
        struct tree branch = { mine.depth - 1, mine.width };
        for (unsigned i = 0; i < mine.width; i++)
            assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, grow, &branch, sizeof branch,
                                         &(cheng_task_options){ .result_size = sizeof sum }),
                             0);
        for (unsigned i = 0; i < mine.width; i++) {
            assert_int_equal(cheng_join(tasks[i], NULL), 0);
            assert_int_equal(cheng_task_result(tasks[i], &below, sizeof below), 0);
            sum += below;
            cheng_task_free(tasks[i]);
        }
    }
    memcpy(result, &sum, sizeof sum);
    return 0;
}

static void grow_tree(unsigned depth, unsigned width)
{
    struct tree tree = { depth, width };
    uint64_t sum = 0, expected = 0;
    cheng_task *task;
    for (unsigned level = 0, breadth = 1; level <= depth; level++, breadth *= width)
        expected += breadth;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, grow, &tree, sizeof tree,
                                 &(cheng_task_options){ .result_size = sizeof sum }),
                     0);
    assert_int_equal(cheng_join(task, NULL), 0);
    assert_int_equal(cheng_task_result(task, &sum, sizeof sum), 0);
    cheng_task_free(task);
    assert_true(sum == expected);
}

TEST(trees)
{
    unsigned less = slowed_down() ? 4 : 0;
    for (unsigned round = 0; round < 10; round++) {
        grow_tree(12 - less, 2);
        grow_tree(8 - less / 2, 3);
        grow_tree(200 / (less + 1), 1); /* a chain: each joins the next */
    }
}

/* ---- start and join, from everywhere at once ---- */

static int add(const void *argument, void *result)
{
    uint32_t given;
    (void)result;
    memcpy(&given, argument, sizeof given);
    if (given % 16 == 0)
        cheng_yield();
    return (int)(given & 0xffff);
}

static int start_and_join(void *context)
{
    uint64_t random = *(uint64_t *)context;
    for (unsigned i = 0; i < scaled(4000); i++) {
        uint32_t given = (uint32_t)next_random(&random);
        enum cheng_kind kind = given % 64 == 0 ? CHENG_THREAD : CHENG_COROUTINE;
        cheng_task *task;
        int status = -1;
        if (given % 8 == 0) {
            assert_int_equal(cheng_start(NULL, kind, add, &given, sizeof given, NULL), 0);
            continue;
        }
        assert_int_equal(cheng_start(&task, kind, add, &given, sizeof given, NULL), 0);
        if (given % 8 != 1) {
            assert_int_equal(cheng_join(task, &status), 0);
            assert_int_equal(status, given & 0xffff);
        }
        cheng_task_free(task);
    }
    return 0;
}

TEST(start_and_join_from_everywhere)
{
    enum { COUNT = 9 };
    struct actor actors[COUNT];
    uint64_t seed = test_seed(), seeds[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        seeds[i] = next_random(&seed);
        actor_start(&actors[i], (enum place)(i % PLACES), start_and_join, &seeds[i]);
    }
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
}

/* ---- sleep ---- */

static int sleep_some_times(const void *argument, void *result)
{
    uint64_t random;
    (void)result;
    memcpy(&random, argument, sizeof random);
    for (int i = 0; i < 5; i++) {
        cheng_duration duration = random_below(&random, 20000) * CHENG_MICROSECOND;
        int64_t begun = cheng_clock_ns();
        int rc = cheng_sleep(duration);
        if (rc == -ECANCELED)
            return rc;
        assert_int_equal(rc, 0);
        assert_true(cheng_clock_ns() - begun >= duration);
    }
    return 0;
}

/* Every third is cancelled; the others sleep their time. */
TEST(sleepers)
{
    uint64_t random = test_seed();
    unsigned count = coroutines_at_most(20000);
    cheng_task **tasks = calloc(count, sizeof *tasks);
    assert_non_null(tasks);
    for (unsigned i = 0; i < count; i++) {
        uint64_t seed = next_random(&random);
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, sleep_some_times, &seed, sizeof seed, NULL),
                         0);
    }
    for (unsigned i = 0; i < count; i += 3)
        cheng_cancel(tasks[i]);
    for (unsigned i = 0; i < count; i++) {
        int status = -1;
        assert_int_equal(cheng_join(tasks[i], &status), 0);
        assert_true(status == 0 || (i % 3 == 0 && status == -ECANCELED));
        cheng_task_free(tasks[i]);
    }
    free(tasks);
}

/* ---- many small runtimes ---- */

static int run_one(const void *argument, void *result)
{
    cheng_task *task;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, pass_the_gate, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
    return 0;
}

static int run_again_and_again(void *rounds)
{
    for (unsigned i = 0; i < *(unsigned *)rounds; i++)
        assert_int_equal(cheng_run(NULL, run_one, NULL, 0), 0);
    return 0;
}

static bool enough;

static int open_and_close(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&enough, __ATOMIC_RELAXED)) {
        cheng_event_set(&gate);
        cheng_event_clear(&gate);
        cheng_yield();
    }
    return 0;
}

/* Each runtime's last coroutine is woken from outside, and the runtime goes as it ends. */
TEST(runtimes_come_and_go)
{
    struct actor runs[3], porter;
    unsigned rounds = scaled(4000);
    actor_start(&porter, IN_THREAD, open_and_close, NULL);
    for (unsigned i = 0; i < 3; i++)
        actor_start(&runs[i], IN_THREAD, run_again_and_again, &rounds);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(actor_join(&runs[i]), 0);
    __atomic_store_n(&enough, true, __ATOMIC_RELAXED);
    assert_int_equal(actor_join(&porter), 0);
    assert_int_equal(passed, 3 * rounds);
}
