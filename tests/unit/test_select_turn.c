/* A select has its place among those who wait for the same: behind who came before. */
#include "unit/sockets.h"

static cheng_semaphore units;
static cheng_queue *ring;

static int acquire(void *unused)
{
    (void)unused;
    return cheng_semaphore_acquire_until(&units, cheng_after(20 * CHENG_SECOND));
}

static int get(void *unused)
{
    int64_t got;
    (void)unused;
    return cheng_queue_get_until(ring, &got, cheng_after(20 * CHENG_SECOND));
}

static int select_it(void *c)
{
    return cheng_select_until(c, 1, cheng_after(20 * CHENG_SECOND));
}

static void give_unit(void)
{
    assert_int_equal(cheng_semaphore_release(&units, 1), 0);
}

static void put_item(void)
{
    const int64_t item = 7;
    assert_int_equal(cheng_queue_put(ring, &item), 0);
}

/* Behind who waits there another does, too. */
static bool two_wait_for(const uint32_t *word)
{
    struct bucket *bucket = chengi_lot_lock(word);
    const struct waiter *first = chengi_lot_first(bucket, word);
    bool two = first != NULL && first->next != first;
    chengi_lot_unlock(bucket);
    return two;
}

/* One waits, then one selects: the first `give` is the first one's. */
static void in_turn(int (*wait)(void *), enum wait_kind kind, cheng_case c, void (*give)(void))
{
    EACH_PLACE(place)
    {
        struct actor first, second;
        actor_start(&first, (enum place)place, wait, NULL);
        wait_until_blocked(first.self, kind);
        actor_start(&second, (enum place)place, select_it, &c);
        while (!two_wait_for(first.self->word))
            cheng_yield();
        give();
        assert_int_equal(actor_join(&first), 0);
        assert_true(task_waits(second.self, CHENGI_WAIT_SELECT));
        give();
        assert_int_equal(actor_join(&second), 0);
    }
}

TEST(units)
{
    in_turn(acquire, CHENGI_WAIT_SEMAPHORE, cheng_case_semaphore(&units), give_unit);
}

TEST(items)
{
    int64_t got = 0;
    assert_int_equal(cheng_queue_new(&ring, sizeof got, &(cheng_queue_options){ .capacity = 2 }), 0);
    in_turn(get, CHENGI_WAIT_GET, cheng_case_get(ring, &got), put_item);
    cheng_queue_free(ring);
}
