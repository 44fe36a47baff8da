/* The first of several things: each kind of case, everywhere, and what is not consumed. */
#include "unit/queues.h"
#include "unit/sockets.h"

#include <limits.h>

static const int64_t item = 7;

static int nothing(const void *arg, void *result)
{
    (void)arg, (void)result;
    return 0;
}

static int until_set(const void *arg, void *result)
{
    (void)result;
    return cheng_event_wait(*(cheng_event *const *)arg);
}

static cheng_task *start(enum cheng_kind kind, cheng_fn *function, const void *arg, size_t size)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, kind, function, arg, size, NULL), 0);
    return task;
}

/* ---- at once ---- */

TEST_EVERYWHERE(ready)
{
    int64_t got = 0;
    int fds[2];
    cheng_event event = { 0 };
    cheng_semaphore semaphore = { .value = 1 };
    cheng_queue *full = make(8, 1), *empty = make(8, 1), *heap = make_queue_of(8, (cheng_queue_options){ 0 });
    cheng_task *task = start(CHENG_THREAD, nothing, NULL, 0);
    struct pair pair = unix_pair();
    assert_int_equal(cheng_join(task, NULL), 0);
    assert_int_equal(cheng_queue_put(full, &item), 0);
    assert_int_equal(cheng_queue_put(heap, &item), 0);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    cheng_event_set(&event);
    cheng_case cases[] = {
        cheng_case_get(empty, &got),
        cheng_case_put(full, &item),
        cheng_case_get(full, &got),
        cheng_case_get(heap, &got),
        cheng_case_put(heap, &item),
        cheng_case_event(&event),
        cheng_case_semaphore(&semaphore),
        cheng_case_join(task),
        cheng_case_at(cheng_after(-1)),
        cheng_case_at(CHENG_NOW),
        cheng_case_poll(fds[0], CHENG_READABLE),
        cheng_case_poll(fds[1], CHENG_WRITABLE),
        cheng_case_socket(pair.a, CHENG_READABLE),
        cheng_case_socket(pair.a, CHENG_WRITABLE),
    };
    enum { N = sizeof cases / sizeof *cases };
    const bool can[N] = { 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1 };
    for (int i = 0; i < N; i++) {
        cheng_case two[] = { cheng_case_at(CHENG_FOREVER), cases[i] };
        two[1].result = 99;
        int rc = cheng_select_until(two, 2, CHENG_NOW);
        assert_int_equal(rc, can[i] ? 1 : -EAGAIN);
        assert_int_equal(two[1].result, can[i] ? 0 : 99);
    }
    assert_int_equal(got, 7);
    assert_int_equal(cheng_queue_size(full), 0);
    assert_int_equal(cheng_queue_size(heap), 1);
    assert_int_equal(cheng_semaphore_value(&semaphore), 0);
    close(fds[0]);
    close(fds[1]);
    pair_free(&pair);
    cheng_task_free(task);
    cheng_queue_free(full);
    cheng_queue_free(empty);
    cheng_queue_free(heap);
}

TEST_EVERYWHERE(deadlines)
{
    int64_t got;
    cheng_queue *empty = make(8, 1), *channel = make(8, CHENG_RENDEZVOUS);
    cheng_case cases[] = { cheng_case_get(empty, &got), cheng_case_get(channel, &got), cheng_case_event(NULL),
                           cheng_case_put(NULL, &item) };
    assert_int_equal(cheng_select_until(cases, 4, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_select_until(cases, 4, cheng_after(-1)), -ETIMEDOUT);
    assert_int_equal(cheng_select_until(cases, 0, cheng_after(1)), -ETIMEDOUT);
    int64_t began = cheng_clock_ns();
    assert_int_equal(cheng_select_until(cases, 4, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_true(cheng_clock_ns() - began >= 20 * CHENG_MILLISECOND);
    /* the first of several times; the call's own deadline comes later, or earlier */
    began = cheng_clock_ns();
    cases[2] = cheng_case_at(cheng_after(60 * CHENG_SECOND));
    cases[3] = cheng_case_at(cheng_after(20 * CHENG_MILLISECOND));
    assert_int_equal(cheng_select_until(cases, 4, cheng_after(60 * CHENG_SECOND)), 3);
    assert_true(cheng_clock_ns() - began >= 20 * CHENG_MILLISECOND);
    cases[3] = (cheng_case){ 0 };
    assert_int_equal(cheng_select_until(cases, 4, cheng_after(10 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_queue_put_until(channel, &item, CHENG_NOW), -EAGAIN); /* nobody waits any more */
    cheng_queue_free(empty);
    cheng_queue_free(channel);
}

/* What is wrong with a case is its result. */
TEST_EVERYWHERE(errors)
{
    int64_t got;
    cheng_arena *arena;
    assert_int_equal(cheng_arena_new(&arena, 1 << 20, NULL), 0);
    cheng_queue *closed = make(8, 1), *channel = make(8, CHENG_RENDEZVOUS), *shared;
    cheng_event *event = cheng_arena_alloc(arena, sizeof *event);
    assert_int_equal(cheng_event_share(arena, event), 0);
    assert_int_equal(cheng_queue_new(&shared, 8, &(cheng_queue_options){ .capacity = 1, .arena = arena }), 0);
    cheng_queue_close(closed);
    cheng_queue_close(channel);
    const struct {
        cheng_case c;
        int result;
    } wrong[] = {
        { cheng_case_get(closed, &got), -EPIPE },
        { cheng_case_put(closed, &item), -EPIPE },
        { cheng_case_get(channel, &got), -EPIPE },
        { cheng_case_put(channel, &item), -EPIPE },
        { cheng_case_get(shared, &got), -ENOTSUP },
        { cheng_case_put(shared, &item), -ENOTSUP },
        { cheng_case_event(event), -ENOTSUP },
        { cheng_case_join(cheng_current()), -EDEADLK },
        { cheng_case_poll(-1, CHENG_READABLE), -EBADF },
        { cheng_case_poll(900, CHENG_READABLE), -EBADF },
        { cheng_case_poll(0, 0), -EINVAL },
        { cheng_case_poll(0, CHENG_READABLE | CHENG_WRITABLE), -EINVAL },
        { (cheng_case){ .kind = (enum cheng_case_kind)99 }, -EINVAL },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cheng_case c = wrong[i].c;
        assert_int_equal(cheng_select(&c, 1), 0);
        assert_int_equal(c.result, wrong[i].result);
    }
    cheng_case none = { 0 };
    assert_int_equal(cheng_select_until(&none, (size_t)INT_MAX + 1, CHENG_NOW), -EINVAL);
    cheng_queue_free(closed);
    cheng_queue_free(channel);
    cheng_queue_free(shared);
    cheng_arena_free(arena);
}

/* ---- waiting ---- */

/* A selector, and what happens to it. Its cases: what is tested, and others that are never done. */
struct selector {
    cheng_case cases[12];
    size_t n;
    cheng_deadline deadline;
};

static int select_first(void *context)
{
    struct selector *selector = context;
    return cheng_select_until(selector->cases, selector->n, selector->deadline);
}

static struct selector selector_of(cheng_case c, size_t others)
{
    static cheng_event never;
    struct selector selector = { .n = others + 1, .deadline = cheng_after(30 * CHENG_SECOND) };
    for (size_t i = 0; i < others; i++)
        selector.cases[i] = cheng_case_event(&never);
    selector.cases[others] = c;
    return selector;
}

/* Runs `cause` when a selector sleeps, in each place, among few cases and among many. Returns the case's result. */
static int result_of(cheng_case c, void (*cause)(void *context), void *context)
{
    int result = 0;
    EACH_PLACE(place)
    {
        for (size_t others = 1; others <= 11; others += 10) {
            struct actor actor;
            struct selector selector = selector_of(c, others);
            actor_start(&actor, (enum place)place, select_first, &selector);
            wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
            cause(context);
            assert_int_equal(actor_join(&actor), others);
            result = selector.cases[others].result;
        }
    }
    return result;
}

static void put_item(void *queue)
{
    assert_int_equal(cheng_queue_put(queue, &item), 0);
}

static void get_item(void *queue)
{
    int64_t got = 0;
    assert_int_equal(cheng_queue_get(queue, &got), 0);
    assert_int_equal(got, item);
}

static cheng_queue *queue_of_kind(int kind)
{
    const cheng_queue_options kinds[] = { { .capacity = 1 },
                                          { .capacity = 1, .order = CHENG_LIFO },
                                          { .capacity = CHENG_RENDEZVOUS } };
    return make_queue_of(8, kinds[kind]);
}

TEST(a_put_wakes)
{
    for (int kind = 0; kind < 3; kind++) {
        int64_t got = 0;
        cheng_queue *queue = queue_of_kind(kind);
        assert_int_equal(result_of(cheng_case_get(queue, &got), put_item, queue), 0);
        assert_int_equal(got, item);
        assert_int_equal(cheng_queue_size(queue), 0);
        cheng_queue_free(queue);
    }
}

TEST(a_get_wakes)
{
    for (int kind = 0; kind < 3; kind++) {
        cheng_queue *queue = queue_of_kind(kind);
        if (kind < 2)
            put_item(queue); /* full */
        assert_int_equal(result_of(cheng_case_put(queue, &item), get_item, queue), 0);
        assert_int_equal(cheng_queue_size(queue), kind < 2 ? 1 : 0);
        cheng_queue_free(queue);
    }
}

static void close_queue(void *queue)
{
    cheng_queue_close(queue);
}

TEST(closing_wakes)
{
    for (int kind = 0; kind < 3; kind++) {
        EACH_PLACE(place)
        {
            int64_t got;
            struct actor getter, putter;
            cheng_queue *queue = queue_of_kind(kind), *full = queue_of_kind(kind);
            struct selector get = selector_of(cheng_case_get(queue, &got), 1);
            struct selector put = selector_of(cheng_case_put(full, &item), 1);
            if (kind < 2)
                put_item(full);
            actor_start(&getter, (enum place)place, select_first, &get);
            actor_start(&putter, (enum place)place, select_first, &put);
            wait_until_blocked(getter.self, CHENGI_WAIT_SELECT);
            wait_until_blocked(putter.self, CHENGI_WAIT_SELECT);
            close_queue(queue);
            close_queue(full);
            assert_int_equal(actor_join(&getter), 1);
            assert_int_equal(actor_join(&putter), 1);
            assert_int_equal(get.cases[1].result, -EPIPE);
            assert_int_equal(put.cases[1].result, -EPIPE);
            cheng_queue_free(queue);
            cheng_queue_free(full);
        }
    }
}

static void set_and_clear(void *event)
{
    cheng_event_set(event);
    cheng_event_clear(event);
}

TEST(an_event_wakes)
{
    cheng_event event = { 0 };
    assert_int_equal(result_of(cheng_case_event(&event), set_and_clear, &event), 0);
}

static void release(void *semaphore)
{
    assert_int_equal(cheng_semaphore_release(semaphore, 1), 0);
}

TEST(a_semaphore_wakes)
{
    cheng_semaphore semaphore = { 0 };
    assert_int_equal(result_of(cheng_case_semaphore(&semaphore), release, &semaphore), 0);
    assert_int_equal(semaphore.value, 0);
    assert_int_equal(semaphore.waiters, 0);
}

TEST(the_end_of_a_task_wakes)
{
    EACH_PLACE(place)
    {
        for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
            struct actor actor;
            cheng_event event = { 0 }, *pointer = &event;
            cheng_task *task = start(kind, until_set, &pointer, sizeof pointer);
            struct selector selector = selector_of(cheng_case_join(task), 1);
            actor_start(&actor, (enum place)place, select_first, &selector);
            wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
            cheng_event_set(&event);
            assert_int_equal(actor_join(&actor), 1);
            assert_int_equal(cheng_join_until(task, NULL, CHENG_NOW), 0);
            cheng_task_free(task);
        }
    }
}

static int pipes[2];

static void write_one(void *context)
{
    (void)context;
    assert_int_equal(write(pipes[1], "x", 1), 1);
}

/* Two descriptors, one of which becomes readable; both directions of one; the same direction twice. */
TEST(a_descriptor_wakes)
{
    EACH_PLACE(place)
    {
        char buffer[1];
        struct actor actor;
        int pair[2];
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
        while (write(pair[0], "x", 1) == 1)
            ;
        struct selector selector = selector_of(cheng_case_poll(pipes[0], CHENG_READABLE), 1);
        selector.cases[2] = cheng_case_poll(pair[0], CHENG_READABLE);
        selector.cases[3] = cheng_case_poll(pair[0], CHENG_WRITABLE);
        selector.n = 4;
        actor_start(&actor, (enum place)place, select_first, &selector);
        wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
        write_one(NULL);
        assert_int_equal(actor_join(&actor), 1);
        assert_int_equal(read(pipes[0], buffer, 1), 1);
        actor_start(&actor, (enum place)place, select_first, &selector);
        wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
        assert_int_equal(write(pair[1], "x", 1), 1);
        assert_int_equal(actor_join(&actor), 2);
        assert_int_equal(read(pair[0], buffer, 1), 1);
        actor_start(&actor, (enum place)place, select_first, &selector);
        wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
        close(pair[1]);
        int done = actor_join(&actor);
        assert_true(done == 2 || done == 3);
        close(pair[0]);
        close(pipes[0]);
        close(pipes[1]);
    }
}

static void write_socket(void *socket)
{
    assert_int_equal(cheng_socket_write(socket, "x", 1), 0);
}

TEST(a_socket_wakes)
{
    EACH_PLACE(place)
    {
        size_t got;
        char buffer[2];
        struct actor actor;
        struct pair pair = unix_pair(), other = unix_pair();
        struct selector selector = selector_of(cheng_case_socket(pair.a, CHENG_READABLE), 1);
        selector.cases[2] = cheng_case_socket(other.a, CHENG_READABLE);
        selector.n = 3;
        for (int i = 0; i < 2; i++) {
            actor_start(&actor, (enum place)place, select_first, &selector);
            wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
            assert_int_equal(cheng_socket_read_until(pair.a, buffer, 1, &got, CHENG_NOW), -EBUSY);
            write_socket(i == 0 ? pair.b : other.b);
            assert_int_equal(actor_join(&actor), 1 + i);
            assert_int_equal(cheng_socket_read(i == 0 ? pair.a : other.a, buffer, 2, &got), 0);
            assert_int_equal(got, 1);
        }
        actor_start(&actor, (enum place)place, select_first, &selector);
        wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
        cheng_socket_close(other.a);
        assert_int_equal(actor_join(&actor), 2);
        assert_int_equal(selector.cases[2].result, -EBADF);
        pair_free(&pair);
        pair_free(&other);
    }
}

/* ---- ending otherwise ---- */

TEST(a_cancel)
{
    EACH_PLACE(place)
    {
        struct actor actor;
        int64_t got = 0;
        cheng_queue *channel = make(8, CHENG_RENDEZVOUS);
        cheng_semaphore semaphore = { 0 };
        struct selector selector = selector_of(cheng_case_get(channel, &got), 1);
        selector.cases[2] = cheng_case_semaphore(&semaphore);
        selector.n = 3;
        actor_start(&actor, (enum place)place, select_first, &selector);
        wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
        assert_int_equal(cheng_queue_put_until(channel, &item, CHENG_NOW), -EAGAIN);
        assert_int_equal(semaphore.waiters, 0);
        cheng_queue_free(channel);
    }
}

TEST_EVERYWHERE(a_scope)
{
    cheng_timeout scope;
    cheng_event event = { 0 };
    cheng_case c = cheng_case_event(&event);
    cheng_timeout_begin(&scope, cheng_after(10 * CHENG_MILLISECOND));
    assert_int_equal(cheng_select(&c, 1), -ECANCELED);
    assert_int_equal(cheng_timeout_end(&scope), -ETIMEDOUT);
}

/* Who offers both sides of a queue does not meet itself. */
TEST_EVERYWHERE(not_oneself)
{
    int64_t got = 0;
    cheng_queue *channel = make(8, CHENG_RENDEZVOUS);
    cheng_case cases[] = { cheng_case_get(channel, &got), cheng_case_put(channel, &item) };
    assert_int_equal(cheng_select_until(cases, 2, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(got, 0);
    cheng_queue_free(channel);
}

/* ---- fairness ---- */

static void count(cheng_queue *const *queues, const bool *full, int rounds, int *taken)
{
    for (int i = 0; i < 8; i++)
        if (full[i])
            put_item(queues[i]);
    for (int i = 0; i < rounds; i++) {
        int64_t got;
        cheng_case cases[8];
        for (int k = 0; k < 8; k++)
            cases[k] = cheng_case_get(queues[k], &got);
        int which = cheng_select(cases, 8);
        assert_in_range(which, 0, 7);
        taken[which]++;
        put_item(queues[which]);
    }
}

TEST_EVERYWHERE(fair_among_the_ready)
{
    const bool sets[][8] = { { 1, 1, 1, 1, 1, 1, 1, 1 },
                             { 0, 0, 0, 1, 1, 0, 0, 0 },
                             { 1, 0, 0, 0, 0, 0, 0, 1 } };
    for (int set = 0; set < 3; set++) {
        cheng_queue *queues[8];
        int taken[8] = { 0 }, ready = 0;
        for (int i = 0; i < 8; i++) {
            queues[i] = make(8, 1);
            ready += sets[set][i];
        }
        count(queues, sets[set], 8000, taken);
        for (int i = 0; i < 8; i++) {
            if (sets[set][i]) /* ten standard deviations */
                assert_in_range(taken[i], 8000 / ready * 2 / 3, 8000 / ready * 4 / 3);
            cheng_queue_free(queues[i]);
        }
    }
}

/* ---- many ---- */

enum { SIDES = 4, EACH = 2000 };
static cheng_queue *shared_queues[SIDES];
static uint64_t sum_put, sum_got;

/* Puts into, or gets from, whichever queue can. */
static int exchange(const void *arg, void *result)
{
    bool putting = *(const bool *)arg;
    uint64_t sum = 0;
    (void)result;
    for (unsigned i = 0, n = scaled(EACH); i < n; i++) {
        int64_t out = i * 3 + 1, in = 0;
        cheng_case cases[SIDES];
        for (int k = 0; k < SIDES; k++)
            cases[k] =
                putting ? cheng_case_put(shared_queues[k], &out) : cheng_case_get(shared_queues[k], &in);
        int which = cheng_select(cases, SIDES);
        assert_in_range(which, 0, SIDES - 1);
        assert_int_equal(cases[which].result, 0);
        sum += (uint64_t)(putting ? out : in);
    }
    __atomic_fetch_add(putting ? &sum_put : &sum_got, sum, __ATOMIC_SEQ_CST);
    return 0;
}

static void exchange_all(enum cheng_kind putters, enum cheng_kind getters)
{
    cheng_task *tasks[2 * SIDES];
    const bool yes = true, no = false;
    for (int i = 0; i < SIDES; i++) {
        tasks[i] = start(putters, exchange, &yes, sizeof yes);
        tasks[SIDES + i] = start(getters, exchange, &no, sizeof no);
    }
    assert_int_equal(cheng_wait_tasks(tasks, 2 * SIDES, 2 * SIDES), 0);
    for (int i = 0; i < 2 * SIDES; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    assert_int_equal(sum_put, sum_got);
    for (int i = 0; i < SIDES; i++) {
        assert_int_equal(cheng_queue_size(shared_queues[i]), 0);
        cheng_queue_free(shared_queues[i]);
    }
}

TEST(many_at_rings)
{
    for (int i = 0; i < SIDES; i++)
        shared_queues[i] = make(8, 1 + (size_t)i);
    exchange_all(CHENG_THREAD, CHENG_COROUTINE);
}

TEST(many_meet)
{
    for (int i = 0; i < SIDES; i++)
        shared_queues[i] = make(8, CHENG_RENDEZVOUS);
    exchange_all(CHENG_COROUTINE, CHENG_THREAD);
}

TEST(many_at_all_kinds)
{
    for (int i = 0; i < SIDES; i++)
        shared_queues[i] = queue_of_kind(i % 3);
    exchange_all(CHENG_THREAD, CHENG_THREAD);
}

TEST(coroutines_at_all_kinds)
{
    for (int i = 0; i < SIDES; i++)
        shared_queues[i] = queue_of_kind((i + 1) % 3);
    exchange_all(CHENG_COROUTINE, CHENG_COROUTINE);
}

/* ---- seen from outside ---- */

static bool seen;

static void look_for_select(const char *line, void *context)
{
    (void)context;
    seen = seen || strstr(line, "waits in select") != NULL;
}

TEST(a_dump_says_so)
{
    struct actor actor;
    cheng_event event = { 0 };
    struct selector selector = selector_of(cheng_case_event(&event), 1);
    actor_start(&actor, IN_COROUTINE, select_first, &selector);
    wait_until_blocked(actor.self, CHENGI_WAIT_SELECT);
    cheng_dump(look_for_select, NULL);
    assert_true(seen);
    cheng_event_set(&event);
    assert_int_equal(actor_join(&actor), 1);
}
