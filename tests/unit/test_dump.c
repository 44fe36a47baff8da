/* What a dump tells of each task. */
#include "unit/actors.h"

#include <unistd.h>

static char text[1 << 16];

static void keep(const char *line, void *context)
{
    assert_ptr_equal(context, text);
    assert_int_equal(line[strlen(line) - 1], '\n');
    strncat(text, line, sizeof text - strlen(text) - 1);
}

/* The line of this task, without its name; "" if there is none. */
static const char *line_of(const char *name)
{
    static char line[600];
    char *at = text;
    size_t length = strlen(name);
    for (; at != NULL && !(strncmp(at, name, length) == 0 && at[length] == ','); at = strchr(at, '\n'))
        if (*at == '\n' && strncmp(++at, name, length) == 0 && at[length] == ',')
            break;
    snprintf(line, sizeof line, "%.*s", at == NULL ? 0 : (int)strcspn(at + length + 2, "\n"),
             at == NULL ? "" : at + length + 2);
    return line;
}

static void dump(void)
{
    text[0] = '\0';
    cheng_dump(keep, text);
}

/* Dumps until the task's line holds the text: it may not wait yet. */
static void await(const char *name, const char *part)
{
    for (int i = 0; i < 20000; i++) {
        dump();
        if (strstr(line_of(name), part) != NULL)
            return;
        assert_int_equal(cheng_sleep(100 * CHENG_MICROSECOND), 0);
    }
    fputs(text, stderr);
    fail_msg("%s never: %s", name, part);
}

static cheng_lock lock;
static cheng_event event;
static cheng_semaphore semaphore;
static cheng_condition condition;
static cheng_queue *queue;
static cheng_task *joined;
static uint32_t stop;

static int hold(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&lock) {
        cheng_event_wait(&event);
    }
    return 0;
}

static int want(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&lock) {}
    return 0;
}

static int want_unit(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_semaphore_acquire(&semaphore);
}

static int want_item(const void *arg, void *result)
{
    int item;
    (void)arg, (void)result;
    return cheng_queue_get(queue, &item);
}

static int join_other(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_join(joined, NULL);
}

static int sleep_long(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_sleep(1000 * CHENG_SECOND);
    return 0;
}

static int wait_for_condition(const void *arg, void *result)
{
    static cheng_lock own;
    (void)arg, (void)result;
    int rc = 0;
    CHENG_WITH(&own) {
        rc = cheng_condition_wait(&condition, &own);
    }
    return rc == -ECANCELED ? 0 : rc;
}

static int read_pipe(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_poll(*(const int *)arg, CHENG_READABLE, NULL, CHENG_FOREVER);
    return rc == -ECANCELED ? 0 : rc;
}

static int compute(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        continue;
    return 0;
}

static cheng_task *begin(enum cheng_kind kind, cheng_fn *function, const char *name, const int *number)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, kind, function, number, number == NULL ? 0 : sizeof *number,
                                 &(cheng_task_options){ .name = name }),
                     0);
    return task;
}

static void end(cheng_task *task)
{
    int status = -1;
    cheng_cancel(task);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_true(status == 0 || status == -ECANCELED);
    cheng_task_free(task);
}

static void expect_kind(enum cheng_kind kind)
{
    char expected[100];
    const char *word = kind == CHENG_THREAD ? "thread" : "coroutine";
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(cheng_queue_new(&queue, sizeof(int), NULL), 0);
    cheng_task *tasks[9];
    tasks[0] = joined = begin(kind, hold, "holder", NULL);
    await("holder", "waits for event");
    snprintf(expected, sizeof expected, "%s %llu: waits for event %p", word,
             (unsigned long long)cheng_task_ident(joined), (void *)&event);
    assert_string_equal(line_of("holder"), expected);
    tasks[1] = begin(kind, want, "wanter", NULL);
    snprintf(expected, sizeof expected, ": waits for lock %p at ", (void *)&lock);
    /* the owner is left out while somebody has the lock's bucket, as one who goes to sleep has it for a moment */
    await("wanter", ", which holder holds since ");
    assert_non_null(strstr(line_of("wanter"), expected));
    assert_non_null(strstr(line_of("wanter"), "test_dump.c:"));
    tasks[2] = begin(kind, want_unit, "semaphore", NULL);
    await("semaphore", ": waits for semaphore 0x");
    tasks[3] = begin(kind, want_item, "getter", NULL);
    await("getter", ": waits to get from queue 0x");
    tasks[4] = begin(kind, join_other, "joiner", NULL);
    await("joiner", ": joins holder");
    tasks[5] = begin(kind, sleep_long, "sleeper", NULL);
    await("sleeper", ": sleeps, for 99"); /* ten seconds long: it tells milliseconds */
    tasks[6] = begin(kind, wait_for_condition, "condition", NULL);
    await("condition", ": waits for condition 0x");
    tasks[7] = begin(kind, read_pipe, "reader", ends);
    await("reader", ": waits to read from a descriptor");
    tasks[8] = begin(kind, compute, "computer", NULL);
    await("computer", ": runs");
    assert_non_null(strstr(line_of(cheng_name()), "runs"));
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    cheng_event_set(&event);
    for (int i = 8; i >= 0; i--)
        end(tasks[i]);
    dump();
    assert_string_equal(line_of("holder"), ""); /* the ended are not told of */
    cheng_queue_free(queue);
    close(ends[0]);
    close(ends[1]);
}

TEST(threads)
{
    expect_kind(CHENG_THREAD);
}

TEST(coroutines)
{
    expect_kind(CHENG_COROUTINE);
}

static int yield_twice(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_yield();
    cheng_yield();
    return 0;
}

static int look_at_others(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_task *begun = begin(CHENG_COROUTINE, yield_twice, "begun", NULL);
    cheng_yield();
    cheng_task *fresh = begin(CHENG_COROUTINE, yield_twice, "fresh", NULL);
    dump();
    assert_non_null(strstr(line_of("begun"), ": can go on"));
    assert_non_null(strstr(line_of("fresh"), ": has not begun"));
    assert_non_null(strstr(line_of(cheng_name()), ": runs"));
    end(begun);
    end(fresh);
    return 0;
}

TEST(who_can_go_on)
{
    assert_int_equal(cheng_run(NULL, look_at_others, NULL, 0), 0);
}

static int suspend(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    cheng_generator_yield(NULL, NULL);
    return 0;
}

static int suspend_and_wait(const void *arg, void *result)
{
    cheng_coroutine *generator;
    (void)arg, (void)result;
    assert_int_equal(cheng_coroutine_new(&generator, suspend, NULL, NULL), 0);
    assert_int_equal(cheng_generator_next(generator, NULL, NULL), 0);
    assert_int_equal(cheng_event_wait(&event), 0);
    return cheng_coroutine_free(generator);
}

static int look_at_suspended(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_task *task = begin(CHENG_COROUTINE, suspend_and_wait, "generous", NULL);
    cheng_yield();
    dump();
    const char *line = strstr(text, "generous, ");
    assert_non_null(line);
    line = strchr(line, '\n') + 1;
    assert_memory_equal(line, "  has a coroutine that is suspended at ", 39);
    assert_non_null(strstr(line, "test_dump.c:"));
    cheng_event_set(&event);
    end(task);
    return 0;
}

TEST(coroutines_by_hand)
{
    assert_int_equal(cheng_run(NULL, look_at_suspended, NULL, 0), 0);
}

static int suspend_three(const void *arg, void *result)
{
    cheng_coroutine *generators[3];
    (void)arg, (void)result;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cheng_coroutine_new(&generators[i], suspend, NULL, NULL), 0);
        assert_int_equal(cheng_generator_next(generators[i], NULL, NULL), 0);
    }
    cheng_yield();
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_coroutine_free(generators[i]), 0);
    return 0;
}

static void let_it_go_on(const char *line, void *suspended)
{
    if (strstr(line, "suspended") != NULL) {
        ++*(int *)suspended;
        cheng_yield();
    }
}

static int look_and_yield(const void *arg, void *result)
{
    int suspended = 0;
    (void)arg, (void)result;
    cheng_task *task = begin(CHENG_COROUTINE, suspend_three, "generous", NULL);
    cheng_yield();
    cheng_dump(let_it_go_on, &suspended);
    assert_int_equal(suspended, 1); /* the others are gone when it is back */
    end(task);
    return 0;
}

TEST(coroutines_that_go_while_they_are_told_of)
{
    assert_int_equal(cheng_run(NULL, look_and_yield, NULL, 0), 0);
}

TEST(to_standard_error)
{
    char bytes[4096];
    int ends[2], kept = dup(2);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], 2);
    cheng_dump(NULL, NULL);
    dup2(kept, 2);
    ssize_t n = read(ends[0], bytes, sizeof bytes - 1);
    assert_true(n > 0);
    bytes[n] = '\0';
    snprintf(text, sizeof text, "MainThread, thread %llu: runs\n",
             (unsigned long long)cheng_task_ident(cheng_current()));
    assert_string_equal(bytes, text);
    close(ends[0]);
    close(ends[1]);
    close(kept);
}

static int churn(const void *arg, void *result)
{
    (void)arg, (void)result;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        cheng_task *task = begin(CHENG_COROUTINE, want, NULL, NULL);
        CHENG_WITH(&lock) {
            cheng_yield();
        }
        cheng_join(task, NULL);
        cheng_task_free(task);
    }
    return 0;
}

/* While tasks start, wait for locks on short-lived stacks, and end. */
TEST(while_all_goes_on)
{
    cheng_task *tasks[4];
    for (int i = 0; i < 4; i++)
        tasks[i] = begin(i == 0 ? CHENG_THREAD : CHENG_COROUTINE, churn, NULL, NULL);
    for (int64_t begun = cheng_clock_ns(); cheng_clock_ns() - begun < 200 * CHENG_MILLISECOND;) {
        dump();
        assert_non_null(strstr(text, "MainThread, thread"));
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        end(tasks[i]);
}
