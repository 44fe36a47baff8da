#include "arena/heap_lock.h"

#include "host/host.h"

enum { ASLEEP = 1, PENDING_SHIFT = 32 };

static uint32_t owner_of(uint64_t state)
{
    return (uint32_t)state & ~(uint32_t)ASLEEP;
}

/* Takes a free lock, or a dead owner's. A state of (0, b) is corruption: as a dead owner's, but b means nothing. */
static bool try_lock(const struct arena_view *view, uint64_t state, bool slept, struct heap_tenure *tenure)
{
    uint64_t *lock = &view->header->heap;
    *tenure = (struct heap_tenure){ 0 };
    if (state == 0)
        return cas_acquire(lock, &state, view->word | (slept ? ASLEEP : 0));
    if (owner_of(state) != 0 && !chengi_arena_participant_dead(view, owner_of(state)))
        return false;
    tenure->died = true;
    tenure->pending = owner_of(state) != 0 ? (uint32_t)(state >> PENDING_SHIFT) : 0;
    return cas_acquire(lock, &state, (uint64_t)tenure->pending << PENDING_SHIFT | view->word | ASLEEP);
}

/* Sleeping and waking:
 *
 *   sleeper                                  owner
 *   1 sets ASLEEP (the word is still owned)  a exchanges the word for 0: sees ASLEEP
 *   2 kernel: sleeps if the word is as in 1  b wakes one
 *
 * 1 before a: b comes. a before 1: the compare-and-swap of 1 fails. a between 1 and 2: the word differs, no sleep.
 * The woken takes the lock with ASLEEP, for others may still sleep; if it was killed with its wake, they come by
 * themselves when the bound has passed. */
int chengi_heap_lock(struct cheng_arena *arena, struct heap_tenure *tenure)
{
    struct arena_view view;
    int rc = chengi_arena_view(arena, &view);
    if (rc < 0)
        return rc;
    uint64_t *lock = &view.header->heap;
    bool slept = false;
    for (unsigned spins = 0, limit = chengi_host_spin_limit();;) {
        uint64_t state = load_relaxed(lock);
        if (state != 0 && spins < limit) {
            spins++;
            chengi_host_relax();
            continue;
        }
        if (try_lock(&view, state, slept, tenure))
            return 0;
        if (state == 0)
            continue;
        if ((state & ASLEEP) == 0 && !cas_relaxed(lock, &state, state | ASLEEP))
            continue;
        (void)chengi_host_wait(chengi_low_half(lock), (uint32_t)state | ASLEEP,
                               chengi_host_now() + view.bound_ns, true);
        slept = true;
    }
}

void chengi_heap_lock_pending(struct cheng_arena *arena, uint32_t block)
{
    uint64_t *lock = &chengi_header(arena)->heap;
    uint64_t state = load_relaxed(lock);
    while (!cas_release(lock, &state, (uint32_t)state | (uint64_t)block << PENDING_SHIFT))
        ; /* fails only when a sleeper set ASLEEP: once at the most */
}

void chengi_heap_unlock(struct cheng_arena *arena)
{
    uint64_t *lock = &chengi_header(arena)->heap;
    uint64_t before = __atomic_exchange_n(lock, 0, __ATOMIC_RELEASE); /* partner: try_lock */
    if (before & ASLEEP)
        chengi_host_wake(chengi_low_half(lock), 1, true);
}
