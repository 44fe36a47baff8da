/* Rows: rlock, once, wait group. */
#include "kill.h"

/* ---- rlock: the lock's rules, and a depth ---- */

static void prepare_rlock(struct stage *stage)
{
    assert_int_equal(cheng_rlock_share(stage->arena, &stage->rlock), 0);
}

/* Who is not told of a death finds nothing half done; and whoever has it has it once. */
static void count_twice_deep(struct stage *stage)
{
    int rc = cheng_rlock_acquire_until(&stage->rlock, CHENG_FOREVER);
    if (rc == -EOWNERDEAD)
        stage->a = stage->b = stage->a > stage->b ? stage->a : stage->b;
    else
        assert_int_equal(rc, 0);
    assert_int_equal(cheng_rlock_acquire_until(&stage->rlock, CHENG_FOREVER), 0);
    assert_int_equal(stage->a, stage->b);
    stage->a++;
    assert_int_equal(cheng_rlock_release(&stage->rlock), 0);
    assert_true(cheng_rlock_locked(&stage->rlock));
    stage->b++;
    assert_int_equal(cheng_rlock_release(&stage->rlock), 0);
    assert_int_equal(cheng_rlock_release(&stage->rlock), -EPERM);
}

static void survivor_counts_twice_deep(struct stage *stage, int who)
{
    (void)who;
    count_twice_deep(stage);
}

static void rlock_counted(struct stage *stage)
{
    count_twice_deep(stage); /* it is to be had, also from the victim */
    assert_true(stage->a == 3 + stage->finished || (stage->a == 4 && !stage->finished));
}

OPERATION(rlock) = {
    .survivors = 2,
    .prepare = prepare_rlock,
    .victim = count_twice_deep,
    .survivor = survivor_counts_twice_deep,
    .check = rlock_counted,
};

/* ---- once ---- */

static void prepare_once(struct stage *stage)
{
    assert_int_equal(cheng_once_share(stage->arena, &stage->once), 0);
}

/* Begun by whoever is at it, completed by one: `a` counts the first, `b` the second. */
static int do_it(void *context)
{
    struct stage *stage = context;
    stage->a++;
    spin(100);
    stage->b = 1;
    return 0;
}

static void have_it_done(struct stage *stage)
{
    assert_int_equal(cheng_once_call(&stage->once, do_it, stage), 0);
    assert_int_equal(READ(stage->b), 1);
}

static void survivor_has_it_done(struct stage *stage, int who)
{
    (void)who;
    have_it_done(stage);
}

static void is_done(struct stage *stage)
{
    assert_true(cheng_once_is_done(&stage->once));
    assert_int_equal(stage->b, 1);
    assert_true(stage->a == 1 || (stage->a == 2 && !stage->finished)); /* again only after a death */
}

OPERATION(once) = {
    .survivors = 2,
    .prepare = prepare_once,
    .victim = have_it_done,
    .survivor = survivor_has_it_done,
    .check = is_done,
};

/* ---- wait group ---- */

static void prepare_group(struct stage *stage)
{
    assert_int_equal(cheng_wait_group_share(stage->arena, &stage->group), 0);
    assert_int_equal(cheng_wait_group_add(&stage->group, 1), 0);
}

static void take_off(struct stage *stage)
{
    assert_int_equal(cheng_wait_group_done(&stage->group), 0);
}

/* What the victim had to do is still to be done. */
static void take_off_if_there(struct stage *stage)
{
    if (cheng_wait_group_count(&stage->group) != 0)
        take_off(stage);
}

static void wait_for_group(struct stage *stage)
{
    assert_int_equal(cheng_wait_group_wait(&stage->group), 0);
}

static void survivor_waits_for_group(struct stage *stage, int who)
{
    (void)who;
    wait_for_group(stage);
}

static void is_zero(struct stage *stage)
{
    assert_int_equal(cheng_wait_group_count(&stage->group), 0);
    assert_int_equal(cheng_wait_group_done(&stage->group), -EPERM);
}

OPERATION(wait_group_done) = {
    .survivors = 2,
    .prepare = prepare_group,
    .victim = take_off,
    .survivor = survivor_waits_for_group,
    .settle = take_off_if_there,
    .check = is_zero,
};

OPERATION(wait_group_wait) = {
    .survivors = 2,
    .prepare = prepare_group,
    .victim = wait_for_group,
    .survivor = survivor_waits_for_group,
    .wake = take_off,
    .check = is_zero,
};
