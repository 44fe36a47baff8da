/* The recursive lock: a lock, and a depth that only its owner reads and writes. Whoever gets the lock writes it anew,
 * so what a dead owner left in it means nothing; the lock's release and acquire order it. */
#include <cheng/rlock.h>

#include <errno.h>

#include "base/compiler.h"
#include "sync/lock.h"

#undef cheng_lock_release
#undef cheng_rlock_acquire
#undef cheng_rlock_acquire_until
#undef cheng_rlock_release

_Static_assert(sizeof(cheng_rlock) == 24, "24 bytes, private or shared");

int chengi_rlock_acquire_until_at(cheng_rlock *rlock, cheng_deadline deadline, const char *site)
{
    if (chengi_lock_mine(&rlock->lock)) {
        rlock->depth++; /* 64 bits: it would take centuries to overflow */
        return 0;
    }
    int rc = chengi_lock_acquire_until_at(&rlock->lock, deadline, site);
    if (rc == 0 || rc == -EOWNERDEAD)
        rlock->depth = 1;
    return rc;
}

void chengi_rlock_acquire_at(cheng_rlock *rlock, const char *site)
{
    chengi_lock_insist(&rlock->lock, chengi_rlock_acquire_until_at(rlock, CHENG_FOREVER, site), site);
}

void cheng_rlock_acquire(cheng_rlock *rlock)
{
    chengi_rlock_acquire_at(rlock, NULL);
}

int cheng_rlock_acquire_until(cheng_rlock *rlock, cheng_deadline deadline)
{
    return chengi_rlock_acquire_until_at(rlock, deadline, NULL);
}

int cheng_rlock_release(cheng_rlock *rlock)
{
    if (!chengi_lock_mine(&rlock->lock) || rlock->depth == 1)
        return cheng_lock_release(&rlock->lock); /* which has the error */
    rlock->depth--;
    return 0;
}

bool cheng_rlock_locked(const cheng_rlock *rlock)
{
    return cheng_lock_locked(&rlock->lock);
}
