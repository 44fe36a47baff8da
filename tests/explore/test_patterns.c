/* What users write with the library, right and wrong by one line: found as what it is, and not accused. */
#include "explore/explored.h"

#include <stdlib.h>

static cheng_lock lock;

/* ---- a buffer for one item: both sides wait for one condition, and only one is woken ---- */

static cheng_condition changed, not_full, not_empty;
static int item, taken;

static void put(int value, cheng_condition *room, cheng_condition *filled)
{
    CHENG_WITH(&lock) {
        while (item != 0)
            cheng_condition_wait(room, &lock);
        item = value;
        cheng_condition_notify(filled, 1);
    }
}

static void take(cheng_condition *room, cheng_condition *filled)
{
    CHENG_WITH(&lock) {
        while (item == 0)
            cheng_condition_wait(filled, &lock);
        taken += item;
        item = 0;
        cheng_condition_notify(room, 1);
    }
}

static int put_or_take(const void *arg, void *result)
{
    (void)result;
    if (*(const long *)arg < 2)
        take(&not_full, &not_empty);
    else
        put(1, &not_full, &not_empty);
    return 0;
}

static int put_or_take_by_one(const void *arg, void *result)
{
    (void)result;
    if (*(const long *)arg < 2)
        take(&changed, &changed);
    else
        put(1, &changed, &changed);
    return 0;
}

static void four(cheng_fn *function)
{
    cheng_task *tasks[4];
    for (long i = 0; i < 4; i++)
        tasks[i] = start(i % 2 == 0 ? CHENG_THREAD : CHENG_COROUTINE, function, i);
    for (int i = 0; i < 4; i++)
        finish(tasks[i]);
    assert_int_equal(taken, 2);
}

FINDS(CHENG_FOUND_DEADLOCK, one_condition_for_two_sides)
{
    four(put_or_take_by_one);
}

EXPLORED_WITH(a_condition_for_each_side, .schedules = 100000)
{
    four(put_or_take);
}

/* ---- an answer that comes as the one who asked gives up, and frees where it is to be written ---- */

struct question {
    cheng_event answered;
    int answer;
};
static struct question *asked;

static struct question *take_question(void)
{
    struct question *question = asked;
    asked = NULL;
    return question;
}

static void answer(struct question *question)
{
    if (question == NULL)
        return;
    question->answer = 42;
    cheng_event_set(&question->answered);
}

static int answer_with_the_lock(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&lock) {
        answer(take_question());
    }
    return 0;
}

static int answer_after_the_lock(const void *arg, void *result)
{
    struct question *question = NULL;
    (void)arg, (void)result;
    CHENG_WITH(&lock) {
        question = take_question();
    }
    answer(question);
    return 0;
}

static void ask(cheng_fn *answerer)
{
    struct question *question = asked = calloc(1, sizeof *question);
    cheng_task *task = start(CHENG_THREAD, answerer, 0);
    if (cheng_event_wait_until(&question->answered, cheng_after(CHENG_MILLISECOND)) == 0)
        assert_int_equal(question->answer, 42);
    else
        CHENG_WITH(&lock) {
            asked = NULL;
        }
    free(question);
    finish(task);
}

FINDS(CHENG_FOUND_USE_AFTER_FREE, an_answer_after_the_time_out)
{
    ask(answer_after_the_lock);
}

EXPLORED_WITH(an_answer_or_a_time_out, .schedules = 100000)
{
    ask(answer_with_the_lock);
}

/* ---- who is cancelled with an item in its hands ---- */

static cheng_queue *items;
static int seen;

static int take_item(const void *arg, void *result)
{
    int rc = cheng_queue_get(items, &seen);
    (void)arg, (void)result;
    return rc;
}

static int take_item_and_look(const void *arg, void *result)
{
    int got, rc = cheng_queue_get(items, &got);
    (void)arg, (void)result;
    if (rc == 0 && cheng_cancelled())
        rc = -ECANCELED;
    if (rc == 0)
        seen = got;
    return rc;
}

static void put_and_cancel(cheng_fn *taker)
{
    int rc = cheng_queue_new(&items, sizeof(int), &(cheng_queue_options){ .capacity = 1 }), left = 0,
        given = 5;
    assert_int_equal(rc, 0);
    cheng_task *task = start(CHENG_COROUTINE, taker, 0);
    assert_int_equal(cheng_queue_put(items, &given), 0);
    cheng_cancel(task);
    finish(task);
    if (cheng_queue_get_until(items, &left, CHENG_NOW) < 0)
        assert_int_equal(seen, 5);
    cheng_queue_free(items);
}

FINDS(CHENG_FOUND_FAILURE, an_item_lost_by_a_cancel)
{
    put_and_cancel(take_item_and_look);
}

EXPLORED_WITH(an_item_taken_or_a_cancel, .schedules = 100000)
{
    put_and_cancel(take_item);
}

/* ---- a sequence lock: the writer says that it has begun, or only that it is done ---- */

static unsigned sequence, left, right;

static void write_both(unsigned value, bool told)
{
    unsigned before = __atomic_load_n(&sequence, __ATOMIC_SEQ_CST);
    if (told)
        __atomic_store_n(&sequence, before + 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&left, value, __ATOMIC_SEQ_CST);
    __atomic_store_n(&right, value, __ATOMIC_SEQ_CST);
    __atomic_store_n(&sequence, before + 2, __ATOMIC_SEQ_CST);
}

static int write_told(const void *arg, void *result)
{
    (void)arg, (void)result;
    write_both(1, true);
    return 0;
}

static int write_untold(const void *arg, void *result)
{
    (void)arg, (void)result;
    write_both(1, false);
    return 0;
}

static int read_both(const void *arg, void *result)
{
    unsigned before, a, b;
    (void)arg, (void)result;
    do {
        while ((before = __atomic_load_n(&sequence, __ATOMIC_SEQ_CST)) & 1)
            continue;
        a = __atomic_load_n(&left, __ATOMIC_SEQ_CST);
        b = __atomic_load_n(&right, __ATOMIC_SEQ_CST);
    } while (__atomic_load_n(&sequence, __ATOMIC_SEQ_CST) != before);
    assert_int_equal(a, b);
    return 0;
}

static void write_and_read(cheng_fn *writer)
{
    cheng_task *a = start(CHENG_THREAD, writer, 0), *b = start(CHENG_THREAD, read_both, 0);
    finish(a);
    finish(b);
}

FINDS(CHENG_FOUND_FAILURE, a_writer_that_does_not_tell)
{
    write_and_read(write_untold);
}

EXPLORED_WITH(a_sequence_lock, .schedules = 100000)
{
    write_and_read(write_told);
}

/* ---- a cache whose readers share: who takes the lock to write must look again ---- */

static cheng_rwlock cache;
static int cached, computed;

static int look_up(bool again)
{
    int value = 0;
    CHENG_WITH_READ(&cache)
    {
        value = cached;
    }
    if (value == 0)
        CHENG_WITH_WRITE(&cache)
        {
            if (!again || cached == 0) {
                computed++;
                cached = 7;
            }
            value = cached;
        }
    return value;
}

static int look_again(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(look_up(true), 7);
    return 0;
}

static int look_once(const void *arg, void *result)
{
    (void)arg, (void)result;
    assert_int_equal(look_up(false), 7);
    return 0;
}

static void look_both(cheng_fn *function)
{
    cheng_task *a = start(CHENG_THREAD, function, 0), *b = start(CHENG_COROUTINE, function, 0);
    finish(a);
    finish(b);
    assert_int_equal(computed, 1);
}

FINDS(CHENG_FOUND_FAILURE, a_cache_that_does_not_look_again)
{
    look_both(look_once);
}

EXPLORED_WITH(a_cache, .schedules = 100000)
{
    look_both(look_again);
}
