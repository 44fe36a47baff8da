/* Stacks and workers: guards, pages that are given back, parallelism, what a parked program costs. */
#include "unit/actors.h"
#include "unit/processes.h"

#include <pthread.h>
#include <sched.h>

#include "host/host.h"
#include "run/stack.h"

/* ---- stacks ---- */

static void entry_never_runs(void *stack, void *value)
{
    (void)stack, (void)value;
    abort();
}

TEST(stacks_of_every_size)
{
    for (size_t size = CHENGI_STACK_LEAST; size <= 64 << 20; size = size * 5 / 3 + 1) {
        struct stack *stacks[20];
        for (unsigned i = 0; i < 20; i++) {
            stacks[i] = chengi_stack_new(size, entry_never_runs);
            assert_non_null(stacks[i]);
            assert_true(stacks[i]->size >= size);
            assert_true((char *)stacks[i] > stacks[i]->low &&
                        (char *)stacks[i] < stacks[i]->low + stacks[i]->size);
            for (unsigned j = 0; j < i; j++) /* apart from one another */
                assert_true(stacks[i]->low >= stacks[j]->low + stacks[j]->size ||
                            stacks[j]->low >= stacks[i]->low + stacks[i]->size);
            memset((char *)stacks[i] - 4096, 1, 4096);
        }
        for (unsigned i = 0; i < 20; i++)
            chengi_stack_free(stacks[i]);
    }
}

/* What lies below is not to be touched, also when the stack is used again. */
TEST(guards)
{
    for (unsigned round = 0; round < 6; round++) {
        struct stack *stack = chengi_stack_new(round % 2 ? CHENGI_STACK_DEFAULT : 100000, entry_never_runs);
        assert_non_null(stack);
        stack->low[0] = 1; /* the lowest that may be */
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], stack->low, 1), 1);
        assert_int_equal(write(ends[1], stack->low - 1, 1), -1);
        assert_int_equal(errno, EFAULT);
        assert_int_equal(write(ends[1], stack->low - chengi_stack_guard(), 1), -1);
        close(ends[0]);
        close(ends[1]);
        chengi_stack_free(stack);
    }
}

/* ---- what becomes of their pages ---- */

enum { REGION = 256, MARK = 77 };

static unsigned marked(char *const *lows, unsigned count)
{
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++)
        n += *(volatile char *)lows[i] == MARK;
    return n;
}

/* Pages go with a whole region, when somebody asks for it; until then they are used again before cold ones. */
TEST(pages_of_free_stacks) // novalgrind: counts pages, slowly
{
    enum { COUNT = 3 * REGION };
    static struct stack *stacks[COUNT];
    static char *lows[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        stacks[i] = chengi_stack_new(CHENGI_STACK_DEFAULT, entry_never_runs);
        assert_non_null(stacks[i]);
        lows[i] = stacks[i]->low;
        lows[i][0] = MARK;
    }
    for (unsigned i = 1; i < COUNT; i++)
        chengi_stack_free(stacks[i]);
    assert_int_equal(marked(lows, COUNT), COUNT);
    assert_true(chengi_stacks_discard());
    assert_int_equal(marked(lows, COUNT), COUNT - REGION);
    for (unsigned i = 1; i < 2 * REGION; i++) { /* the rest of the first region, and the warm one */
        stacks[i] = chengi_stack_new(CHENGI_STACK_DEFAULT, entry_never_runs);
        assert_non_null(stacks[i]);
        assert_int_equal(stacks[i]->low[0], MARK);
    }
    for (unsigned i = 1; i < 2 * REGION; i++)
        chengi_stack_free(stacks[i]);
    assert_true(chengi_stacks_discard());
    assert_false(chengi_stacks_discard()); /* of the first region one is in use */
    assert_int_equal(marked(lows, COUNT), REGION);
    chengi_stack_free(stacks[0]);
    assert_true(chengi_stacks_discard());
    assert_int_equal(marked(lows, COUNT), 0);
    assert_false(chengi_stacks_discard());
}

static char *lows_of_crowd[4 * REGION];
static unsigned crowd;
static cheng_event go_home;

static int leave_a_mark(const void *argument, void *result)
{
    char *low = chengi_runner_self()->stack->low;
    (void)argument, (void)result;
    low[0] = MARK;
    lows_of_crowd[crowd++] = low;
    return cheng_event_wait(&go_home);
}

/* A worker gives them back when it has nothing to do, and also, though more slowly, when it always has. */
static int begin_and_end_many(const void *argument, void *result)
{
    const unsigned count = sizeof lows_of_crowd / sizeof *lows_of_crowd;
    bool idle = *(const bool *)argument;
    (void)result;
    crowd = 0;
    cheng_event_clear(&go_home);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, leave_a_mark, NULL, 0, NULL), 0);
    while (crowd < count)
        cheng_yield();
    assert_int_equal(marked(lows_of_crowd, count), count);
    cheng_event_set(&go_home);
    while (marked(lows_of_crowd, count) > 2 * REGION) /* hot stacks keep the others */
        idle ? (void)cheng_sleep(CHENG_MILLISECOND) : cheng_yield();
    return 0;
}

TEST(an_idle_worker_gives_pages_back) // novalgrind: counts pages, slowly
{
    assert_int_equal(cheng_run(NULL, begin_and_end_many, &(bool){ true }, sizeof(bool)), 0);
    assert_int_equal(marked(lows_of_crowd, crowd), 0); /* the end of a runtime gives back what is left */
}

TEST(a_busy_worker_gives_pages_back) // novalgrind: counts pages, slowly
{
    assert_int_equal(cheng_run(NULL, begin_and_end_many, &(bool){ false }, sizeof(bool)), 0);
}

static int recurse(const void *argument, void *result)
{
    volatile char frame[1024];
    (void)result;
    frame[0] = 1;
    int deeper = argument == NULL ? 0 : recurse(argument, NULL); /* for ever */
    return deeper + frame[0];
}

static void overflow(void *unused)
{
    (void)unused;
    (void)cheng_run(NULL, recurse, &(int){ 1 }, 0);
}

TEST(overflow_ends_at_the_guard) // noasan: reports the overflow itself; notsan: the same
{
    char said[64];
    assert_true(killed_by(last_words(overflow, NULL, said, sizeof said), SIGSEGV));
}

/* ---- parallelism ---- */

/* Each waits for the other without ever letting go of its kernel thread. */
static bool arrived[2];
static pthread_t threads[2];

static int meet_the_other(const void *argument, void *result)
{
    int me;
    (void)result;
    memcpy(&me, argument, sizeof me);
    threads[me] = pthread_self();
    __atomic_store_n(&arrived[me], true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&arrived[1 - me], __ATOMIC_SEQ_CST))
        chengi_host_yield(); /* not cheng_yield: that would let another coroutine of this thread run */
    return 0;
}

static void check_met(void)
{
    assert_false(pthread_equal(threads[0], threads[1]));
    arrived[0] = arrived[1] = false;
}

static int start_one_too_large(const void *argument, void *result)
{
    struct rlimit had, little;
    cheng_task *task;
    int status = 0;
    (void)argument, (void)result;
    assert_int_equal(getrlimit(RLIMIT_AS, &had), 0);
    little = had;
    little.rlim_cur = (rlim_t)1 << 30;
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    int64_t begun = cheng_clock_ns();
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, start_one_too_large, NULL, 0,
                                 &(cheng_task_options){ .stack_size = (size_t)1 << 30 }),
                     0);
    assert_int_equal(cheng_sleep(50 * CHENG_MILLISECOND), 0); /* others go on meanwhile */
    assert_true(cheng_clock_ns() - begun < CHENG_SECOND);
    assert_int_equal(cheng_join_until(task, &status, cheng_after(10 * CHENG_SECOND)), 0);
    assert_int_equal(status, -ENOMEM);
    cheng_task_free(task);
    assert_int_equal(setrlimit(RLIMIT_AS, &had), 0);
    return 0;
}

TEST(no_room_for_a_stack) // noasan: notsan: novalgrind: noqemu: bounds the address space
{
    assert_int_equal(cheng_run(NULL, start_one_too_large, NULL, 0), 0);
}

static int return_three(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 3;
}

/* The default runtime has one worker then, which must take what is started outside. */
TEST(one_usable_processor)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < 3; i++) {
        cheng_task *task;
        int status;
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, return_three, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join_until(task, &status, cheng_after(10 * CHENG_SECOND)), 0);
        assert_int_equal(status, 3);
        cheng_task_free(task);
    }
}

TEST(two_coroutines_at_once) // noqemu: needs two processors
{
    if (chengi_host_cpus() < 2)
        test_skip("needs two processors");
    for (unsigned round = 0; round < 20; round++) {
        cheng_task *tasks[2];
        for (int i = 0; i < 2; i++)
            assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, meet_the_other, &i, sizeof i, NULL), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(cheng_join(tasks[i], NULL), 0);
            cheng_task_free(tasks[i]);
        }
        check_met();
    }
}

/* The other is spawned by a coroutine, which keeps its worker busy: somebody must steal it. */
static int spawn_the_other(const void *argument, void *result)
{
    int other = 1;
    cheng_task *task;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, meet_the_other, &other, sizeof other, NULL), 0);
    assert_int_equal(meet_the_other(&(int){ 0 }, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
    return 0;
}

TEST(the_newest_task_is_stolen_too) // noqemu: needs two processors
{
    if (chengi_host_cpus() < 2)
        test_skip("needs two processors");
    for (unsigned round = 0; round < 50; round++) {
        cheng_task *task;
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, spawn_the_other, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
        check_met();
        if (round % 2)
            (void)cheng_sleep(CHENG_MILLISECOND); /* also from sleep, not only from looking around */
    }
}

/* Both workers are busy as the task is spawned; one of them has then nothing left to do. */
static bool is_busy, may_stop;

static int be_busy_until_told(const void *argument, void *result)
{
    (void)argument, (void)result;
    __atomic_store_n(&is_busy, true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&may_stop, __ATOMIC_SEQ_CST))
        chengi_host_yield();
    return 0;
}

static int spawn_while_all_are_busy(const void *argument, void *result)
{
    cheng_task *task;
    int other = 1;
    (void)argument, (void)result;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, meet_the_other, &other, sizeof other, NULL), 0);
    __atomic_store_n(&may_stop, true, __ATOMIC_SEQ_CST);
    assert_int_equal(meet_the_other(&(int){ 0 }, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    cheng_task_free(task);
    return 0;
}

TEST(the_newest_task_is_stolen_by_who_was_busy) // noqemu: needs two processors
{
    if (chengi_host_cpus() != 2)
        test_skip("needs exactly two processors");
    for (unsigned round = 0; round < 20; round++) {
        cheng_task *tasks[2];
        is_busy = may_stop = false;
        assert_int_equal(cheng_start(&tasks[0], CHENG_COROUTINE, be_busy_until_told, NULL, 0, NULL), 0);
        while (!__atomic_load_n(&is_busy, __ATOMIC_SEQ_CST))
            cheng_yield();
        assert_int_equal(cheng_start(&tasks[1], CHENG_COROUTINE, spawn_while_all_are_busy, NULL, 0, NULL), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(cheng_join(tasks[i], NULL), 0);
            cheng_task_free(tasks[i]);
        }
        check_met();
    }
}

static int compute(const void *argument, void *result)
{
    unsigned rounds;
    uint64_t state = 1, sum = 0;
    (void)result;
    memcpy(&rounds, argument, sizeof rounds);
    for (unsigned i = 0; i < rounds; i++)
        sum += next_random(&state);
    return sum == 0;
}

enum { JOBS = 16, ROUNDS = 1500000 };

static int compute_all(const void *argument, void *result)
{
    unsigned rounds = scaled(ROUNDS);
    (void)argument, (void)result;
    cheng_task *tasks[JOBS];
    for (unsigned i = 0; i < JOBS; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, compute, &rounds, sizeof rounds, NULL), 0);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    return 0;
}

static void *compute_half(void *unused)
{
    unsigned rounds = scaled(ROUNDS);
    for (unsigned i = 0; i < JOBS / 2; i++)
        assert_int_equal(compute(&rounds, NULL), 0);
    return unused;
}

/* What the machine has for two threads: two processors may be one, seen twice, or another's. */
static double two_threads(void)
{
    pthread_t other;
    int64_t begun = cheng_clock_ns();
    compute_half(NULL);
    compute_half(NULL);
    int64_t one = cheng_clock_ns() - begun;
    begun = cheng_clock_ns();
    assert_int_equal(pthread_create(&other, NULL, compute_half, NULL), 0);
    compute_half(NULL);
    pthread_join(other, NULL);
    return (double)one / (double)(cheng_clock_ns() - begun);
}

TEST(two_workers_are_1_8_times_as_fast) // serial: measures; noqemu novalgrind: need two processors
{
    double best = 0, best_threads = 0;
    if (chengi_host_cpus() != 2)
        test_skip("needs exactly two processors");
    int64_t until = cheng_clock_ns() + 20 * CHENG_SECOND; /* the machine may be busy with something else */
    while (best < 1.8 && cheng_clock_ns() < until) {
        int64_t begun = cheng_clock_ns();
        assert_int_equal(cheng_run(NULL, compute_all, NULL, 0), 0); /* one worker */
        int64_t one = cheng_clock_ns() - begun;
        begun = cheng_clock_ns();
        cheng_task *task;
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, compute_all, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
        double times = (double)one / (double)(cheng_clock_ns() - begun);
        best = times > best ? times : best;
        double pair = best >= 1.8 ? 0 : two_threads();
        best_threads = pair > best_threads ? pair : best_threads;
    }
    printf("two workers are %.2f times as fast as one\n", best);
    if (best < 1.8 && best_threads < 1.9)
        test_skip("two threads are no more than %.2f times as fast as one here", best_threads);
    assert_true(best >= 1.8 || slowed_down());
}

/* ---- at rest ---- */

static cheng_lock rest_lock;
static cheng_condition rest_condition;
static cheng_semaphore rest_semaphore;
static cheng_event rest_event;
static cheng_queue *rest_queue;
static bool rest_is_over;

static int rest_for_lock(void *unused)
{
    (void)unused;
    CHENG_WITH(&rest_lock)
        continue;
    return 0;
}

static int rest_for_condition(void *unused)
{
    cheng_lock lock = { 0 };
    (void)unused;
    CHENG_WITH(&lock)
        while (!__atomic_load_n(&rest_is_over, __ATOMIC_SEQ_CST))
            cheng_condition_wait(&rest_condition, &lock);
    return 0;
}

static int rest_for_event(void *unused)
{
    (void)unused;
    return cheng_event_wait_until(&rest_event, cheng_after(1000 * CHENG_SECOND));
}

static int rest_for_semaphore(void *unused)
{
    (void)unused;
    return cheng_semaphore_acquire(&rest_semaphore);
}

static int rest_for_queue(void *unused)
{
    int item;
    (void)unused;
    return cheng_queue_get(rest_queue, &item);
}

static int rest_asleep(void *unused)
{
    (void)unused;
    return cheng_sleep(1000 * CHENG_SECOND) == -ECANCELED ? 0 : -EINVAL;
}

static int (*const rests[])(void *) = { rest_for_lock,      rest_for_condition, rest_for_event,
                                        rest_for_semaphore, rest_for_queue,     rest_asleep };
static const enum wait_kind rest_kinds[] = {
    CHENGI_WAIT_LOCK,      CHENGI_WAIT_CONDITION, CHENGI_WAIT_EVENT,
    CHENGI_WAIT_SEMAPHORE, CHENGI_WAIT_GET,       CHENGI_WAIT_SLEEP
};
enum { RESTS = sizeof rests / sizeof *rests };

static long us_of(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 + usage->ru_utime.tv_usec +
           usage->ru_stime.tv_usec;
}

/* A thread, a coroutine and one in cheng_run in each kind of wait; and what that costs in some seconds. */
TEST(a_parked_program_does_nothing) // serial: measures
{
    static struct actor actors[RESTS][PLACES];
    unsigned seconds = test_long() ? 10 : 2;
    assert_int_equal(cheng_queue_new(&rest_queue, sizeof(int), &(cheng_queue_options){ .capacity = 1 }), 0);
    cheng_lock_acquire(&rest_lock);
    for (unsigned r = 0; r < RESTS; r++)
        for (enum place place = 0; place < PLACES; place++) {
            actor_start(&actors[r][place], place, rests[r], NULL);
            wait_until_blocked(actors[r][place].self, rest_kinds[r]);
        }
    bool does_nothing = slowed_down();
    for (int attempt = 0; attempt < 4 && !does_nothing; attempt++) {
        struct rusage before, after;
        (void)cheng_sleep(
            50 * CHENG_MILLISECOND); /* until all have fallen asleep; if not, the next attempt counts */
        getrusage(RUSAGE_SELF, &before);
        assert_int_equal(cheng_sleep(seconds * CHENG_SECOND), 0);
        getrusage(RUSAGE_SELF, &after);
        long switches = after.ru_nvcsw - before.ru_nvcsw;
        long us = us_of(&after) - us_of(&before);
        printf("parked for %u s: %ld us of CPU, %ld voluntary switches\n", seconds, us, switches);
        does_nothing = us < (long)seconds * 500 && switches < (long)seconds * 6;
    }
    assert_true(does_nothing);

    __atomic_store_n(&rest_is_over, true, __ATOMIC_SEQ_CST);
    assert_int_equal(cheng_lock_release(&rest_lock), 0);
    cheng_condition_notify(&rest_condition, UINT32_MAX);
    cheng_event_set(&rest_event);
    assert_int_equal(cheng_semaphore_release(&rest_semaphore, PLACES), 0);
    for (int i = 0; i < PLACES; i++)
        assert_int_equal(cheng_queue_put(rest_queue, &i), 0);
    for (enum place place = 0; place < PLACES; place++)
        cheng_cancel(actors[RESTS - 1][place].self);
    for (unsigned r = 0; r < RESTS; r++)
        for (enum place place = 0; place < PLACES; place++)
            assert_int_equal(actor_join(&actors[r][place]), 0);
    cheng_queue_free(rest_queue);
}
