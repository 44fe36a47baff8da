#include "sync/shared_lock.h"

#include <errno.h>

#include "arena/arena.h"
#include "host/host.h"
#include "park/graph.h"
#include "park/park.h"
#include "run/runner.h"

enum { HELD = 1 }; /* beside 0 and negative errnos: not now */
enum { SITE_BITS = 9 };
_Static_assert(CHENGI_ARENA_SITE_MAX < 1 << SITE_BITS, "holder has room for a site");

static const int64_t STARVES_NS = CHENG_MILLISECOND;

struct attempt {
    cheng_lock *lock;
    struct arena_view view;
    uint64_t holder; /* what we leave in the lock */
    cheng_deadline deadline;
    unsigned park_flags;
    bool slept;
    int64_t since_ns; /* when we first slept */
};

static uint32_t owner_of(uint32_t word)
{
    return word & ~(uint32_t)CHENGI_FLAGS;
}

static uint32_t tag_of(uint32_t participant)
{
    uint32_t row = participant >> 2 & 0x3fff, generation = participant >> 16;
    return row | (generation & 0x1ff) << 14;
}

static uint64_t holder_make(uint32_t task, uint32_t participant, uint32_t site)
{
    return (uint64_t)task << 32 | tag_of(participant) << SITE_BITS | site;
}

static uint32_t holder_task(uint64_t holder)
{
    return (uint32_t)(holder >> 32);
}

static uint32_t holder_tag(uint64_t holder)
{
    return (uint32_t)holder >> SITE_BITS;
}

/* The same task of the same participant, wherever it took the lock. */
static bool same_holder(uint64_t a, uint64_t b)
{
    return a >> SITE_BITS == b >> SITE_BITS;
}

static int find_arena(const cheng_lock *lock, struct arena_view *view)
{
    uint32_t kind = load_relaxed(&lock->kind);
    if (kind != 0 && chengi_arena_tag(kind) != CHENGI_ARENA_LOCK &&
        chengi_arena_tag(kind) < CHENGI_ARENA_TAGS)
        return -EINVAL; /* an event, perhaps */
    return chengi_arena_locate(lock, kind, view);
}

/* The word is ours, or its owner's word is; now everybody may see who and where. A stale read of holder is
 * harmless: all who act on it do so by a compare-and-swap, or compare it with what only they could have stored. */
static void settle(const struct attempt *attempt)
{
    store_relaxed(&attempt->lock->holder, attempt->holder);
}

static bool take(const struct attempt *attempt, uint32_t word, uint32_t flags)
{
    /* Acquire; partner: the release in chengi_shared_lock_release, or the owner's death. */
    if (!cas_acquire(&attempt->lock->word, &word, attempt->view.word | flags))
        return false;
    settle(attempt);
    return true;
}

/* The owner is a task of this process. If it ended, it ended holding the lock: had it released it, holder would
 * have changed before its word became stale, and the compare-and-swap fails. */
static int examine_ours(const struct attempt *attempt)
{
    uint64_t holder = load_relaxed(&attempt->lock->holder);
    if (holder_tag(holder) != holder_tag(attempt->holder))
        return HELD; /* about to be written, or it has changed hands */
    if (same_holder(holder, attempt->holder))
        return attempt->deadline.at_ns == INT64_MIN ? HELD : -EDEADLK;
    if (chengi_runner_alive(holder_task(holder)))
        return HELD;
    return cas_acquire(&attempt->lock->holder, &holder, attempt->holder) ? -EOWNERDEAD : HELD;
}

/* Looks at who owns the lock: HELD, or what the acquire returns. */
static int examine(const struct attempt *attempt, uint32_t word)
{
    if (owner_of(word) == attempt->view.word)
        return examine_ours(attempt);
    if (!chengi_arena_participant_plausible(&attempt->view, word))
        return load_relaxed(&attempt->lock->word) == word ? -EBADMSG : HELD;
    if (!chengi_arena_participant_dead(&attempt->view, word))
        return HELD;
    return take(attempt, word, CHENGI_PARKED) ? -EOWNERDEAD : HELD;
}

/* Somebody who slept leaves without the lock, perhaps with a wake in its pocket: another sleeper is told, or the
 * next release is. */
static void pass_on(const struct attempt *attempt)
{
    uint32_t *word = &attempt->lock->word;
    uint32_t value = load_relaxed(word);
    while (owner_of(value) != CHENGI_SHARED_FREE)
        if ((value & CHENGI_PARKED) != 0 || cas_relaxed(word, &value, value | CHENGI_PARKED))
            return;
    chengi_unpark_shared(word, 1);
}

static bool may_take(const struct attempt *attempt, uint32_t word)
{
    return owner_of(word) == CHENGI_SHARED_FREE &&
           ((word & CHENGI_STARVING) == 0 || attempt->slept || attempt->deadline.at_ns == INT64_MIN);
}

static bool try_take(const struct attempt *attempt, uint32_t word)
{
    return may_take(attempt, word) &&
           take(attempt, word, attempt->slept ? CHENGI_PARKED : word & (uint32_t)CHENGI_PARKED);
}

/* Sleeping and waking:
 *
 *   waiter                                   owner
 *   1 compare-and-swap: word gets PARKED     a compare-and-swap: word becomes FREE, PARKED is seen
 *   2 kernel: sleep if the word is as in 1   b wake one
 *
 * 1 before a: (b) comes, before or after the kernel has queued the waiter; before, the word is no longer as in 1.
 * a before 1: 1 fails. The woken takes the lock with PARKED, for (a) has cleared it and others may sleep. If the
 * woken was killed, or the owner between a and b, the others wake by themselves when the bound has passed.
 *
 * Returns 0 to try again, or the error that ends the attempt. */
static int sleep_once(struct attempt *attempt, uint32_t word, const struct why *why)
{
    bool reserved = owner_of(word) == CHENGI_SHARED_FREE;
    uint32_t flags = CHENGI_PARKED;
    int64_t now = chengi_host_now(), bound = attempt->view.bound_ns;
    if (attempt->since_ns == 0)
        attempt->since_ns = now;
    if (attempt->slept && now - attempt->since_ns >= STARVES_NS)
        flags |= CHENGI_STARVING;
    if (reserved && bound > STARVES_NS)
        bound = STARVES_NS; /* for whom it is reserved may be dead */
    if ((word & flags) != flags && !cas_relaxed(&attempt->lock->word, &word, word | flags))
        return 0;
    int rc = chengi_park_shared(&attempt->lock->word, word | flags, attempt->deadline.at_ns, bound, why,
                                attempt->park_flags);
    attempt->slept = true;
    return rc;
}

static int acquire_slowly(struct attempt *attempt, const char *site)
{
    struct why why = { CHENGI_WAIT_SHARED_LOCK, attempt->lock, site };
    unsigned limit = chengi_host_spin_limit();
    int rc = 0;
    for (unsigned spins = 0;;) {
        uint32_t word = load_relaxed(&attempt->lock->word);
        if (try_take(attempt, word))
            return 0;
        if (may_take(attempt, word))
            continue; /* lost a race */
        if (spins < limit && rc == 0) {
            spins++;
            chengi_host_relax();
            continue;
        }
        if (owner_of(word) != CHENGI_SHARED_FREE) {
            int found = examine(attempt, word);
            if (found != HELD)
                return found;
        }
        if (attempt->deadline.at_ns == INT64_MIN)
            return -EAGAIN;
        if (rc < 0) { /* the deadline passed, or a cancel came, and it is held still */
            pass_on(attempt);
            return rc;
        }
        rc = sleep_once(attempt, word, &why);
    }
}

static void report_deadlock(const struct attempt *attempt, const char *site)
{
    const struct why why = { CHENGI_WAIT_SHARED_LOCK, attempt->lock, site };
    uint32_t since = (uint32_t)load_relaxed(&attempt->lock->holder) & ((1u << SITE_BITS) - 1);
    char text[64];
    bool known = chengi_arena_site_text(&attempt->view, since, text, sizeof text);
    chengi_graph_report_self(chengi_runner_self(), &why, known ? text : NULL);
}

static int acquire(cheng_lock *lock, cheng_deadline deadline, const char *site, unsigned flags)
{
    struct attempt attempt = { .lock = lock, .deadline = deadline, .park_flags = flags };
    int rc = find_arena(lock, &attempt.view);
    if (rc < 0)
        return rc;
    attempt.holder = holder_make(chengi_runner_self()->self.word, attempt.view.word,
                                 chengi_arena_site(&attempt.view, site));
    if (likely(take(&attempt, CHENGI_SHARED_FREE, 0)))
        return 0;
    rc = acquire_slowly(&attempt, site);
    if (rc == -EDEADLK)
        report_deadlock(&attempt, site);
    return rc;
}

int chengi_shared_lock_acquire(cheng_lock *lock, cheng_deadline deadline, const char *site)
{
    return acquire(lock, deadline, site, CHENGI_PARK_UNCANCELLABLE);
}

int chengi_shared_lock_acquire_cancellable(cheng_lock *lock, cheng_deadline deadline, const char *site)
{
    return acquire(lock, deadline, site, 0);
}

static bool owned(const cheng_lock *lock, const struct arena_view *view)
{
    uint64_t mine = holder_make(chengi_runner_self()->self.word, view->word, 0);
    return owner_of(load_relaxed(&lock->word)) == view->word &&
           same_holder(load_relaxed(&lock->holder), mine);
}

int chengi_shared_lock_release(cheng_lock *lock)
{
    struct arena_view view;
    int rc = find_arena(lock, &view);
    if (rc < 0)
        return rc;
    if (!owned(lock, &view))
        return -EPERM;
    uint32_t word = load_relaxed(&lock->word);
    store_relaxed(&lock->holder, 0); /* before the word is free: the release below orders it */
    while (!cas_release(&lock->word, &word, CHENGI_SHARED_FREE | (word & CHENGI_STARVING)))
        if (owner_of(word) != view.word)
            return -EBADMSG; /* flags may change under us, the owner may not */
    if ((word & CHENGI_PARKED) != 0)
        chengi_unpark_shared(&lock->word, 1);
    return 0;
}

bool chengi_shared_lock_locked(const cheng_lock *lock)
{
    return owner_of(load_relaxed(&lock->word)) != CHENGI_SHARED_FREE;
}

bool chengi_shared_lock_mine(const cheng_lock *lock)
{
    struct arena_view view;
    return find_arena(lock, &view) == 0 && owned(lock, &view);
}
