/* Rows: the allocator, the table of participants, names. That memory is neither lost nor torn is checked after every
 * run of every row, by a walk over the heap. */
#include "kill.h"

#include <signal.h>

#include "arena/heap_lock.h"

enum { SIZE = 100 };

/* ---- the allocator ---- */

/* A hole between two used blocks, in which three of SIZE fit. */
static void prepare_hole(struct stage *stage)
{
    void *blocks[5];
    for (int i = 0; i < 5; i++) {
        blocks[i] = cheng_arena_alloc(stage->arena, SIZE);
        assert_non_null(blocks[i]);
        memset(blocks[i], 0xcc, SIZE);
    }
    for (int i = 1; i < 4; i++)
        assert_int_equal(cheng_arena_release(stage->arena, blocks[i]), 0);
}

static void *zeroed_block(struct stage *stage, size_t size)
{
    unsigned char *block = cheng_arena_alloc(stage->arena, size);
    assert_non_null(block);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(block[i], 0);
    memset(block, 0xbb, size);
    return block;
}

static void survivor_allocates(struct stage *stage, int who)
{
    static const size_t sizes[] = { SIZE, 3 * SIZE, 1, 2000 };
    void *blocks[4];
    (void)who;
    for (int i = 0; i < 4; i++)
        blocks[i] = zeroed_block(stage, sizes[i]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(cheng_arena_release(stage->arena, blocks[i]), 0);
}

/* The block that the victim died with, if it says so. */
static void release_its_block(struct stage *stage)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_arena_release(stage->arena, stage->blocks[i]), 0);
}

static void allocate(struct stage *stage)
{
    stage->blocks[0] = cheng_arena_alloc(stage->arena, SIZE);
}

static void allocate_more_than_the_hole(struct stage *stage)
{
    stage->blocks[0] = cheng_arena_alloc(stage->arena, 4 * SIZE);
}

static void allocate_the_hole(struct stage *stage)
{
    stage->blocks[0] = cheng_arena_alloc(stage->arena, 3 * SIZE);
}

OPERATION(allocate_a_part) = {
    .survivors = 2,
    .prepare = prepare_hole,
    .victim = allocate,
    .survivor = survivor_allocates,
    .check = release_its_block,
    .keeps = GIVEN_BLOCK,
};

OPERATION(allocate_a_whole_block) = {
    .survivors = 2,
    .prepare = prepare_hole,
    .victim = allocate_the_hole,
    .survivor = survivor_allocates,
    .check = release_its_block,
    .keeps = GIVEN_BLOCK,
};

OPERATION(allocate_fresh_memory) = {
    .survivors = 2,
    .prepare = prepare_hole,
    .victim = allocate_more_than_the_hole,
    .survivor = survivor_allocates,
    .check = release_its_block,
    .keeps = GIVEN_BLOCK,
};

/* Dies with the heap's lock, when its block is used already and has not been handed out. */
static void begin_to_allocate(struct stage *stage)
{
    struct heap_tenure tenure;
    unsigned char *block = zeroed_block(stage, SIZE), *first = (unsigned char *)stage->arena->base;
    assert_int_equal(chengi_heap_lock(stage->arena, &tenure), 0);
    chengi_heap_lock_pending(stage->arena, (uint32_t)((size_t)(block - first) / ARENA_UNIT) - 1);
}

static void another_dies(struct stage *stage)
{
    in_a_child_that_dies(begin_to_allocate, stage);
}

OPERATION(allocate_after_a_death) = {
    .survivors = 2,
    .prepare = prepare_hole,
    .ready = another_dies,
    .victim = allocate,
    .survivor = survivor_allocates,
    .check = release_its_block,
    .keeps = GIVEN_BLOCK,
};

/* Fills the hole, and then frees some of it. */
static void fill_hole(struct stage *stage)
{
    for (int i = 0; i < 3; i++)
        stage->blocks[i] = zeroed_block(stage, SIZE);
}

static void release_block(struct stage *stage, int i)
{
    assert_int_equal(cheng_arena_release(stage->arena, stage->blocks[i]), 0);
    stage->blocks[i] = NULL;
}

static void free_both_sides(struct stage *stage)
{
    fill_hole(stage);
    release_block(stage, 0);
    release_block(stage, 2);
}

static void release_the_middle(struct stage *stage)
{
    release_block(stage, 1);
}

static void release_the_rest(struct stage *stage)
{
    for (int i = 0; i < 3; i++) {
        int rc = cheng_arena_release(stage->arena, stage->blocks[i]);
        assert_true(rc == 0 || (i == 1 && rc == -EINVAL)); /* it died before it said that it was free */
    }
}

OPERATION(release_between_free_blocks) = {
    .survivors = 2,
    .prepare = prepare_hole,
    .ready = free_both_sides,
    .victim = release_the_middle,
    .survivor = survivor_allocates,
    .check = release_the_rest,
};

OPERATION(release_between_used_blocks) = {
    .survivors = 2,
    .prepare = prepare_hole,
    .ready = fill_hole,
    .victim = release_the_middle,
    .survivor = survivor_allocates,
    .check = release_the_rest,
};

/* ---- participants: of the other arena, which has a row for the driver and each survivor, and none to lose ---- */

enum { ROWS_OF_OTHER = 4, NAMED_BYTES = 4096 };

static void prepare_named(struct stage *stage)
{
    cheng_arena_options options = { .name = stage->name, .bound = 5 * CHENG_MILLISECOND };
    (void)cheng_arena_unlink(stage->name); /* of a run that failed */
    assert_int_equal(chengi_arena_new_with_rows(&stage->other, NAMED_BYTES, &options, ROWS_OF_OTHER), 0);
    cheng_lock *lock = cheng_arena_alloc(stage->other, sizeof *lock);
    assert_non_null(lock);
    assert_int_equal(cheng_lock_share(stage->other, lock), 0);
    cheng_arena_set_root(stage->other, lock);
}

/* What a fork's child inherits. */
static void detach_other(struct stage *stage)
{
    assert_int_equal(cheng_arena_free(stage->other), 0);
}

static void use_lock_and_detach(cheng_arena *arena)
{
    cheng_lock *lock = cheng_arena_root(arena);
    assert_non_null(lock);
    int rc = cheng_lock_acquire_until(lock, CHENG_FOREVER);
    assert_true(rc == 0 || rc == -EOWNERDEAD);
    assert_int_equal(cheng_lock_release(lock), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
}

static void attach_and_detach(struct stage *stage)
{
    cheng_arena *arena;
    assert_int_equal(cheng_arena_attach(&arena, stage->name), 0);
    use_lock_and_detach(arena);
}

static void survivors_attach_at_once(struct stage *stage, int who)
{
    cheng_arena *arena;
    int rc;
    (void)who;
    detach_other(stage);
    while ((rc = cheng_arena_attach(&arena, stage->name)) == -EUSERS)
        between_looks(); /* the victim has a row still */
    assert_int_equal(rc, 0);
    __atomic_fetch_add(&stage->taken, 1, __ATOMIC_ACQ_REL);
    while (READ(stage->taken) < 2)
        between_looks();
    use_lock_and_detach(arena); /* one of them has the victim's row, and must not be taken for it */
}

static void remove_named(struct stage *stage)
{
    assert_int_equal(cheng_arena_used(stage->other), 16);
    assert_int_equal(cheng_arena_unlink(stage->name), 0);
    detach_other(stage);
}

OPERATION(attach_and_detach_arena) = {
    .survivors = 2,
    .prepare = prepare_named,
    .ready = detach_other,
    .victim = attach_and_detach,
    .survivor = survivors_attach_at_once,
    .check = remove_named,
};

/* ---- names ---- */

static void prepare_name(struct stage *stage)
{
    (void)cheng_arena_unlink(stage->name); /* of a run that failed */
}

static void make_named(struct stage *stage)
{
    cheng_arena *arena;
    cheng_arena_options options = { .name = stage->name };
    assert_int_equal(chengi_arena_new_with_rows(&arena, NAMED_BYTES, &options, ROWS_OF_OTHER), 0);
}

/* There is no half of an arena. */
static bool name_is_sound(struct stage *stage)
{
    cheng_arena *arena;
    int rc = cheng_arena_attach(&arena, stage->name);
    if (rc == -ENOENT)
        return false;
    assert_int_equal(rc, 0);
    void *block = cheng_arena_alloc(arena, 64);
    assert_non_null(block);
    assert_int_equal(cheng_arena_release(arena, block), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
    return true;
}

static void survivor_attaches(struct stage *stage, int who)
{
    (void)who;
    (void)name_is_sound(stage);
}

static void remove_name(struct stage *stage)
{
    bool there = name_is_sound(stage);
    assert_true(there || !stage->finished);
    assert_int_equal(cheng_arena_unlink(stage->name), there ? 0 : -ENOENT);
}

OPERATION(new_named_arena) = {
    .survivors = 2,
    .prepare = prepare_name,
    .victim = make_named,
    .survivor = survivor_attaches,
    .check = remove_name,
};
