/* The allocator of an arena. */
#include "unit/arenas.h"

#include "arena/heap_lock.h"

TEST(blocks_are_zeroed_and_aligned)
{
    cheng_arena *arena = make(SIZE);
    void *blocks[64];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 64; i++) {
            unsigned char *block = cheng_arena_alloc(arena, i * 7);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 16, 0);
            for (size_t j = 0; j < i * 7; j++)
                assert_int_equal(block[j], 0);
            memset(block, 0xff, i * 7);
            blocks[i] = block;
        }
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(cheng_arena_release(arena, blocks[(i * 29) % 64]), 0);
        assert_int_equal(cheng_arena_used(arena), 0);
    }
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(release_checks_its_argument)
{
    cheng_arena *arena = make(SIZE);
    char *block = cheng_arena_alloc(arena, 100), *next = cheng_arena_alloc(arena, 100);
    assert_int_equal(cheng_arena_release(arena, NULL), 0);
    assert_int_equal(cheng_arena_release(arena, block + 16), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, block + 1), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, arena->base), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, arena->base + arena->size), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, &arena), -EINVAL);
    assert_int_equal(cheng_arena_release(NULL, block), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, block), 0);
    assert_int_equal(cheng_arena_release(arena, block), -EINVAL); /* twice */
    assert_int_equal(cheng_arena_release(arena, next), 0);
    assert_int_equal(cheng_arena_release(arena, next), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, block), -EINVAL);
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(full_and_empty_again)
{
    cheng_arena *arena = make(1 << 16);
    void *blocks[8192];
    assert_null(cheng_arena_alloc(arena, 1 << 17));
    assert_null(cheng_arena_alloc(arena, SIZE_MAX));
    for (int round = 0; round < 3; round++) {
        int made = 0;
        while (made < 8192 && (blocks[made] = cheng_arena_alloc(arena, 8)) != NULL)
            made++;
        assert_true(made > 2000);
        assert_true(cheng_arena_used(arena) - (size_t)made * 16 <= 16); /* the last may be a little larger */
        for (int i = 0; i < made; i += 2)
            assert_int_equal(cheng_arena_release(arena, blocks[i]), 0);
        assert_null(cheng_arena_alloc(arena, 64)); /* the holes are too small */
        for (int i = 1; i < made; i += 2)
            assert_int_equal(cheng_arena_release(arena, blocks[i]), 0);
        void *all = cheng_arena_alloc(arena, 1 << 16); /* they have grown together */
        assert_non_null(all);
        assert_int_equal(cheng_arena_release(arena, all), 0);
    }
    assert_int_equal(cheng_arena_free(arena), 0);
}

struct held {
    unsigned char *block;
    size_t size;
    unsigned char fill;
};

/* Random allocations against a model: contents stay, blocks do not overlap, all of it comes back. */
static void churn(cheng_arena *arena, uint64_t *random, int steps, struct held *held, unsigned slots)
{
    for (int step = 0; step < steps; step++) {
        struct held *slot = &held[next_random(random) % slots];
        if (slot->block != NULL) {
            for (size_t i = 0; i < slot->size; i++)
                assert_int_equal(slot->block[i], slot->fill);
            assert_int_equal(cheng_arena_release(arena, slot->block), 0);
            slot->block = NULL;
            continue;
        }
        slot->size = next_random(random) % (next_random(random) % 8 == 0 ? 4000 : 200) + 1;
        slot->fill = (unsigned char)next_random(random);
        slot->block = cheng_arena_alloc(arena, slot->size);
        if (slot->block == NULL)
            continue;
        for (size_t i = 0; i < slot->size; i++)
            assert_int_equal(slot->block[i], 0);
        memset(slot->block, slot->fill, slot->size);
    }
}

static void release_all(cheng_arena *arena, struct held *held, unsigned slots)
{
    for (unsigned i = 0; i < slots; i++)
        if (held[i].block != NULL)
            assert_int_equal(cheng_arena_release(arena, held[i].block), 0);
}

TEST(random_allocations)
{
    uint64_t random = test_seed();
    cheng_arena *arena = make(1 << 17);
    struct held held[200] = { 0 };
    churn(arena, &random, 40000, held, 200);
    release_all(arena, held, 200);
    assert_int_equal(cheng_arena_used(arena), 0);
    assert_non_null(cheng_arena_alloc(arena, 1 << 17));
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(processes_allocate_at_once)
{
    uint64_t random = test_seed();
    cheng_arena *arena;
    cheng_arena_options options = { .bound = 3600 * CHENG_SECOND }; /* a lost wake-up would be a hang */
    assert_int_equal(cheng_arena_new(&arena, 1 << 18, &options), 0);
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        random += 77;
        if ((children[i] = fork()) == 0) {
            struct held held[50] = { 0 };
            churn(arena, &random, 8000, held, 50);
            release_all(arena, held, 50);
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++)
        wait_for(children[i]);
    assert_int_equal(cheng_arena_used(arena), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(who_waits_for_the_allocator_is_woken)
{
    cheng_arena *arena;
    cheng_arena_options options = { .bound = 3600 * CHENG_SECOND };
    assert_int_equal(cheng_arena_new(&arena, SIZE, &options), 0);
    struct heap_tenure tenure;
    pid_t children[3];
    assert_int_equal(chengi_heap_lock(arena, &tenure), 0);
    for (int i = 0; i < 3; i++)
        if ((children[i] = fork()) == 0)
            _exit(cheng_arena_alloc(arena, 100) == NULL);
    for (int i = 0; i < 3; i++)
        while (!is_asleep(children[i]))
            between_looks();
    assert_true(load_relaxed(&chengi_header(arena)->heap) & 1); /* somebody waits */
    chengi_heap_unlock(arena);
    for (int i = 0; i < 3; i++)
        wait_for(children[i]);
    assert_int_equal(cheng_arena_used(arena), 3 * 112);
    assert_int_equal(cheng_arena_free(arena), 0);
}

/* What a process leaves that is killed in the allocator: the lock with its word, a pending block, no cache. */
TEST(allocator_of_the_dead_is_repaired)
{
    cheng_arena *arena = make(1 << 16);
    struct arena_header *header = chengi_header(arena);
    char *kept = cheng_arena_alloc(arena, 100), *released = cheng_arena_alloc(arena, 200);
    char *pending = cheng_arena_alloc(arena, 300);
    assert_int_equal(cheng_arena_release(arena, released), 0);
    IN_CHILD
    {
        struct heap_tenure tenure;
        assert_int_equal(chengi_heap_lock(arena, &tenure), 0);
        assert_false(tenure.died);
        chengi_heap_lock_pending(arena, (uint32_t)((pending - (char *)arena->base) / 16 - 1));
        memset(header->bins, 0xee, sizeof header->bins);
        header->used = 4711;
    }
    void *other = cheng_arena_alloc(arena, 10);
    assert_non_null(other);
    assert_int_equal(cheng_arena_used(arena), 112 + 16);
    assert_int_equal(cheng_arena_release(arena, pending), -EINVAL); /* it was given back with its taker */
    assert_int_equal(cheng_arena_release(arena, kept), 0);
    assert_int_equal(cheng_arena_release(arena, other), 0);
    assert_non_null(cheng_arena_alloc(arena, 1 << 16));
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(an_overwritten_block_header_is_noticed)
{
    cheng_arena *arena = make(1 << 16);
    for (unsigned bit = 0; bit < 64; bit++) {
        unsigned char *block = cheng_arena_alloc(arena, 40), *guard = cheng_arena_alloc(arena, 40);
        assert_true(block != NULL && guard != NULL);
        block[-16 + (int)(bit / 8)] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(cheng_arena_release(arena, block), -EINVAL);
        block[-16 + (int)(bit / 8)] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(cheng_arena_release(arena, block), 0);
        assert_int_equal(cheng_arena_release(arena, guard), 0);
    }
    assert_int_equal(cheng_arena_free(arena), 0);
}
