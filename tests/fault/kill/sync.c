/* Rows: lock, condition, event, semaphore. */
#include "kill.h"

#include "arena/arena.h"

/* ---- lock ---- */

static void prepare_lock(struct stage *stage)
{
    assert_int_equal(cheng_lock_share(stage->arena, &stage->lock), 0);
}

/* With what an acquire or a wait has returned, as the holder. Who is not told of a death finds nothing half done. */
static void enter(struct stage *stage, int rc)
{
    if (rc == -EOWNERDEAD) {
        stage->took_over++;
        stage->a = stage->b = stage->a > stage->b ? stage->a : stage->b; /* the repair */
    } else
        assert_int_equal(rc, 0);
    assert_int_equal(stage->a, stage->b);
}

/* All acquire at one line: its text is in the arena, written by one of them. */
static int try_acquire(struct stage *stage, cheng_deadline deadline)
{
    return cheng_lock_acquire_until(&stage->lock, deadline);
}

static void acquire(struct stage *stage)
{
    enter(stage, try_acquire(stage, CHENG_FOREVER));
}

static void release(struct stage *stage)
{
    assert_int_equal(cheng_lock_release(&stage->lock), 0);
}

static void count_and_release(struct stage *stage)
{
    stage->a++;
    spin(100);
    stage->b++;
    release(stage);
}

static void count(struct stage *stage)
{
    acquire(stage);
    count_and_release(stage);
}

static void survivor_counts(struct stage *stage, int who)
{
    (void)who;
    count(stage);
}

/* Or the victim's still, when all survivors had ended before it. */
static void is_free(struct stage *stage)
{
    struct arena_view view;
    char site[64];
    enter(stage, try_acquire(stage, CHENG_NOW));
    assert_int_equal(chengi_arena_view(stage->arena, &view), 0);
    assert_true(chengi_arena_site_text(&view, stage->lock.holder & 0x1ff, site, sizeof site));
    assert_non_null(strstr(site, "sync.c:"));
    release(stage);
    assert_false(cheng_lock_locked(&stage->lock));
}

static void counted(struct stage *stage)
{
    is_free(stage);
    assert_int_equal(stage->a, stage->b);
    assert_true(stage->took_over <= 1);
    assert_true(stage->a == 2 + stage->finished || (stage->a == 3 && !stage->finished));
}

OPERATION(lock) = {
    .survivors = 2,
    .prepare = prepare_lock,
    .victim = count,
    .survivor = survivor_counts,
    .check = counted,
};

OPERATION(lock_release) = {
    .survivors = 2,
    .prepare = prepare_lock,
    .ready = acquire,
    .victim = count_and_release,
    .survivor = survivor_counts,
    .check = counted,
};

static void coroutine_counts(struct stage *stage, int who)
{
    as_coroutine(survivor_counts, stage, who);
}

OPERATION(lock_release_to_coroutines) = {
    .survivors = 2,
    .prepare = prepare_lock,
    .ready = acquire,
    .victim = count_and_release,
    .survivor = coroutine_counts,
    .check = counted,
};

static void prepare_held_lock(struct stage *stage)
{
    prepare_lock(stage);
    acquire(stage);
}

OPERATION(lock_contended) = {
    .survivors = 2,
    .prepare = prepare_held_lock,
    .victim = count,
    .survivor = survivor_counts,
    .wake = release,
    .check = counted,
};

static void acquire_in_vain(struct stage *stage)
{
    assert_int_equal(try_acquire(stage, cheng_after(SOON)), -ETIMEDOUT);
}

static void only_survivors_counted(struct stage *stage)
{
    is_free(stage);
    assert_int_equal(stage->took_over, 0);
    assert_int_equal(stage->a, 2);
    assert_int_equal(stage->b, 2);
}

OPERATION(lock_timed_out) = {
    .survivors = 2,
    .prepare = prepare_held_lock,
    .victim = acquire_in_vain,
    .survivor = survivor_counts,
    .settle = release,
    .check = only_survivors_counted,
};

/* It wakes a victim that finds the lock held again, so that after a millisecond it has the next one reserved for it. */
static void wake_in_vain_and_then(struct stage *stage)
{
    bool in_vain = stage->given++ == 0;
    release(stage);
    if (in_vain)
        acquire(stage);
    usleep(1500); /* the millisecond; a longer one would do as well */
}

OPERATION(lock_starved) = {
    .survivors = 2,
    .prepare = prepare_held_lock,
    .victim = count,
    .survivor = survivor_counts,
    .wake = wake_in_vain_and_then,
    .wakes = 2,
    .check = counted,
};

static void begin_to_count(struct stage *stage)
{
    acquire(stage);
    stage->a++;
}

static void prepare_dead_lock(struct stage *stage)
{
    prepare_lock(stage);
    in_a_child_that_dies(begin_to_count, stage);
}

static void counted_after_one(struct stage *stage)
{
    is_free(stage);
    assert_int_equal(stage->a, stage->b);
    assert_true(stage->took_over == 1 || stage->took_over == 2);
    assert_true(stage->a == 3 + stage->finished || (stage->a == 4 && !stage->finished));
}

OPERATION(lock_of_a_dead) = {
    .survivors = 2,
    .prepare = prepare_dead_lock,
    .victim = count,
    .survivor = survivor_counts,
    .check = counted_after_one,
};

/* ---- condition: whoever waits takes a token ---- */

static void prepare_condition(struct stage *stage)
{
    prepare_lock(stage);
    assert_int_equal(cheng_condition_share(stage->arena, &stage->condition), 0);
}

static void take_token(struct stage *stage)
{
    acquire(stage);
    while (stage->tokens == 0)
        enter(stage, cheng_condition_wait(&stage->condition, &stage->lock));
    stage->a++;
    WRITE(stage->tokens, stage->tokens - 1);
    WRITE(stage->taken, stage->taken + 1);
    stage->b++;
    release(stage);
}

static void survivor_takes_token(struct stage *stage, int who)
{
    (void)who;
    take_token(stage);
}

static void give(struct stage *stage, uint32_t tokens, unsigned notify)
{
    acquire(stage);
    stage->a++;
    WRITE(stage->tokens, tokens);
    stage->b++;
    cheng_condition_notify(&stage->condition, notify);
    release(stage);
}

static void give_token(struct stage *stage)
{
    give(stage, 1, 1);
}

static void give_tokens(struct stage *stage)
{
    give(stage, 2, UINT_MAX);
}

static bool has_no_token(struct stage *stage)
{
    acquire(stage);
    bool none = stage->tokens + stage->taken == 0;
    release(stage);
    return none;
}

/* Waits are not notified of what the victim has given: they must see it by themselves. */
static void give_token_if_none(struct stage *stage)
{
    if (has_no_token(stage))
        give_token(stage);
}

static void give_tokens_if_none(struct stage *stage)
{
    if (has_no_token(stage))
        give_tokens(stage);
}

static void one_token_taken(struct stage *stage)
{
    is_free(stage);
    assert_int_equal(stage->tokens, 0);
    assert_int_equal(stage->taken, 1);
}

static void two_tokens_taken(struct stage *stage)
{
    is_free(stage);
    assert_int_equal(stage->tokens, 0);
    assert_int_equal(stage->taken, 2);
}

OPERATION(condition_notify) = {
    .survivors = 1,
    .prepare = prepare_condition,
    .victim = give_token,
    .survivor = survivor_takes_token,
    .settle = give_token_if_none,
    .check = one_token_taken,
};

OPERATION(condition_notify_all) = {
    .survivors = 2,
    .prepare = prepare_condition,
    .victim = give_tokens,
    .survivor = survivor_takes_token,
    .settle = give_tokens_if_none,
    .check = two_tokens_taken,
};

/* The victim may die between taking a token and counting it. */
static void at_most_one_token_lost(struct stage *stage)
{
    is_free(stage);
    uint32_t accounted = stage->tokens + stage->taken;
    assert_true(accounted == 2 || (accounted == 1 && !stage->finished));
    assert_true(stage->taken == 2 || (stage->taken == 1 && !stage->finished));
}

OPERATION(condition_wait) = {
    .survivors = 1,
    .prepare = prepare_condition,
    .victim = take_token,
    .survivor = survivor_takes_token,
    .wake = give_tokens,
    .check = at_most_one_token_lost,
};

static void wait_in_vain(struct stage *stage)
{
    cheng_deadline deadline = cheng_after(SOON);
    int rc = 0;
    acquire(stage);
    while (rc == 0 && stage->tokens == 0)
        rc = cheng_condition_wait_until(&stage->condition, &stage->lock, deadline);
    assert_int_equal(rc, -ETIMEDOUT);
    release(stage);
}

OPERATION(condition_timed_out) = {
    .survivors = 1,
    .prepare = prepare_condition,
    .victim = wait_in_vain,
    .survivor = survivor_takes_token,
    .settle = give_token_if_none,
    .check = one_token_taken,
};

/* ---- event ---- */

static void prepare_event(struct stage *stage)
{
    assert_int_equal(cheng_event_share(stage->arena, &stage->event), 0);
}

static void set(struct stage *stage)
{
    cheng_event_set(&stage->event);
}

static void set_if_clear(struct stage *stage)
{
    if (!cheng_event_is_set(&stage->event))
        set(stage);
}

static void wait_for_event(struct stage *stage)
{
    assert_int_equal(cheng_event_wait(&stage->event), 0);
}

static void survivor_waits_for_event(struct stage *stage, int who)
{
    (void)who;
    wait_for_event(stage);
}

static void is_set(struct stage *stage)
{
    assert_true(cheng_event_is_set(&stage->event));
}

OPERATION(event_set) = {
    .survivors = 2,
    .prepare = prepare_event,
    .victim = set,
    .survivor = survivor_waits_for_event,
    .settle = set_if_clear,
    .check = is_set,
};

static void coroutine_waits_for_event(struct stage *stage, int who)
{
    as_coroutine(survivor_waits_for_event, stage, who);
}

OPERATION(event_set_for_coroutines) = {
    .survivors = 2,
    .prepare = prepare_event,
    .victim = set,
    .survivor = coroutine_waits_for_event,
    .settle = set_if_clear,
    .check = is_set,
};

OPERATION(event_wait) = {
    .survivors = 2,
    .prepare = prepare_event,
    .victim = wait_for_event,
    .survivor = survivor_waits_for_event,
    .wake = set,
    .check = is_set,
};

/* ---- semaphore ---- */

static void prepare_semaphore(struct stage *stage)
{
    assert_int_equal(cheng_semaphore_share(stage->arena, &stage->semaphore, 0), 0);
}

static void prepare_full_semaphore(struct stage *stage)
{
    assert_int_equal(cheng_semaphore_share(stage->arena, &stage->semaphore, 3), 0);
}

static void give_units(struct stage *stage)
{
    assert_int_equal(cheng_semaphore_release(&stage->semaphore, 3), 0);
}

/* One of the three is left when both survivors have theirs, so 0 means that none was given. */
static void give_units_if_none(struct stage *stage)
{
    if (cheng_semaphore_value(&stage->semaphore) == 0)
        give_units(stage);
}

static void acquire_unit(struct stage *stage)
{
    assert_int_equal(cheng_semaphore_acquire(&stage->semaphore), 0);
}

static void survivor_acquires_unit(struct stage *stage, int who)
{
    (void)who;
    acquire_unit(stage);
}

static void one_unit_left(struct stage *stage)
{
    assert_int_equal(cheng_semaphore_value(&stage->semaphore), 1);
}

/* The victim may have had the third when it died; a unit is a signal, and does not come back. */
static void one_unit_left_or_lost(struct stage *stage)
{
    unsigned left = cheng_semaphore_value(&stage->semaphore);
    assert_true(left == 0 || (left == 1 && !stage->finished));
}

OPERATION(semaphore_release) = {
    .survivors = 2,
    .prepare = prepare_semaphore,
    .victim = give_units,
    .survivor = survivor_acquires_unit,
    .settle = give_units_if_none,
    .check = one_unit_left,
};

OPERATION(semaphore_acquire) = {
    .survivors = 2,
    .prepare = prepare_full_semaphore,
    .victim = acquire_unit,
    .survivor = survivor_acquires_unit,
    .check = one_unit_left_or_lost,
};

OPERATION(semaphore_wait) = {
    .survivors = 2,
    .prepare = prepare_semaphore,
    .victim = acquire_unit,
    .survivor = survivor_acquires_unit,
    .wake = give_units,
    .check = one_unit_left_or_lost,
};

static void acquire_unit_in_vain(struct stage *stage)
{
    cheng_deadline deadline = cheng_after(SOON);
    assert_int_equal(cheng_semaphore_acquire_until(&stage->semaphore, deadline), -ETIMEDOUT);
}

OPERATION(semaphore_timed_out) = {
    .survivors = 2,
    .prepare = prepare_semaphore,
    .victim = acquire_unit_in_vain,
    .survivor = survivor_acquires_unit,
    .settle = give_units,
    .check = one_unit_left,
};

/* ---- sharing: the kind is written last, so that who sees it may use the object ---- */

static void prepare_nothing(struct stage *stage)
{
    /* what another object has left there */
    memset(&stage->lock, 0xee, sizeof stage->lock);
    memset(&stage->condition, 0xee, sizeof stage->condition);
    memset(&stage->event, 0xee, sizeof stage->event);
    memset(&stage->semaphore, 0xee, sizeof stage->semaphore);
    stage->lock.kind = stage->condition.kind = stage->event.kind = stage->semaphore.kind = 0;
}

static void share_all(struct stage *stage)
{
    assert_int_equal(cheng_lock_share(stage->arena, &stage->lock), 0);
    assert_int_equal(cheng_condition_share(stage->arena, &stage->condition), 0);
    assert_int_equal(cheng_event_share(stage->arena, &stage->event), 0);
    assert_int_equal(cheng_semaphore_share(stage->arena, &stage->semaphore, 3), 0);
}

static void use_what_is_shared(struct stage *stage, int who)
{
    (void)who;
    if (READ(stage->semaphore.kind) != 0)
        assert_int_equal(cheng_semaphore_acquire_until(&stage->semaphore, CHENG_NOW), 0);
    if (READ(stage->event.kind) != 0)
        assert_false(cheng_event_is_set(&stage->event));
    if (READ(stage->lock.kind) == 0)
        return;
    count(stage);
    if (READ(stage->condition.kind) == 0)
        return;
    acquire(stage);
    int rc = cheng_condition_wait_until(&stage->condition, &stage->lock, cheng_after(CHENG_MILLISECOND));
    assert_true(rc == 0 || rc == -ETIMEDOUT);
    release(stage);
}

static void share_the_rest(struct stage *stage)
{
    share_all(stage);
    use_what_is_shared(stage, 0);
    assert_int_equal(stage->took_over, 0);
}

OPERATION(share) = {
    .survivors = 2,
    .prepare = prepare_nothing,
    .victim = share_all,
    .survivor = use_what_is_shared,
    .check = share_the_rest,
};
