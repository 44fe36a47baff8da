/* The private lock. Its word:
 *
 *   owner  flags               meaning                     who goes there
 *   0      -                   free                        release
 *   0      PARKED              free, others wait           release that woke one of several
 *   0      STARVING [PARKED]   reserved for who was woken  release of a lock whose waiter starves
 *   T      -                   held by runner T            acquire
 *   T      PARKED              held, others wait           a waiter, before it parks
 *   T      PARKED STARVING     held, one waits too long    a waiter that was woken in vain for 1 ms
 *
 * PARKED may be set with nobody parked (who set it found the word changed), never clear with somebody parked:
 * release decides it with the word's bucket locked, where nobody can come or go.
 *
 * Arrivals may take a free lock before those who wait: handing it over would cost a wake-up each time. Once a
 * waiter starves, the next release reserves the lock for the one it wakes, who clears the flag. The child of a
 * fork may find a lock reserved for a thread that did not come along: arrivals respect it for 1 ms only.
 *
 * T is compared with the table of runners: a stale one is dead, its thread or task has ended. */
#include "sync/lock.h"

#include <errno.h>
#include <stdio.h>

#include "arena/arena.h"
#include "base/compiler.h"
#include "base/deadline.h"
#include "base/incident.h"
#include "host/host.h"
#include "park/graph.h"
#include "park/park.h"
#include "run/runner.h"
#include "run/worker.h"
#include "sync/shared_lock.h"

#undef cheng_lock_acquire
#undef cheng_lock_acquire_until
#undef cheng_lock_release

_Static_assert(sizeof(cheng_lock) == 16, "16 bytes, private or shared");

enum { BACKOFF_FIRST = 64, BACKOFF_ROUNDS = 4 };
static const int64_t starving_after_ns = 1000000;

static void set_holder(cheng_lock *lock, const char *site)
{
    store_relaxed(&lock->holder, (uint64_t)(uintptr_t)site); /* for reports, which look twice */
}

/* False: the holder stands still, since it waits itself, or is a coroutine of the worker that asks. */
static bool may_go_on(uint32_t word)
{
    const struct cheng_task *holder = chengi_runner_of(word);
    return holder == NULL || ((load_relaxed(&holder->wake) & CHENGI_OUTCOME) != CHENGI_WAITING &&
                              (chengi_worker == NULL || load_relaxed(&holder->worker) != chengi_worker));
}

/* Waits for a while in which the holder may release. Bounded: BACKOFF_ROUNDS rounds that double from
 * BACKOFF_FIRST pauses: contenders that look too often keep the holder from its own cache line. */
static bool back_off(uint32_t word, unsigned *round)
{
    if (*round == BACKOFF_ROUNDS || chengi_host_spin_limit() == 0 || !may_go_on(word))
        return false;
    for (unsigned i = 0; i < (unsigned)BACKOFF_FIRST << *round; i++)
        chengi_host_relax();
    *round += 1;
    return true;
}

/* One attempt. 0, -EOWNERDEAD: taken; -EAGAIN: held, `*seen` is the word; -EDEADLK: by the caller. */
static int attempt(cheng_lock *lock, uint32_t me, bool woken, uint32_t *seen)
{
    uint32_t word = load_relaxed(&lock->word);
    for (;;) {
        uint32_t owner = word & (uint32_t)CHENGI_OWNER;
        int rc = 0;
        *seen = word;
        if (owner == me)
            return -EDEADLK;
        if (owner == 0 && (word & CHENGI_STARVING) && !woken)
            return -EAGAIN; /* reserved */
        if (owner != 0) {
            if (chengi_runner_alive(owner))
                return -EAGAIN;
            rc = -EOWNERDEAD;
        }
        if (cas_acquire(&lock->word, &word, me | (word & CHENGI_PARKED))) /* partner: the release */
            return rc;
    }
}

/* The owner may end without releasing, which wakes nobody: it must know that its locks are wanted. */
static uint32_t tell(struct cheng_task *owner)
{
    uint32_t life = load_acquire(&owner->life);
    /* if the slot is another's by now: it will look through the lot for nothing */
    return life & CHENGI_WANTED ? life : __atomic_fetch_or(&owner->life, CHENGI_WANTED, __ATOMIC_ACQ_REL);
}

/* Both change `life`: either its end sees the bit, or we see that it has ended. False: look at the lock again. */
static bool owner_told(uint32_t word)
{
    struct cheng_task *owner = chengi_runner_of(word);
    if (owner == NULL)
        return (word & (uint32_t)CHENGI_OWNER) == 0;
    return !(tell(owner) & CHENGI_ENDED) && chengi_runner_alive(word);
}

/* Sleeps until the lock may be free. On a reserved one for a millisecond at the most: for whom it is reserved may
 * have been left behind by a fork. Then the caller takes it, as if it had been woken. */
static int park(cheng_lock *lock, uint32_t wanted, int64_t deadline_ns, const struct why *why, unsigned flags)
{
    int64_t until = (wanted & (uint32_t)CHENGI_OWNER) != 0 ? 0 : chengi_host_now() + starving_after_ns;
    if (until == 0 || (deadline_ns != 0 && deadline_ns <= until))
        return chengi_park(&lock->word, wanted, deadline_ns, why, flags);
    int rc = chengi_park(&lock->word, wanted, until, why, flags);
    return rc == -ETIMEDOUT ? 0 : rc;
}

static int acquire(cheng_lock *lock, cheng_deadline deadline, const char *site, unsigned flags)
{
    struct cheng_task *self = chengi_runner_self();
    const struct why why = { CHENGI_WAIT_LOCK, lock, site };
    unsigned round = 0;
    uint32_t word;
    int64_t since = 0;
    int rc;
    while ((rc = attempt(lock, self->self.word, flags & CHENGI_PARK_FRONT, &word)) == -EAGAIN) {
        if (chengi_is_now(deadline))
            return -EAGAIN;
        if (back_off(word, &round))
            continue;
        if (since == 0) {
            if (chengi_arena_contains(lock))
                return -EINVAL;
            since = chengi_host_now();
        }
        uint32_t wanted = word | CHENGI_PARKED;
        if ((flags & CHENGI_PARK_FRONT) && (word & (uint32_t)CHENGI_OWNER) != 0 &&
            chengi_host_now() - since > starving_after_ns)
            wanted |= CHENGI_STARVING;
        if ((word != wanted && !cas_relaxed(&lock->word, &word, wanted)) || !owner_told(wanted))
            continue;
        rc = park(lock, wanted, deadline.at_ns, &why, flags);
        if (rc < 0)
            return rc;
        flags |= CHENGI_PARK_FRONT;
        round = 0;
    }
    if (rc == -EDEADLK && chengi_is_now(deadline))
        return -EAGAIN;
    if (rc == -EDEADLK) {
        chengi_graph_report_self(self, &why, (const char *)(uintptr_t)load_relaxed(&lock->holder));
        return rc;
    }
    set_holder(lock, site);
    if (word & CHENGI_PARKED)
        tell(self); /* who is parked still has told the owner before us */
    return rc;
}

int chengi_lock_acquire_until_at(cheng_lock *lock, cheng_deadline deadline, const char *site)
{
    return lock->kind == 0 ? acquire(lock, deadline, site, CHENGI_PARK_UNCANCELLABLE)
                           : chengi_shared_lock_acquire(lock, deadline, site);
}

int chengi_lock_acquire_cancellable(cheng_lock *lock, cheng_deadline deadline, const char *site)
{
    return lock->kind == 0 ? acquire(lock, deadline, site, 0)
                           : chengi_shared_lock_acquire_cancellable(lock, deadline, site);
}

/* After an incident whose hook returned: the program prefers to hang. */
static _Noreturn void hang(cheng_lock *lock, const char *site)
{
    const struct why why = { CHENGI_WAIT_SLEEP, lock, site };
    chengi_runner_self()->shields++;
    for (;;)
        chengi_park_sleep(0, &why);
}

static _Noreturn void give_up(cheng_lock *lock, int rc, const char *site)
{
    char text[160];
    if (rc == -EDEADLK) {
        const char *report = chengi_deadlock_report();
        chengi_incident(CHENG_DEADLOCK, rc, lock,
                        report[0] != '\0' ? report : "deadlock: no memory for more words\n");
    } else {
        snprintf(text, sizeof text, "lock %p cannot be acquired at %s: %s\n", (const void *)lock,
                 site == NULL ? "an unknown line" : site, cheng_strerror(rc));
        chengi_incident(CHENG_MISUSE, rc, lock, text);
    }
    hang(lock, site);
}

int chengi_lock_acquire_again(cheng_lock *lock, const char *site)
{
    int rc = chengi_lock_acquire_until_at(lock, CHENG_FOREVER, site);
    if (rc < 0 && rc != -EOWNERDEAD)
        give_up(lock, rc, site);
    return rc;
}

void chengi_lock_insist(cheng_lock *lock, int rc, const char *site)
{
    char text[160];
    if (rc == 0)
        return;
    if (rc != -EOWNERDEAD)
        give_up(lock, rc, site);
    snprintf(text, sizeof text, "lock %p, acquired by %s at %s: its owner died holding it\n",
             (const void *)lock, chengi_runner_name(chengi_runner_self()),
             site == NULL ? "an unknown line" : site);
    chengi_incident(CHENG_OWNER_DIED, -EOWNERDEAD, lock, text);
}

void chengi_lock_acquire_at(cheng_lock *lock, const char *site)
{
    chengi_lock_insist(lock, chengi_lock_acquire_until_at(lock, CHENG_FOREVER, site), site);
}

void cheng_lock_acquire(cheng_lock *lock)
{
    chengi_lock_acquire_inline(lock, NULL);
}

int cheng_lock_acquire_until(cheng_lock *lock, cheng_deadline deadline)
{
    return chengi_lock_acquire_until_at(lock, deadline, NULL);
}

bool chengi_lock_mine(const cheng_lock *lock)
{
    if (lock->kind != 0)
        return chengi_shared_lock_mine(lock);
    return (load_relaxed(&lock->word) & (uint32_t)CHENGI_OWNER) == chengi_runner_self()->self.word;
}

/* With the bucket locked: the word that the release leaves. release: partner is the next acquire. */
static void leave_free(void *context, bool woken, bool more)
{
    cheng_lock *lock = context;
    uint32_t reserved = woken ? load_relaxed(&lock->word) & CHENGI_STARVING : 0;
    store_release(&lock->word, reserved | (more ? CHENGI_PARKED : 0));
}

int cheng_lock_release(cheng_lock *lock)
{
    if (lock->kind != 0)
        return chengi_shared_lock_release(lock);
    uint32_t mine = chengi_runner_self()->self.word;
    if (cas_release(&lock->word, &mine, 0)) /* partner: the next acquire */
        return 0;
    if ((mine & (uint32_t)CHENGI_OWNER) != chengi_runner_self()->self.word)
        return -EPERM;
    chengi_unpark_one(&lock->word, leave_free, lock);
    return 0;
}

bool cheng_lock_locked(const cheng_lock *lock)
{
    if (lock->kind != 0)
        return chengi_shared_lock_locked(lock);
    return (load_relaxed(&lock->word) & (uint32_t)CHENGI_OWNER) != 0;
}
