/* The allocator: blocks back to back, each with a header that says its size and state.
 *
 * The sizes and states in the headers are the whole truth, and each change of it is one 8-byte store: whoever is
 * killed, between any two instructions, leaves a heap that can be walked. All else (lists of free blocks, the
 * size of the block before, the count of used bytes) is a cache: it is only touched with the heap's lock, and
 * made anew by a walk when the lock's owner was found dead, or when the cache contradicts the headers.
 *
 *   step                         the one store              killed just before it
 *   allocate all of a block      its word: used             free as it was
 *   allocate a part              its word: smaller, used    the rest's header is written, but nobody sees it yet
 *   killed in alloc after it     the lock's word still names the block: the repair frees it (heap_lock.h)
 *   release                      its word: free             still allocated, to whoever held it
 *   merge with the next          its word: larger           two free blocks; the walk merges them
 *
 * A header's word carries a check of its place, size and state, so that what is not a header, or was overwritten,
 * is noticed with all but one in 2^24; nothing is dereferenced before its place has been checked.
 *
 * Memory is handed out zeroed. Untouched pages are zero already, and stay untouched: nothing was ever written
 * from `virgin` on. */
#include <errno.h>
#include <string.h>

#include "arena/heap_lock.h"
#include "arena/layout.h"

enum block_state { BLOCK_FREE = 0x5a, BLOCK_USED = 0xa7, BLOCK_END = 0x3c };

/*   bits 0-7 state, 8-31 check, 32-63 size in units with the header. */
struct block {
    uint64_t word;
    uint32_t before; /* size of the block before; 0: none. Cache */
    uint32_t unused;
    uint32_t next, previous; /* in its bin, if it is free. Cache */
    uint64_t unused2;
};
static_assert(sizeof(struct block) == 2 * ARENA_UNIT, "the smallest block");

enum { SMALLEST = 2, LOOK = 32 };

struct info {
    enum block_state state;
    uint32_t units;
};

/* Places are in units from the arena's start: 32 bits reach 64 GiB. */
static uint32_t first_of(const struct cheng_arena *arena)
{
    return (uint32_t)(chengi_blocks_at(arena->rows) / ARENA_UNIT);
}

static uint32_t end_of(const struct cheng_arena *arena)
{
    return (uint32_t)(arena->size / ARENA_UNIT - 1);
}

static struct block *block_at(const struct cheng_arena *arena, uint32_t place)
{
    return (struct block *)(void *)(arena->base + (uint64_t)place * ARENA_UNIT);
}

static uint64_t word_of(const struct cheng_arena *arena, uint32_t place, uint32_t units,
                        enum block_state state)
{
    uint64_t word = (uint64_t)units << 32 | (uint64_t)state;
    uint64_t check = chengi_mix(arena->seed ^ chengi_mix(word ^ (uint64_t)place << 8));
    return word | (check >> 40) << 8;
}

/* The one store of a change. Release: what was written before (the rest's header, zeroes) is there when it is
 * seen; partner: read_block, in whoever walks after our death. */
static void set_block(const struct cheng_arena *arena, uint32_t place, uint32_t units, enum block_state state)
{
    store_release(&block_at(arena, place)->word, word_of(arena, place, units, state));
}

static bool read_block(const struct cheng_arena *arena, uint32_t place, struct info *info)
{
    if (place < first_of(arena) || place > end_of(arena))
        return false;
    uint64_t word = load_acquire(&block_at(arena, place)->word);
    info->units = (uint32_t)(word >> 32);
    info->state = (enum block_state)(word & 0xff);
    if (word != word_of(arena, place, info->units, info->state))
        return false;
    if (place == end_of(arena))
        return info->state == BLOCK_END;
    return (info->state == BLOCK_FREE || info->state == BLOCK_USED) && info->units >= SMALLEST &&
           info->units <= end_of(arena) - place;
}

/* ---- the cache: bins of free blocks. False: it contradicts the headers ---- */

static unsigned bin_of(uint32_t units)
{
    return 31 - (unsigned)__builtin_clz(units);
}

static bool read_free(const struct cheng_arena *arena, uint32_t place, struct info *info)
{
    return read_block(arena, place, info) && info->state == BLOCK_FREE;
}

static bool bin_insert(const struct cheng_arena *arena, uint32_t place, uint32_t units)
{
    uint32_t *bin = &chengi_header(arena)->bins[bin_of(units)];
    struct block *block = block_at(arena, place);
    struct info head;
    block->previous = 0;
    block->next = *bin;
    if (*bin != 0) {
        if (!read_free(arena, *bin, &head) || *bin == place)
            return false;
        block_at(arena, *bin)->previous = place;
    }
    *bin = place;
    return true;
}

static bool bin_remove(const struct cheng_arena *arena, uint32_t place, uint32_t units)
{
    uint32_t *bin = &chengi_header(arena)->bins[bin_of(units)];
    uint32_t next = block_at(arena, place)->next, previous = block_at(arena, place)->previous;
    struct info other;
    if (next != 0 && (!read_free(arena, next, &other) || block_at(arena, next)->previous != place))
        return false;
    if (previous == 0 ? *bin != place
                      : !read_free(arena, previous, &other) || block_at(arena, previous)->next != place)
        return false;
    if (next != 0)
        block_at(arena, next)->previous = previous;
    if (previous != 0)
        block_at(arena, previous)->next = next;
    else
        *bin = next;
    return true;
}

/* The first that fits among the first `look` blocks of a bin. 0 in *place: none. */
static bool bin_search(const struct cheng_arena *arena, unsigned bin, uint32_t units, uint32_t look,
                       uint32_t *place)
{
    struct info info;
    uint32_t at = chengi_header(arena)->bins[bin];
    for (; at != 0 && look > 0; at = block_at(arena, at)->next, look--) {
        if (!read_free(arena, at, &info) || bin_of(info.units) != bin)
            return false;
        if (info.units >= units)
            break;
    }
    *place = look > 0 ? at : 0;
    return true;
}

/* A few of the bin whose blocks may fit, then the first of the larger ones, which all fit; only then all of the
 * first, whose number is limited so that a corrupted list that bites its tail has an end. */
static bool search(const struct cheng_arena *arena, uint32_t units, uint32_t *place)
{
    unsigned own = bin_of(units);
    *place = 0;
    if (!bin_search(arena, own, units, LOOK, place))
        return false;
    for (unsigned bin = own + 1; *place == 0 && bin < ARENA_BINS; bin++)
        if (!bin_search(arena, bin, units, 1, place))
            return false;
    return *place != 0 || bin_search(arena, own, units, end_of(arena) / SMALLEST, place);
}

/* ---- the walk ---- */

/* Makes the cache anew from the headers, and merges free neighbours. False: a header is corrupted; then no
 * block is handed out. */
static bool rebuild(struct cheng_arena *arena, uint32_t pending)
{
    struct arena_header *header = chengi_header(arena);
    uint32_t place = first_of(arena), end = end_of(arena), before = 0, open = 0;
    uint64_t used = 0;
    struct info info, first;
    memset(header->bins, 0, sizeof header->bins);
    for (; place < end; place += info.units) {
        if (!read_block(arena, place, &info))
            goto corrupted;
        if (place == pending && info.state == BLOCK_USED) {
            info.state = BLOCK_FREE;
            set_block(arena, place, info.units, BLOCK_FREE);
        }
        if (info.state == BLOCK_FREE && open != 0) { /* the free block just before, not in a bin yet */
            if (!read_free(arena, open, &first))
                goto corrupted;
            before = first.units + info.units;
            set_block(arena, open, before, BLOCK_FREE);
            continue;
        }
        if (open != 0 && !bin_insert(arena, open, before))
            goto corrupted;
        block_at(arena, place)->before = before;
        before = info.units;
        open = info.state == BLOCK_FREE ? place : 0;
        if (info.state == BLOCK_USED)
            used += (uint64_t)(info.units - 1) * ARENA_UNIT;
    }
    if (place != end || !read_block(arena, end, &info) || (open != 0 && !bin_insert(arena, open, before)))
        goto corrupted;
    block_at(arena, end)->before = before;
    store_relaxed(&header->used, used);
    return true;
corrupted:
    memset(header->bins, 0, sizeof header->bins);
    return false;
}

void chengi_heap_format(struct cheng_arena *arena)
{
    uint32_t first = first_of(arena), end = end_of(arena);
    set_block(arena, first, end - first, BLOCK_FREE);
    set_block(arena, end, 1, BLOCK_END);
    block_at(arena, end)->before = end - first;
    chengi_header(arena)->virgin = first + SMALLEST;
    (void)bin_insert(arena, first, end - first);
}

static int lock_heap(struct cheng_arena *arena)
{
    struct heap_tenure tenure;
    int rc = chengi_heap_lock(arena, &tenure);
    if (rc < 0 || !tenure.died)
        return rc;
    (void)rebuild(arena, tenure.pending); /* what is wrong will be met again */
    chengi_heap_lock_pending(arena, 0);
    return 0;
}

/* ---- allocate ---- */

/* The end mark's unit is never written: it has no payload. */
static void clear(struct cheng_arena *arena, uint32_t place, uint32_t units)
{
    uint64_t virgin = chengi_header(arena)->virgin, stop = (uint64_t)place + units;
    if (virgin < stop && virgin >= first_of(arena))
        stop = virgin;
    if (stop > (uint64_t)place + 1)
        memset(block_at(arena, place + 1), 0, (stop - place - 1) * ARENA_UNIT);
}

/* Makes the first `units` of a free block, which is in no bin any more, an allocated one. */
static bool carve(struct cheng_arena *arena, uint32_t place, uint32_t whole, uint32_t units)
{
    struct arena_header *header = chengi_header(arena);
    uint32_t rest = whole - units;
    if (rest < SMALLEST) {
        units = whole;
        rest = 0;
    }
    clear(arena, place, units);
    if (header->virgin < (uint64_t)place + units + SMALLEST)
        header->virgin = (uint64_t)place + units + SMALLEST; /* with the rest's header, if there is one */
    if (rest != 0) {
        /* release: whoever dies here has moved `virgin` before it soils what lies beyond */
        store_release(&block_at(arena, place + units)->before, units);
        set_block(arena, place + units, rest, BLOCK_FREE);
    }
    chengi_heap_lock_pending(arena, place);
    set_block(arena, place, units, BLOCK_USED);
    store_relaxed(&header->used, header->used + (uint64_t)(units - 1) * ARENA_UNIT);
    if (rest == 0)
        return true;
    block_at(arena, place + whole)->before = rest;
    return bin_insert(arena, place + units, rest);
}

static bool allocate(struct cheng_arena *arena, uint32_t units, uint32_t *place)
{
    struct info info;
    if (!search(arena, units, place))
        return false;
    if (*place == 0)
        return true;
    return read_free(arena, *place, &info) && info.units >= units && bin_remove(arena, *place, info.units) &&
           carve(arena, *place, info.units, units);
}

void *cheng_arena_alloc(cheng_arena *arena, size_t size)
{
    if (arena == NULL || size > ARENA_SIZE_MAX || lock_heap(arena) < 0)
        return NULL;
    uint64_t units = 1 + (size == 0 ? 1 : (size + ARENA_UNIT - 1) / ARENA_UNIT);
    uint32_t place = 0;
    if (units < end_of(arena) && !allocate(arena, (uint32_t)units, &place)) {
        /* The cache was wrong. `carve` may have got so far that the block is used: the walk frees it. */
        bool sound = rebuild(arena, place);
        chengi_heap_lock_pending(arena, 0);
        if (!sound || !allocate(arena, (uint32_t)units, &place))
            place = 0;
    }
    void *payload = place == 0 ? NULL : block_at(arena, place + 1);
    chengi_heap_unlock(arena);
    return payload;
}

/* ---- release ---- */

/* Marks the block free, merges it with free neighbours and puts it into a bin. False: the cache is wrong, or a
 * neighbour's header; the block is free all the same. */
static bool give_back(struct cheng_arena *arena, uint32_t place, uint32_t units)
{
    struct arena_header *header = chengi_header(arena);
    struct info next, before;
    set_block(arena, place, units, BLOCK_FREE);
    store_relaxed(&header->used, header->used - (uint64_t)(units - 1) * ARENA_UNIT);
    if (!read_block(arena, place + units, &next))
        return false;
    if (next.state == BLOCK_FREE) {
        if (!bin_remove(arena, place + units, next.units))
            return false;
        units += next.units;
        set_block(arena, place, units, BLOCK_FREE);
    }
    uint32_t back = block_at(arena, place)->before;
    if (back != 0) {
        if (back > place || !read_block(arena, place - back, &before) || before.units != back)
            return false;
        if (before.state == BLOCK_FREE) {
            if (!bin_remove(arena, place - back, back))
                return false;
            place -= back;
            units += back;
            set_block(arena, place, units, BLOCK_FREE);
        }
    }
    block_at(arena, place + units)->before = units;
    return bin_insert(arena, place, units);
}

int cheng_arena_release(cheng_arena *arena, void *block)
{
    if (block == NULL)
        return 0;
    struct arena_view view;
    if (chengi_arena_view(arena, &view) < 0)
        return -EINVAL;
    uint64_t offset = (uintptr_t)block - (uintptr_t)arena->base;
    if (offset >= arena->size || offset < ARENA_UNIT || offset % ARENA_UNIT != 0)
        return -EINVAL;
    int rc = lock_heap(arena);
    if (rc < 0)
        return rc;
    uint32_t place = (uint32_t)(offset / ARENA_UNIT) - 1;
    struct info info;
    if (!read_block(arena, place, &info) || info.state != BLOCK_USED)
        rc = -EINVAL;
    else if (!give_back(arena, place, info.units))
        (void)rebuild(arena, 0);
    chengi_heap_unlock(arena);
    return rc;
}

size_t cheng_arena_used(const cheng_arena *arena)
{
    return arena == NULL || load_acquire(&arena->base) == NULL ? 0
                                                               : load_relaxed(&chengi_header(arena)->used);
}
