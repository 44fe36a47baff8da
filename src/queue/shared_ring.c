#include "queue/shared_ring.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "arena/arena.h"
#include "host/host.h"
#include "park/park.h"
#include "sync/shared_lock.h"

enum { CLOSED = 1, ASLEEP = 2, STEP = 4, COUNT_SHIFT = 2, ITEM_MAX = 65536 };
enum { WOULD_BLOCK = 1, WAKE = 2 }; /* beside 0 and negative errnos */

#define COUNT_MASK UINT32_C(0x3fffffff)
#define CAPACITY_MAX (UINT32_C(1) << 29)
#define RING_MAGIC UINT32_C(0x676e6952)

static const int64_t BRIEF_NS = 10 * CHENG_MILLISECOND;

/* One of the two ends: its lock and its index. */
struct end {
    cheng_lock lock;
    uint64_t index;
    uint64_t unused;
} __attribute__((aligned(CHENGI_CACHE_LINE)));

struct ring_part {
    uint32_t magic;
    uint32_t kind; /* of the arena: what it is, and where */
    uint32_t item_size, capacity;
    struct end put, get; /* index: tail, head */
    unsigned char items[];
};
_Static_assert(sizeof(struct ring_part) == 3 * CHENGI_CACHE_LINE, "each end has a cache line");

struct shared_ring {
    cheng_arena *arena;
    struct ring_part *part;
    size_t item_size;
    uint32_t capacity, mask;
    uint32_t maker; /* the participant that made the ring, if it was this process; else 0 */
    void *block;    /* the maker's: what to give back */
};

/* ---- indexes ---- */

static uint64_t index_make(uint32_t low)
{
    return low | (uint64_t)~low << 32;
}

static bool index_valid(uint64_t index)
{
    return (uint32_t)index == (uint32_t) ~(index >> 32);
}

static uint32_t index_count(uint64_t index)
{
    return (uint32_t)index >> COUNT_SHIFT;
}

static bool index_closed(uint64_t index)
{
    return (index & CLOSED) != 0;
}

/* Tail says it first; a putter that read tail before that, and head after, must not sleep on head. */
static bool is_closed(uint64_t tail, uint64_t head)
{
    return index_closed(tail) || index_closed(head);
}

static uint32_t distance(uint64_t tail, uint64_t head)
{
    return (index_count(tail) - index_count(head)) & COUNT_MASK;
}

/* ---- moving, sleeping and waking ----
 *
 *   getter                                        putter
 *   1 tail is read: the ring is empty             a compare-and-swap: tail + 1, ASLEEP is seen and cleared
 *   2 compare-and-swap: tail as in 1 gets ASLEEP  b ASLEEP seen: wake one
 *   3 kernel: sleep while tail is as in 2
 *
 * a before 2: 2 fails. 2 before a: (b) comes; if it comes before 3, 3 finds another tail. ASLEEP is in the very word
 * that is compared: in a word of its own, a late (b) could clear it under a getter that is between 2 and 3.
 *
 * One wake for several items is enough: who has slept and leaves wakes the next if there is still something for it,
 * else sets ASLEEP again, since there may be others. Should the woken one be killed, the others wake by themselves
 * when the bound has passed. Putters do the same with head. */

/* Moves an index by one item; the owner of its end's lock, so only the flags can change meanwhile. Release:
 * partner: the acquiring loads in the other end, which then may read, or overwrite, the slot. -EPIPE: closed, and
 * `unless_closed`. */
static int advance(uint64_t *index, uint64_t from, bool unless_closed)
{
    uint64_t now = from;
    do {
        if (!index_valid(now) || index_count(now) != index_count(from))
            return -EBADMSG;
        if (unless_closed && index_closed(now))
            return -EPIPE;
    } while (!cas_release(index, &now, index_make(((uint32_t)now & ~(uint32_t)ASLEEP) + STEP)));
    return (now & ASLEEP) != 0 ? WAKE : 0;
}

static bool mark_asleep(struct end *end, uint64_t *seen)
{
    uint64_t marked = index_make((uint32_t)*seen | ASLEEP);
    if (*seen != marked && !cas_relaxed(&end->index, seen, marked))
        return false;
    *seen = marked;
    return true;
}

static int sleep_on(struct end *end, uint64_t seen, cheng_deadline deadline, int64_t bound_ns,
                    const struct why *why)
{
    if (!mark_asleep(end, &seen))
        return 0;
    return chengi_park_shared(chengi_low_half(&end->index), (uint32_t)seen, deadline.at_ns, bound_ns, why, 0);
}

/* ---- one try ---- */

/* An end is locked only while an item is copied: so also who must not block, or is late, waits that long. More
 * than BRIEF_NS means that the owner is stopped, or that we are a signal handler on top of it (-EDEADLK). */
static int lock_end(struct end *end, cheng_deadline deadline, int64_t bound_ns)
{
    int rc = chengi_shared_lock_acquire(&end->lock, CHENG_NOW, CHENG_HERE);
    if (rc == -EAGAIN) {
        int64_t brief = chengi_host_now() + (bound_ns > BRIEF_NS ? bound_ns : BRIEF_NS);
        bool late = deadline.at_ns != 0 && deadline.at_ns < brief;
        rc = chengi_shared_lock_acquire(&end->lock, late ? cheng_deadline_at(brief) : deadline, CHENG_HERE);
    }
    if (rc == -EOWNERDEAD)
        return 0; /* nothing to repair */
    bool now = deadline.at_ns == INT64_MIN;
    return now && (rc == -ETIMEDOUT || rc == -EDEADLK) ? -EAGAIN : rc;
}

/* With what `advance` said, or what kept us from it. */
static int leave_end(struct end *end, int rc)
{
    (void)chengi_shared_lock_release(&end->lock); /* fails only when corrupted: then the next one is told */
    if (rc != WAKE)
        return rc;
    chengi_unpark_shared(chengi_low_half(&end->index), 1);
    return 0;
}

static unsigned char *slot_of(const struct shared_ring *ring, uint64_t index)
{
    return ring->part->items + (size_t)(index_count(index) & ring->mask) * ring->item_size;
}

/* Both indexes, so read that what they say was true at one moment: the one that the caller's end moves first,
 * since the other can then only have gone away from it. -EBADMSG: impossible values. */
static int read_indexes(const struct shared_ring *ring, bool putting, uint64_t *tail, uint64_t *head)
{
    struct ring_part *part = ring->part;
    if (putting) {
        *tail = load_acquire(&part->put.index);
        *head = load_acquire(&part->get.index); /* partner: advance, in get: the slot is free */
    } else {
        *head = load_acquire(&part->get.index);
        *tail = load_acquire(&part->put.index); /* partner: advance, in put: the item is there */
    }
    return index_valid(*tail) && index_valid(*head) && part->magic == RING_MAGIC ? 0 : -EBADMSG;
}

static int try_put(struct shared_ring *ring, const void *item, cheng_deadline deadline, int64_t bound_ns,
                   uint64_t *seen)
{
    struct end *end = &ring->part->put;
    uint64_t tail;
    int rc = read_indexes(ring, true, &tail, seen);
    if (rc < 0)
        return rc;
    if (is_closed(tail, *seen))
        return -EPIPE;
    if (distance(tail, *seen) == ring->capacity)
        return WOULD_BLOCK;
    rc = lock_end(end, deadline, bound_ns);
    if (rc < 0)
        return rc;
    rc = read_indexes(ring, true, &tail, seen);
    if (rc == 0 && distance(tail, *seen) > ring->capacity)
        rc = -EBADMSG;
    if (rc == 0 && distance(tail, *seen) == ring->capacity)
        rc = is_closed(tail, *seen) ? -EPIPE : WOULD_BLOCK;
    if (rc == 0) {
        memcpy(slot_of(ring, tail), item, ring->item_size);
        rc = advance(&end->index, tail, true);
    }
    return leave_end(end, rc);
}

static int try_get(struct shared_ring *ring, void *item, cheng_deadline deadline, int64_t bound_ns,
                   uint64_t *seen)
{
    struct end *end = &ring->part->get;
    uint64_t head;
    int rc = read_indexes(ring, false, seen, &head);
    if (rc < 0)
        return rc;
    if (distance(*seen, head) == 0)
        return index_closed(*seen) ? -EPIPE : WOULD_BLOCK;
    rc = lock_end(end, deadline, bound_ns);
    if (rc < 0)
        return rc;
    rc = read_indexes(ring, false, seen, &head);
    if (rc == 0 && distance(*seen, head) > ring->capacity)
        rc = -EBADMSG;
    if (rc == 0 && distance(*seen, head) == 0)
        rc = index_closed(*seen) ? -EPIPE : WOULD_BLOCK;
    if (rc == 0) {
        if (item != NULL)
            memcpy(item, slot_of(ring, head), ring->item_size);
        rc = advance(&end->index, head, false);
    }
    return leave_end(end, rc);
}

/* ---- put and get ---- */

/* Who has slept leaves, with or without an item: the next one is woken if it would find something, room, an item
 * or that the ring is closed; else whoever changes that is told to wake it. */
static void stop_sleeping(const struct shared_ring *ring, bool putting, struct end *other)
{
    uint64_t tail, head;
    for (;;) {
        int rc = read_indexes(ring, putting, &tail, &head);
        bool blocked = distance(tail, head) == (putting ? ring->capacity : 0);
        if (rc < 0 || is_closed(tail, head) || !blocked) {
            chengi_unpark_shared(chengi_low_half(&other->index), 1);
            return;
        }
        if (mark_asleep(other, putting ? &head : &tail))
            return;
    }
}

static int move(struct shared_ring *ring, bool putting, const void *from, void *to, cheng_deadline deadline)
{
    struct end *other = putting ? &ring->part->get : &ring->part->put; /* whose index we wait for */
    struct why why = { putting ? CHENGI_WAIT_PUT : CHENGI_WAIT_GET, ring, NULL };
    struct arena_view view;
    uint64_t seen;
    bool slept = false;
    int ended = 0, rc = chengi_arena_view(ring->arena, &view);
    while (rc == 0) {
        rc = putting ? try_put(ring, from, deadline, view.bound_ns, &seen)
                     : try_get(ring, to, deadline, view.bound_ns, &seen);
        if (rc != WOULD_BLOCK)
            break;
        if (deadline.at_ns == INT64_MIN)
            return -EAGAIN;
        rc = ended; /* the wait before was the last, and this try too was in vain */
        if (rc < 0)
            break;
        ended = sleep_on(other, seen, deadline, view.bound_ns, &why);
        slept = true;
    }
    if (slept)
        stop_sleeping(ring, putting, other);
    return rc;
}

int chengi_shared_ring_put(struct shared_ring *ring, const void *item, cheng_deadline deadline)
{
    return move(ring, true, item, NULL, deadline);
}

int chengi_shared_ring_get(struct shared_ring *ring, void *item, cheng_deadline deadline)
{
    return move(ring, false, NULL, item, deadline);
}

size_t chengi_shared_ring_size(const struct shared_ring *ring)
{
    uint64_t tail, head;
    if (read_indexes(ring, false, &tail, &head) < 0)
        return 0;
    uint32_t size = distance(tail, head);
    return size <= ring->capacity ? size : ring->capacity; /* gets and puts between the two loads */
}

static void close_end(struct end *end)
{
    uint64_t index = load_relaxed(&end->index);
    while (index_valid(index) && !index_closed(index))
        if (cas_release(&end->index, &index, index_make(((uint32_t)index & ~(uint32_t)ASLEEP) | CLOSED)))
            break;
    chengi_unpark_shared(chengi_low_half(&end->index), UINT_MAX);
}

void chengi_shared_ring_close(struct shared_ring *ring)
{
    struct arena_view view;
    if (chengi_arena_view(ring->arena, &view) < 0)
        return;
    close_end(&ring->part->put);
    close_end(&ring->part->get); /* killed before it: sleeping putters look again when the bound has passed */
}

/* ---- life ---- */

static uint32_t power_of_two(uint32_t at_least)
{
    return at_least <= 1 ? 1 : UINT32_C(1) << (32 - (unsigned)__builtin_clz(at_least - 1));
}

static int new_handle(struct shared_ring **out, cheng_arena *arena, size_t item_size, size_t capacity)
{
    struct shared_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return -ENOMEM;
    ring->arena = arena;
    ring->item_size = item_size;
    ring->capacity = (uint32_t)capacity;
    ring->mask = power_of_two((uint32_t)capacity) - 1;
    *out = ring;
    return 0;
}

static bool sane(size_t item_size, size_t capacity)
{
    return item_size >= 1 && item_size <= ITEM_MAX && capacity >= 1 && capacity <= CAPACITY_MAX;
}

static size_t part_size(const struct shared_ring *ring)
{
    return sizeof(struct ring_part) + ((size_t)ring->mask + 1) * ring->item_size;
}

static int make_part(struct shared_ring *ring, const struct arena_view *view)
{
    unsigned char *block = cheng_arena_alloc(ring->arena, part_size(ring) + CHENGI_CACHE_LINE);
    if (block == NULL)
        return -ENOMEM;
    size_t past = (uintptr_t)block % CHENGI_CACHE_LINE;
    struct ring_part *part = (struct ring_part *)(void *)(block + (past == 0 ? 0 : CHENGI_CACHE_LINE - past));
    part->item_size = (uint32_t)ring->item_size;
    part->capacity = ring->capacity;
    part->kind = chengi_arena_kind(ring->arena, part, CHENGI_ARENA_RING);
    part->put.index = part->get.index = index_make(0);
    int rc = cheng_lock_share(ring->arena, &part->put.lock);
    if (rc == 0)
        rc = cheng_lock_share(ring->arena, &part->get.lock);
    if (rc < 0) {
        (void)cheng_arena_release(ring->arena, block);
        return rc;
    }
    store_release(&part->magic, RING_MAGIC); /* partner: chengi_shared_ring_open */
    ring->part = part;
    ring->block = block;
    ring->maker = view->word;
    return 0;
}

int chengi_shared_ring_new(struct shared_ring **out, cheng_arena *arena, size_t item_size, size_t capacity)
{
    struct arena_view view;
    struct shared_ring *ring = NULL;
    if (!sane(item_size, capacity))
        return -EINVAL;
    int rc = chengi_arena_view(arena, &view);
    if (rc < 0)
        return rc;
    rc = new_handle(&ring, arena, item_size, capacity);
    if (rc < 0)
        return rc;
    rc = make_part(ring, &view);
    if (rc < 0) {
        free(ring);
        return rc;
    }
    chengi_arena_hold(arena);
    *out = ring;
    return 0;
}

int chengi_shared_ring_open(struct shared_ring **out, cheng_arena *arena, const void *part)
{
    struct arena_view view;
    struct shared_ring *ring = NULL;
    int rc = chengi_arena_view(arena, &view);
    if (rc < 0)
        return rc;
    uint64_t offset = (uint64_t)((uintptr_t)part - (uintptr_t)view.header);
    struct ring_part *there = chengi_arena_at(&view, offset, sizeof *there);
    if (there == NULL || offset % CHENGI_CACHE_LINE != 0)
        return -EINVAL;
    /* read once, then checked, then trusted */
    size_t item_size = there->item_size, capacity = there->capacity;
    if (load_acquire(&there->magic) != RING_MAGIC || !sane(item_size, capacity) ||
        there->kind != chengi_arena_kind(arena, there, CHENGI_ARENA_RING))
        return -EBADMSG;
    rc = new_handle(&ring, arena, item_size, capacity);
    if (rc < 0)
        return rc;
    if (chengi_arena_at(&view, offset, part_size(ring)) == NULL) {
        free(ring);
        return -EBADMSG;
    }
    ring->part = there;
    chengi_arena_hold(arena);
    *out = ring;
    return 0;
}

const void *chengi_shared_ring_part(const struct shared_ring *ring)
{
    return ring->part;
}

void chengi_shared_ring_free(struct shared_ring *ring)
{
    struct arena_view view;
    if (ring == NULL)
        return;
    if (ring->maker != 0 && chengi_arena_view(ring->arena, &view) == 0 && ring->maker == view.word) {
        ring->part->magic = 0;
        (void)cheng_arena_release(ring->arena, ring->block);
    }
    chengi_arena_unhold(ring->arena);
    free(ring);
}
