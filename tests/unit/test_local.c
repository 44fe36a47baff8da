/* Task-locals: one value for each task, destroyed at its end. */
#include "unit/actors.h"

#include <pthread.h>
#include <stdatomic.h>

#define FOR_EACH_PLACE(place) for (enum place place = IN_THREAD; place < PLACES; place++)

static atomic_int destroyed;

static void count(void *value)
{
    assert_non_null(value);
    destroyed++;
}

static cheng_local plain, counted = { .destroy = count };

static void set(cheng_local *local, void *value)
{
    assert_int_equal(cheng_local_set(local, value), 0);
}

static int mine_alone(void *context)
{
    assert_null(cheng_local_get(&plain));
    for (intptr_t i = 1; i < 20; i++) {
        set(&plain, (void *)i);
        set(&counted, (char *)context + i);
        cheng_yield();
        assert_ptr_equal(cheng_local_get(&plain), (void *)i);
        assert_ptr_equal(cheng_local_get(&counted), (char *)context + i);
    }
    return 0;
}

TEST(each_task_has_its_own)
{
    enum { EACH = 4 };
    struct actor actors[PLACES][EACH];
    set(&plain, actors);
    FOR_EACH_PLACE(place)
    for (int i = 0; i < EACH; i++)
        actor_start(&actors[place][i], place, mine_alone, &actors[place][i]);
    FOR_EACH_PLACE(place)
    for (int i = 0; i < EACH; i++)
        assert_int_equal(actor_join(&actors[place][i]), 0);
    assert_int_equal(destroyed, PLACES * EACH); /* one value each: those that were replaced are the task's */
    assert_ptr_equal(cheng_local_get(&plain), actors);
    set(&plain, NULL);
    assert_null(cheng_local_get(&plain));
}

static int set_then_take_back(void *context)
{
    set(&counted, context);
    set(&counted, NULL);
    return 0;
}

TEST(a_value_that_was_taken_back)
{
    struct actor actor;
    FOR_EACH_PLACE(place)
    {
        actor_start(&actor, place, set_then_take_back, &actor);
        actor_join(&actor);
    }
    assert_int_equal(destroyed, 0);
}

/* A destructor waits, sees its value gone, and sets others: for ever, if it were let. */
static cheng_local stubborn;

static void set_again(void *value)
{
    assert_null(cheng_local_get(&stubborn));
    cheng_sleep(CHENG_MILLISECOND);
    destroyed++;
    set(&stubborn, value);
}

static int set_stubborn(void *context)
{
    set(&stubborn, context);
    return 0;
}

TEST(a_destructor_that_sets_it_again)
{
    struct actor actor;
    stubborn.destroy = set_again;
    FOR_EACH_PLACE(place)
    {
        destroyed = 0;
        actor_start(&actor, place, set_stubborn, &actor);
        actor_join(&actor);
        assert_int_equal(destroyed, 4);
    }
}

static int told_to_end(void *context, void *value, void **result)
{
    (void)value, (void)result;
    assert_int_equal(cheng_generator_yield(NULL, NULL), -ECANCELED);
    count(context);
    return 0;
}

static void leave_a_coroutine(void *value)
{
    cheng_coroutine *generator;
    assert_int_equal(cheng_coroutine_new(&generator, told_to_end, value, NULL), 0);
    assert_int_equal(cheng_generator_next(generator, NULL, NULL), 0);
    *(cheng_coroutine **)value = generator;
}

static int set_leaving(void *context)
{
    static cheng_local leaving = { .destroy = leave_a_coroutine };
    set(&leaving, context);
    return 0;
}

TEST(a_destructor_that_leaves_a_coroutine)
{
    FOR_EACH_PLACE(place)
    {
        struct actor actor;
        cheng_coroutine *left;
        destroyed = 0;
        actor_start(&actor, place, set_leaving, &left);
        actor_join(&actor);
        assert_int_equal(destroyed, 1); /* it ends with the task, as all do */
        assert_int_equal(cheng_coroutine_free(left), 0);
    }
}

static void *foreign(void *context)
{
    set(&counted, context);
    return NULL;
}

TEST(a_foreign_thread)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, foreign, &destroyed), 0);
    pthread_join(thread, NULL);
    assert_int_equal(destroyed, 1);
}

static int set_many(void *context)
{
    cheng_local *locals = context;
    for (intptr_t i = 0; i < 100; i++)
        set(&locals[i], (void *)(i + 1));
    for (intptr_t i = 0; i < 100; i++)
        assert_ptr_equal(cheng_local_get(&locals[i]), (void *)(i + 1));
    return 0;
}

TEST(many)
{
    static cheng_local locals[1025];
    struct actor actor;
    for (int i = 0; i < 100; i++)
        locals[i].destroy = count;
    FOR_EACH_PLACE(place)
    {
        actor_start(&actor, place, set_many, locals);
        actor_join(&actor);
    }
    assert_int_equal(destroyed, PLACES * 100);
    for (int i = 0; i < 1024; i++)
        set(&locals[i], locals);
    assert_int_equal(cheng_local_set(&locals[1024], locals), -EAGAIN);
    assert_null(cheng_local_get(&locals[1024]));
    cheng_local_drop(&locals[7]);
    set(&locals[1024], &actor); /* in the place of the other, but with a value of its own */
    assert_null(cheng_local_get(&locals[7]));
    for (int i = 0; i < 1025; i++)
        cheng_local_drop(&locals[i]);
}

static int drop_while_set(void *context)
{
    cheng_local *local = context;
    set(local, context);
    cheng_local_drop(local);
    assert_null(cheng_local_get(local));
    cheng_local_drop(local); /* nothing */
    set(&plain, context);    /* takes the place; the old value is not its */
    assert_ptr_equal(cheng_local_get(&plain), context);
    cheng_local_drop(&plain);
    return 0;
}

static int set_next(void *context)
{
    set(context, context);
    return 0;
}

TEST(drop)
{
    struct actor actor;
    static cheng_local local = { .destroy = count }, next;
    set(&local, &actor);
    cheng_local_drop(&local);
    actor_start(&actor, IN_THREAD, set_next, &next); /* has its place now */
    actor_join(&actor);
    assert_null(cheng_local_get(&next));
    FOR_EACH_PLACE(place)
    {
        actor_start(&actor, place, drop_while_set, &local);
        actor_join(&actor);
    }
    assert_int_equal(destroyed, 0);
}
