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
#undef cheng_condition_wait_until

enum { WAITERS = 1, NOTIFY = 2 };

_Static_assert(sizeof(cheng_condition) == 8, "8 bytes, private or shared");

int chengi_condition_wait_until_at(cheng_condition *condition, cheng_lock *lock, cheng_deadline deadline,
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
    uint32_t word = __atomic_or_fetch(&condition->word, WAITERS, __ATOMIC_RELAXED); /* the lock orders */
    rc = cheng_lock_release(lock);
    if (rc == 0)
        rc = chengi_place_wait(&place, &condition->word, word, deadline.at_ns, &why, 0);
    int again = chengi_lock_acquire_again(lock, site);
    return again < 0 ? again : rc;
}

int cheng_condition_wait_until(cheng_condition *condition, cheng_lock *lock, cheng_deadline deadline)
{
    return chengi_condition_wait_until_at(condition, lock, deadline, NULL);
}

int cheng_condition_wait(cheng_condition *condition, cheng_lock *lock)
{
    return chengi_condition_wait_until_at(condition, lock, CHENG_FOREVER, NULL);
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
