/* The searches see what they say they see: small programs by lot, whose outcomes over all orders, one by one, are the
 * outcomes over the orders that the reduction leaves. */
#include "explore/explored.h"

#include <string.h>
#include <sys/mman.h>

enum { TASKS = 2, OPERATIONS = 2, WORDS = 2, OUTCOMES = 1 << 16, PROGRAMS = 6, PROGRAMS_LONG = 40 };
enum { MANY_TASKS = 3 };

enum kind {
    LOAD,
    STORE,
    ADD,
    SWAP,
    LOCKED_ADD,
    KINDS,
    WAIT = KINDS,
    SET,
    ACQUIRE,
    RELEASE,
    CONDITION,
    NOTIFY,
    MANY_KINDS
};

/* Outside of the world that is put back after each schedule. */
static struct shared {
    struct operation {
        enum kind kind;
        unsigned word, value;
    } program[MANY_TASKS][OPERATIONS];
    bool outcomes[2][OUTCOMES];
    int length[MANY_TASKS];
    enum cheng_kind tasks[MANY_TASKS];
    int count;
    int search;
} * shared;

static unsigned words[WORDS];
static cheng_lock lock;
static cheng_event event;
static cheng_semaphore semaphore;
static cheng_condition condition;
static uint32_t seen[MANY_TASKS]; /* what each has read, hashed */

static void note(long task, unsigned value)
{
    seen[task] = seen[task] * 31 + value + 1;
}

static int perform(const void *arg, void *result)
{
    long task = *(const long *)arg;
    (void)result;
    for (int i = 0; i < shared->length[task]; i++) {
        struct operation o = shared->program[task][i];
        unsigned *word = &words[o.word], expected = o.value;
        switch (o.kind) {
        case LOAD:
            note(task, __atomic_load_n(word, __ATOMIC_SEQ_CST));
            break;
        case STORE:
            __atomic_store_n(word, o.value, __ATOMIC_SEQ_CST);
            break;
        case ADD:
            note(task, __atomic_fetch_add(word, o.value, __ATOMIC_SEQ_CST));
            break;
        case SWAP:
            note(task, __atomic_compare_exchange_n(word, &expected, o.value + 1, false, __ATOMIC_SEQ_CST,
                                                   __ATOMIC_SEQ_CST));
            break;
        case LOCKED_ADD:
            CHENG_WITH(&lock) {
                note(task, __atomic_fetch_add(word, 1, __ATOMIC_RELAXED));
            }
            break;
        case WAIT:
            note(task, (unsigned)cheng_event_wait_until(&event, cheng_after(CHENG_MILLISECOND)));
            break;
        case SET:
            cheng_event_set(&event);
            break;
        case ACQUIRE:
            note(task, (unsigned)cheng_semaphore_acquire_until(&semaphore, cheng_after(CHENG_MILLISECOND)));
            break;
        case RELEASE:
            cheng_semaphore_release(&semaphore, 1);
            break;
        case CONDITION:
            CHENG_WITH(&lock) {
                note(task,
                     (unsigned)cheng_condition_wait_until(&condition, &lock, cheng_after(CHENG_MILLISECOND)));
            }
            break;
        default:
            cheng_condition_notify(&condition, 1);
        }
    }
    return 0;
}

static void run_program(void *unused)
{
    cheng_task *tasks[MANY_TASKS] = { NULL };
    (void)unused;
    for (long i = 0; i < shared->count; i++)
        tasks[i] = start(shared->tasks[i], perform, i);
    for (int i = 0; i < shared->count; i++)
        finish(tasks[i]);
    uint32_t outcome = 0;
    for (int i = 0; i < WORDS; i++)
        outcome = outcome * 1000003 + words[i];
    for (int i = 0; i < MANY_TASKS; i++)
        outcome = outcome * 1000003 + seen[i];
    shared->outcomes[shared->search][(outcome * 2654435761u) >> 16] = true;
}

TEST(the_reduction_loses_no_outcome)
{
    uint64_t random = test_seed();
    unsigned long long schedules[2] = { 0, 0 }, outcomes = 0, compared = 0;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    shared->count = TASKS;
    for (int i = 0; i < TASKS; i++)
        shared->tasks[i] = CHENG_THREAD;
    int programs = test_long() ? PROGRAMS_LONG : PROGRAMS;
    for (int i = 0; i < TASKS; i++) /* one by one takes the square of the time */
        shared->length[i] = test_long() || i == 0 ? OPERATIONS : 1;
    for (int program = 0; program < programs; program++) {
        for (int task = 0; task < TASKS; task++)
            for (int i = 0; i < OPERATIONS; i++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                unsigned draw = (unsigned)(random >> 33);
                shared->program[task][i] =
                    (struct operation){ draw % KINDS, draw / KINDS % WORDS, draw / 64 % 3 };
            }
        memset(shared->outcomes, 0, sizeof shared->outcomes);
        bool complete = true;
        static const enum cheng_explore_strategy searches[] = { CHENG_EXPLORE_BOUNDED, CHENG_EXPLORE_ALL };
        for (int s = 0; s < 2; s++) {
            cheng_explore_result result;
            cheng_explore_options options = { .strategy = searches[s],
                                              .schedules = 1 << 24,
                                              .preemptions = 1000,
                                              .time = (test_long() ? 100 : 5) * CHENG_SECOND,
                                              .result = &result };
            shared->search = s;
            assert_int_equal(cheng_explore(run_program, NULL, &options), CHENG_FOUND_NOTHING);
            complete = complete && result.complete;
            schedules[s] += result.schedules;
        }
        if (!complete) /* too many orders, one by one */
            continue;
        compared++;
        assert_memory_equal(shared->outcomes[0], shared->outcomes[1], OUTCOMES);
        for (int i = 0; i < OUTCOMES; i++)
            outcomes += shared->outcomes[0][i];
    }
    assert_true(compared > 0);
    assert_true(schedules[1] < schedules[0]);
    printf("%llu of %d programs, %llu outcomes: %llu schedules, %llu after reduction\n", compared, programs,
           outcomes, schedules[0], schedules[1]);
}

static int take_often(const void *arg, void *result)
{
    (void)result;
    for (long i = *(const long *)arg; i > 0; i--)
        CHENG_WITH(&lock) {
            words[0]++;
        }
    return 0;
}

EXPLORED_ALL(ten_lock_operations)
{
    cheng_task *a = start(CHENG_THREAD, take_often, 3), *b = start(CHENG_THREAD, take_often, 2);
    finish(a);
    finish(b);
    assert_int_equal(words[0], 5);
}

/* Nobody joins it: it may be anywhere when the test ends. */
static int look_once(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_true(__atomic_load_n(&words[0], __ATOMIC_RELAXED) == 1);
    return 0;
}

static void end_before_it(void *unused)
{
    (void)unused;
    assert_int_equal(cheng_start(NULL, CHENG_THREAD, look_once, NULL, 0, NULL), 0);
    __atomic_store_n(&words[0], 1, __ATOMIC_RELAXED);
}

TEST(a_task_that_the_end_cuts_off)
{
    explored_find(CHENG_FOUND_FAILURE, end_before_it,
                  (cheng_explore_options){ .name = "end", .strategy = CHENG_EXPLORE_ALL });
}

static unsigned table[8], *first_of_table = table;

static int set_briefly(const void *arg, void *result)
{
    (void)arg, (void)result;
    __atomic_store_n(&table[6], 1, __ATOMIC_RELAXED);
    __atomic_store_n(&table[6], 0, __ATOMIC_RELAXED);
    return 0;
}

static void walk_through(void *unused)
{
    (void)unused;
    cheng_task *a = start(CHENG_THREAD, set_briefly, 0);
    for (int i = 0; i < 8; i++) /* looks for the same value again and again, but does not wait for another */
        assert_true(
            __atomic_load_n(&__atomic_load_n(&first_of_table, __ATOMIC_RELAXED)[i], __ATOMIC_RELAXED) == 0);
    finish(a);
}

TEST(a_walk_through_a_table)
{
    explored_find(CHENG_FOUND_FAILURE, walk_through,
                  (cheng_explore_options){ .name = "walk", .strategy = CHENG_EXPLORE_ALL });
}

/* A search of all orders lets three deadlines pass early, and leaves out the rest. Those by lot go on when it has ended. */
static int sleep_often(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 4; i++)
        cheng_sleep(CHENG_MILLISECOND);
    return 0;
}

static void sleep_beside_another(void *unused)
{
    (void)unused;
    cheng_task *a = start(CHENG_THREAD, sleep_often, 0);
    sleep_often(NULL, NULL);
    finish(a);
}

TEST(lots_are_drawn_until_the_schedules_are_used_up)
{
    enum { SCHEDULES = 2000 };
    cheng_explore_result result;
    cheng_explore_options options = { .strategy = CHENG_EXPLORE_ALL,
                                      .schedules = SCHEDULES,
                                      .result = &result };
    assert_int_equal(cheng_explore(sleep_beside_another, NULL, &options), CHENG_FOUND_NOTHING);
    assert_true(!result.complete && result.schedules < SCHEDULES / 8);
    options.strategy = CHENG_EXPLORE_MIX;
    assert_int_equal(cheng_explore(sleep_beside_another, NULL, &options), CHENG_FOUND_NOTHING);
    assert_true(!result.complete && result.schedules == SCHEDULES);
}

static void draw_program(uint64_t *random)
{
    for (int task = 0; task < MANY_TASKS; task++)
        for (int i = -1; i < OPERATIONS; i++) {
            *random = *random * 6364136223846793005u + 1442695040888963407u;
            unsigned draw = (unsigned)(*random >> 33);
            if (i >= 0) {
                shared->program[task][i] =
                    (struct operation){ draw % MANY_KINDS, draw / MANY_KINDS % WORDS, draw / 64 % 3 };
            } else {
                shared->length[task] = 1 + (int)(draw % OPERATIONS);
                shared->tasks[task] = draw / 64 % 8 == 0 ? CHENG_COROUTINE : CHENG_THREAD;
            }
        }
}

/* Three tasks, waits with deadlines: too large to be run one by one. What is met by lot is met by the reduction, too. */
TEST(the_reduction_meets_what_is_met_by_lot)
{
    uint64_t random = test_seed();
    unsigned long long outcomes = 0;
    int programs = test_long() ? 1000 : 30, complete = 0;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    shared->count = MANY_TASKS;
    for (int program = 0; program < programs; program++) {
        static const enum cheng_explore_strategy searches[] = { CHENG_EXPLORE_ALL, CHENG_EXPLORE_RANDOM };
        cheng_explore_result result[2];
        draw_program(&random);
        memset(shared->outcomes, 0, sizeof shared->outcomes);
        for (int s = 0; s < 2; s++) {
            cheng_explore_options options = { .strategy = searches[s],
                                              .schedules = 5000,
                                              .time = CHENG_SECOND / 5,
                                              .spurious = (unsigned)program % 2,
                                              .result = &result[s] };
            shared->search = s;
            assert_int_equal(cheng_explore(run_program, NULL, &options), CHENG_FOUND_NOTHING);
            if (!result[0].complete)
                break;
        }
        complete += result[0].complete;
        for (int i = 0; i < OUTCOMES; i++) {
            outcomes += shared->outcomes[0][i];
            assert_true(!shared->outcomes[1][i] || shared->outcomes[0][i]);
        }
    }
    assert_true(complete > 0);
    printf("%d programs, %d of them completely, %llu outcomes\n", programs, complete, outcomes);
}
