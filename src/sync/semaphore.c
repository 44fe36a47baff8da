/* The semaphore's words:
 *
 *   value    units left; taken and given by read-modify-write
 *   waiters  how many may wait: each adds one before it parks on `value` being 0, and takes it off after
 *
 *   acquire                        release
 *   waiters += 1                   value += n
 *   fence                          fence
 *   parks while value == 0         waiters != 0? then wake n
 *
 * `most` does not change: 0, or what `value` may not pass.
 *
 * Either the waiter finds the units, or release sees the waiter. A killed waiter of a shared semaphore stays in
 * the count: it costs releases a system call, nothing else. */
#include <cheng/semaphore.h>

#include <errno.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "host/host.h"
#include "park/select.h"
#include "sync/place.h"

enum { MOST = INT32_MAX };

_Static_assert(sizeof(cheng_semaphore) == 16, "16 bytes, private or shared");

/* acquire: partner is the release of the units. False: none left; `*value` is then 0. */
static bool take(cheng_semaphore *semaphore, uint32_t *value)
{
    *value = load_relaxed(&semaphore->value);
    while (*value > 0)
        if (cas_acquire(&semaphore->value, value, *value - 1))
            return true;
    return false;
}

/* Out of line: what need not wait needs no stack for it. */
static CHENGI_NOINLINE int acquire_slowly(cheng_semaphore *semaphore, cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_SEMAPHORE, semaphore, NULL };
    struct place place;
    uint32_t value;
    unsigned flags = 0;
    if (chengi_is_now(deadline))
        return -EAGAIN;
    int rc = chengi_place_find(&place, semaphore, semaphore->kind, CHENGI_ARENA_SEMAPHORE);
    if (rc < 0)
        return rc;
    __atomic_fetch_add(&semaphore->waiters, 1, __ATOMIC_SEQ_CST);
    chengi_host_fence_after_rmw(); /* partner: the fence in release */
    while (!take(semaphore, &value)) {
        rc = chengi_place_wait(&place, &semaphore->value, 0, deadline.at_ns, &why, flags);
        if (rc < 0)
            break;
        flags = CHENGI_PARK_FRONT; /* woken, but another was faster: keep the place */
    }
    __atomic_fetch_sub(&semaphore->waiters, 1, __ATOMIC_RELAXED); /* late is harmless: one wake too many */
    return rc;
}

int cheng_semaphore_acquire_until(cheng_semaphore *semaphore, cheng_deadline deadline)
{
    uint32_t value;
    return likely(take(semaphore, &value)) ? 0 : acquire_slowly(semaphore, deadline);
}

int cheng_semaphore_acquire(cheng_semaphore *semaphore)
{
    uint32_t value;
    return likely(take(semaphore, &value)) ? 0 : acquire_slowly(semaphore, CHENG_FOREVER);
}

int cheng_semaphore_release(cheng_semaphore *semaphore, unsigned n)
{
    uint32_t value = load_relaxed(&semaphore->value), most = semaphore->most == 0 ? MOST : semaphore->most;
    do
        if (n > most || value > most - n)
            return -EOVERFLOW;
    while (!cas_release(&semaphore->value, &value, value + n)); /* partner: take */
    chengi_host_fence_after_rmw();                              /* partner: the fence in acquire */
    if (load_relaxed(&semaphore->waiters) != 0)
        chengi_place_wake(semaphore->kind, &semaphore->value, n);
    return 0;
}

unsigned cheng_semaphore_value(const cheng_semaphore *semaphore)
{
    return load_relaxed(&semaphore->value);
}

/* ---- select ---- */

static int attempt(cheng_case *c, const struct select_wait *wait)
{
    cheng_semaphore *semaphore = c->object;
    uint32_t value;
    (void)wait;
    return semaphore->kind != 0 ? -ENOTSUP : take(semaphore, &value) ? 0 : -EAGAIN;
}

static int stop_waiting(const cheng_case *c, struct select_wait *wait)
{
    cheng_semaphore *semaphore = c->object;
    (void)wait;
    __atomic_fetch_sub(&semaphore->waiters, 1, __ATOMIC_RELAXED); /* late is harmless, as above */
    return 0;
}

static int await(const cheng_case *c, struct select_wait *wait)
{
    cheng_semaphore *semaphore = c->object;
    __atomic_fetch_add(&semaphore->waiters, 1, __ATOMIC_SEQ_CST);
    chengi_host_fence_after_rmw(); /* partner: the fence in release */
    wait->point->word = &semaphore->value;
    wait->point->value = 0;
    return 1; /* units that are there show when it parks */
}

const struct selectable chengi_select_semaphore = { attempt, await, stop_waiting };
