/* Items that are done, and those that never will be: task_done and join, dropping; sizes and looks that must be exact
 * while others put and get. */
#include "unit/queues.h"

/* One queue of each making. */
static const cheng_queue_options kinds[] = {
    { .capacity = 64 },
    { .capacity = 0 },
    { .capacity = 64, .order = CHENG_LIFO },
    { .order = CHENG_PRIORITY },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static cheng_queue *make_kind(int kind)
{
    return make_queue_of(sizeof(int64_t), kinds[kind]);
}

/* ---- task_done and join ---- */

TEST(task_done_is_counted)
{
    for (int kind = 0; kind < KINDS; kind++) {
        cheng_queue *queue = make_kind(kind);
        int64_t item = 1;
        assert_int_equal(cheng_queue_join(queue), 0); /* nothing was put */
        assert_int_equal(cheng_queue_task_done(queue), -EINVAL);
        assert_int_equal(cheng_queue_put(queue, &item), 0);
        assert_int_equal(cheng_queue_task_done(queue), -EINVAL); /* not taken yet */
        assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW), -EAGAIN);
        assert_int_equal(cheng_queue_put(queue, &item), 0);
        assert_int_equal(cheng_queue_get(queue, &item), 0);
        assert_int_equal(cheng_queue_task_done(queue), 0);
        assert_int_equal(cheng_queue_task_done(queue), -EINVAL);
        assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW), -EAGAIN);
        assert_int_equal(cheng_queue_get(queue, &item), 0);
        assert_int_equal(cheng_queue_join_until(queue, cheng_after(-1)), -ETIMEDOUT); /* taken, not done */
        assert_int_equal(cheng_queue_task_done(queue), 0);
        assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW), 0);
        assert_int_equal(cheng_queue_put(queue, &item), 0); /* and once more: it can be joined again */
        assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW), -EAGAIN);
        cheng_queue_free(queue);
    }
}

static int join_it(void *context)
{
    return cheng_queue_join(context);
}

TEST(join_waits_for_the_last)
{
    for (int kind = 0; kind < KINDS; kind++) {
        enum { COUNT = 5 };
        cheng_queue *queue = make_kind(kind);
        struct actor joiners[PLACES];
        int64_t item = 1;
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(cheng_queue_put(queue, &item), 0);
        for (enum place place = 0; place < PLACES; place++) {
            actor_start(&joiners[place], place, join_it, queue);
            wait_until_blocked(joiners[place].self, CHENGI_WAIT_DONE);
        }
        for (int i = 0; i < COUNT; i++) {
            for (enum place place = 0; place < PLACES; place++)
                assert_true(cheng_task_is_alive(joiners[place].self));
            assert_int_equal(cheng_queue_get(queue, &item), 0);
            assert_int_equal(cheng_queue_task_done(queue), 0);
        }
        for (enum place place = 0; place < PLACES; place++)
            assert_int_equal(actor_join(&joiners[place]), 0);
        cheng_queue_free(queue);
    }
}

/* PP31: a worker takes an item and is never done with it; Python's join() has no time-out, and would wait for ever. */
TEST(join_has_a_deadline)
{
    for (int kind = 0; kind < KINDS; kind++) {
        cheng_queue *queue = make_kind(kind);
        struct actor joiner;
        assert_int_equal(put_one(queue), 0);
        assert_int_equal(get_one(queue), 0);
        int64_t begun = cheng_clock_ns();
        assert_int_equal(cheng_queue_join_until(queue, cheng_after(3 * CHENG_MILLISECOND)), -ETIMEDOUT);
        assert_true(cheng_clock_ns() - begun >= 3 * CHENG_MILLISECOND);
        actor_start(&joiner, (enum place)(kind % PLACES), join_it, queue);
        wait_until_blocked(joiner.self, CHENGI_WAIT_DONE);
        cheng_cancel(joiner.self);
        assert_int_equal(actor_join(&joiner), -ECANCELED);
        cheng_queue_free(queue);
    }
}

struct work {
    cheng_queue *queue;
    uint32_t done;       /* atomic */
    uint64_t results[8]; /* plain: join orders */
    uint32_t next;       /* atomic */
};

static int work_until_closed(void *context)
{
    struct work *work = context;
    unsigned me = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED);
    int64_t item;
    int rc;
    while ((rc = cheng_queue_get(work->queue, &item)) == 0) {
        work->results[me] += (uint64_t)item;
        assert_int_equal(cheng_queue_task_done(work->queue), 0);
    }
    return rc;
}

/* Again and again: all workers' plain results are seen after join. */
TEST(join_orders)
{
    for (int kind = 0; kind < KINDS; kind++) {
        enum { WORKERS = 6 };
        struct work work = { .queue = make_kind(kind) };
        struct actor workers[WORKERS];
        uint64_t expected = 0;
        for (unsigned i = 0; i < WORKERS; i++)
            actor_start(&workers[i], (enum place)(i % PLACES), work_until_closed, &work);
        for (unsigned round = 0; round < scaled(500); round++) {
            uint64_t sum = 0;
            for (int64_t item = 1; item <= 1 + round % 9; item++, expected += (uint64_t)item - 1)
                assert_int_equal(cheng_queue_put(work.queue, &item), 0);
            assert_int_equal(cheng_queue_join(work.queue), 0);
            for (unsigned i = 0; i < WORKERS; i++)
                sum += work.results[i];
            assert_int_equal(sum, expected);
        }
        cheng_queue_close(work.queue);
        for (unsigned i = 0; i < WORKERS; i++)
            assert_int_equal(actor_join(&workers[i]), -EPIPE);
        cheng_queue_free(work.queue);
    }
}

/* ---- dropping ---- */

TEST(close_and_drop)
{
    for (int kind = 0; kind < KINDS; kind++) {
        cheng_queue *queue = make_kind(kind);
        struct actor joiner;
        int64_t item;
        for (int i = 0; i < 10; i++)
            assert_int_equal(put_one(queue), 0);
        assert_int_equal(get_one(queue), 0);
        actor_start(&joiner, IN_THREAD, join_it, queue);
        wait_until_blocked(joiner.self, CHENGI_WAIT_DONE);
        cheng_queue_close_and_drop(queue);
        assert_int_equal(cheng_queue_size(queue), 0);
        assert_int_equal(cheng_queue_get(queue, &item), -EPIPE);
        assert_int_equal(cheng_queue_put(queue, &item), -EPIPE);
        assert_int_equal(cheng_queue_peek(queue, &item), -EPIPE);
        assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW),
                         -EAGAIN); /* what was taken is still to be done */
        assert_int_equal(cheng_queue_task_done(queue), 0);
        assert_int_equal(actor_join(&joiner), 0);
        assert_int_equal(cheng_queue_task_done(queue), -EINVAL);
        cheng_queue_close_and_drop(queue);
        cheng_queue_free(queue);
    }
}

TEST(dropping_wakes_joiners)
{
    for (int kind = 0; kind < KINDS; kind++) {
        cheng_queue *queue = make_kind(kind);
        struct actor joiner;
        assert_int_equal(put_one(queue), 0);
        actor_start(&joiner, (enum place)(kind % PLACES), join_it, queue);
        wait_until_blocked(joiner.self, CHENGI_WAIT_DONE);
        cheng_queue_close_and_drop(queue);
        assert_int_equal(actor_join(&joiner), 0);
        cheng_queue_free(queue);
    }
}

/* Closed first, dropped later: what was left is gone. */
TEST(closed_then_dropped)
{
    for (int kind = 0; kind < KINDS; kind++) {
        cheng_queue *queue = make_kind(kind);
        int64_t item;
        assert_int_equal(put_one(queue), 0);
        cheng_queue_close(queue);
        assert_int_equal(cheng_queue_size(queue), 1);
        cheng_queue_close_and_drop(queue);
        assert_int_equal(cheng_queue_get(queue, &item), -EPIPE);
        assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW), 0);
        cheng_queue_free(queue);
    }
}

static int put_until_closed(void *context)
{
    int64_t item = 1;
    int rc, count = 0;
    while ((rc = cheng_queue_put(context, &item)) == 0)
        count++;
    assert_int_equal(rc, -EPIPE);
    return count;
}

static int get_until_closed(void *context)
{
    int64_t item;
    int rc, count = 0;
    while ((rc = cheng_queue_get(context, &item)) == 0)
        count++;
    assert_int_equal(rc, -EPIPE);
    return count;
}

/* In the midst of traffic: every item is taken once or dropped once, and who only drops has nothing left to do. */
TEST(dropped_in_the_midst)
{
    for (unsigned round = 0; round < scaled(200); round++) {
        cheng_queue *queue = make_kind((int)(round % KINDS));
        struct actor putters[2], getter;
        int put = 0, got;
        for (unsigned i = 0; i < 2; i++)
            actor_start(&putters[i], (enum place)(i + round % 2), put_until_closed, queue);
        actor_start(&getter, IN_THREAD, get_until_closed, queue);
        cheng_queue_close_and_drop(queue);
        for (unsigned i = 0; i < 2; i++)
            put += actor_join(&putters[i]);
        got = actor_join(&getter);
        assert_true(got <= put);
        assert_int_equal(cheng_queue_size(queue), 0);
        for (int i = 0; i < got; i++)
            assert_int_equal(cheng_queue_task_done(queue), 0);
        assert_int_equal(cheng_queue_task_done(queue), -EINVAL);
        assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW), 0);
        cheng_queue_free(queue);
    }
}

/* ---- exact while others are at it ---- */

struct traffic {
    cheng_queue *queue;
    uint32_t stop; /* atomic */
};

enum { WORDS = 1000 }; /* so that a look takes about as long as a put and a get */

struct wide {
    int64_t words[WORDS];
};

static int move_items(void *context)
{
    struct traffic *traffic = context;
    struct wide in, out;
    for (int64_t n = 0; !__atomic_load_n(&traffic->stop, __ATOMIC_RELAXED); n++) {
        for (int i = 0; i < WORDS; i++)
            in.words[i] = n;
        assert_int_equal(cheng_queue_put(traffic->queue, &in), 0);
        assert_int_equal(cheng_queue_get(traffic->queue, &out), 0);
    }
    return 0;
}

/* PP31: qsize() that is off by what happens meanwhile. Three items stay; one more comes and goes all the time. */
static void look_on(cheng_queue_options options, bool peeks)
{
    struct wide seen = { { 0 } };
    struct traffic traffic = { .queue = make_queue_of(sizeof seen, options) };
    struct actor mover;
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_queue_put(traffic.queue, &seen), 0);
    actor_start(&mover, IN_THREAD, move_items, &traffic);
    for (unsigned i = 0; i < scaled(20000); i++) {
        if (peeks) {
            assert_int_equal(cheng_queue_peek(traffic.queue, &seen), 0);
            for (int k = 1; k < WORDS; k++)
                assert_int_equal(seen.words[k], seen.words[0]);
        } else {
            assert_in_range(cheng_queue_size(traffic.queue), 3, 4);
        }
    }
    __atomic_store_n(&traffic.stop, 1, __ATOMIC_RELAXED);
    assert_int_equal(actor_join(&mover), 0);
    cheng_queue_free(traffic.queue);
}

TEST(size_is_exact)
{
    for (int kind = 0; kind < KINDS; kind++)
        look_on(kinds[kind], false);
}

TEST(what_is_seen_is_whole)
{
    look_on((cheng_queue_options){ .capacity = 4 }, true); /* four slots: soon written again */
    for (int kind = 0; kind < KINDS; kind++)
        look_on(kinds[kind], true);
}

/* ---- in an arena ---- */

TEST(what_an_arena_has_not)
{
    cheng_arena *arena;
    cheng_queue *queue, *const untouched = (cheng_queue *)&errno;
    assert_int_equal(cheng_arena_new(&arena, 1 << 16, NULL), 0);
    cheng_queue_options wrong[] = { { .capacity = 4, .order = CHENG_LIFO },
                                    { .capacity = 4, .order = CHENG_PRIORITY },
                                    { .capacity = 0 },
                                    { .capacity = CHENG_RENDEZVOUS } };
    queue = untouched;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        wrong[i].arena = arena;
        assert_int_equal(cheng_queue_new(&queue, 8, &wrong[i]), -ENOTSUP);
    }
    assert_ptr_equal(queue, untouched);
    queue = make_queue_of(sizeof(int64_t), (cheng_queue_options){ .capacity = 4, .arena = arena });
    int64_t item = 1;
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    assert_int_equal(cheng_queue_peek(queue, &item), -ENOTSUP);
    assert_int_equal(cheng_queue_task_done(queue), -ENOTSUP);
    assert_int_equal(cheng_queue_join(queue), -ENOTSUP);
    assert_int_equal(cheng_queue_join_until(queue, CHENG_NOW), -ENOTSUP);
    cheng_queue_close_and_drop(queue); /* it has this */
    assert_int_equal(cheng_queue_size(queue), 0);
    assert_int_equal(cheng_queue_get(queue, &item), -EPIPE);
    cheng_queue_free(queue);
    cheng_arena_free(arena);
}
