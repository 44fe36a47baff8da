/* The condition's word:
 *
 *   bit 0      WAITERS  somebody may wait: set by waiters who hold the lock; cleared when all are notified
 *   bits 1-31  notifies so far: a waiter reads it holding the lock, and sleeps while it stays the same
 *
 *   waiter                                notifier
 *   WAITERS, n = notifies (lock held)     changes the predicate (lock held)
 *   releases the lock                     notifies += 1
 *   parks while notifies == n             wakes
 *
 * A notify between release and park is seen as a changed number: the wait returns at once. */
#include <cheng/condition.h>

#include <errno.h>
#include <limits.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "sync/lock.h"
#include "sync/place.h"

#undef cheng_condition_wait
#undef cheng_condition_wait_for
#undef cheng_condition_wait_for_rlock
#undef cheng_condition_wait_rlock
#undef cheng_condition_wait_rlock_until
#undef cheng_condition_wait_until

enum { WAITERS = 1, NOTIFY = 2 };

_Static_assert(sizeof(cheng_condition) == 8, "8 bytes, private or shared");

/* `depth` is that of the recursive lock around `lock`; NULL: it is in none. Others change it during the wait. */
static int wait_until(cheng_condition *condition, cheng_lock *lock, uint64_t *depth, cheng_deadline deadline,
                      const char *site)
{
    const struct why why = { CHENGI_WAIT_CONDITION, condition, site };
    struct place place;
    if (!chengi_lock_mine(lock))
        return -EPERM;
    if (chengi_is_now(deadline))
        return -EAGAIN;
    int rc = (condition->kind == 0) == (lock->kind == 0) ? 0 : -EINVAL;
    if (rc == 0)
        rc = chengi_place_find(&place, condition, condition->kind, CHENGI_ARENA_CONDITION);
    if (rc < 0)
        return rc;
    uint64_t mine = depth == NULL ? 0 : *depth;
    uint32_t word = __atomic_or_fetch(&condition->word, WAITERS, __ATOMIC_RELAXED); /* the lock orders */
    rc = cheng_lock_release(lock);
    if (rc == 0)
        rc = chengi_place_wait(&place, &condition->word, word, deadline.at_ns, &why, 0);
    int again = chengi_lock_acquire_again(lock, site);
    if (depth != NULL)
        *depth = mine;
    return again < 0 ? again : rc;
}

static int wait_for(cheng_condition *condition, cheng_lock *lock, uint64_t *depth, cheng_predicate *predicate,
                    void *arg, cheng_deadline deadline, const char *site)
{
    int rc = 0;
    if (!chengi_lock_mine(lock))
        return -EPERM;
    while (!predicate(arg)) {
        if (rc < 0)
            return rc;
        rc = wait_until(condition, lock, depth, deadline, site);
        if (rc == -EOWNERDEAD)
            return rc;
    }
    return 0;
}

int chengi_condition_wait_until_at(cheng_condition *condition, cheng_lock *lock, cheng_deadline deadline,
                                   const char *site)
{
    return wait_until(condition, lock, NULL, deadline, site);
}

int chengi_condition_wait_rlock_until_at(cheng_condition *condition, cheng_rlock *rlock,
                                         cheng_deadline deadline, const char *site)
{
    return wait_until(condition, &rlock->lock, &rlock->depth, deadline, site);
}

int chengi_condition_wait_for_at(cheng_condition *condition, cheng_lock *lock, cheng_predicate *predicate,
                                 void *arg, cheng_deadline deadline, const char *site)
{
    return wait_for(condition, lock, NULL, predicate, arg, deadline, site);
}

int chengi_condition_wait_for_rlock_at(cheng_condition *condition, cheng_rlock *rlock,
                                       cheng_predicate *predicate, void *arg, cheng_deadline deadline,
                                       const char *site)
{
    return wait_for(condition, &rlock->lock, &rlock->depth, predicate, arg, deadline, site);
}

int cheng_condition_wait(cheng_condition *condition, cheng_lock *lock)
{
    return chengi_condition_wait_until_at(condition, lock, CHENG_FOREVER, NULL);
}

int cheng_condition_wait_until(cheng_condition *condition, cheng_lock *lock, cheng_deadline deadline)
{
    return chengi_condition_wait_until_at(condition, lock, deadline, NULL);
}

int cheng_condition_wait_rlock(cheng_condition *condition, cheng_rlock *rlock)
{
    return chengi_condition_wait_rlock_until_at(condition, rlock, CHENG_FOREVER, NULL);
}

int cheng_condition_wait_rlock_until(cheng_condition *condition, cheng_rlock *rlock, cheng_deadline deadline)
{
    return chengi_condition_wait_rlock_until_at(condition, rlock, deadline, NULL);
}

int cheng_condition_wait_for(cheng_condition *condition, cheng_lock *lock, cheng_predicate *predicate,
                             void *arg, cheng_deadline deadline)
{
    return chengi_condition_wait_for_at(condition, lock, predicate, arg, deadline, NULL);
}

int cheng_condition_wait_for_rlock(cheng_condition *condition, cheng_rlock *rlock, cheng_predicate *predicate,
                                   void *arg, cheng_deadline deadline)
{
    return chengi_condition_wait_for_rlock_at(condition, rlock, predicate, arg, deadline, NULL);
}

void cheng_condition_notify(cheng_condition *condition, unsigned n)
{
    uint32_t word = load_relaxed(&condition->word), next;
    do {
        if (!(word & WAITERS) || n == 0)
            return; /* who waits set the bit with the lock held, as the predicate was changed */
        next = word + NOTIFY;
        if (n == UINT_MAX)
            next &= ~(uint32_t)WAITERS;
    } while (!cas_release(&condition->word, &word, next));
    chengi_place_wake(condition->kind, &condition->word, n);
}
