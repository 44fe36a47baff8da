/* The lock, as the rest of the library uses it. */
#ifndef CHENG_SYNC_LOCK_H
#define CHENG_SYNC_LOCK_H

#include <cheng/lock.h>

/* Whether the calling task holds it. */
bool chengi_lock_mine(const cheng_lock *lock);

/* As chengi_lock_acquire_until_at, but a cancellation point: also -ECANCELED. */
int chengi_lock_acquire_cancellable(cheng_lock *lock, cheng_deadline deadline, const char *site);

/* What the plain spellings do with the result of an acquire: returns as the holder; all but 0 is an incident, and what
 * leaves the caller without the lock hangs if the hook returns. */
void chengi_lock_insist(cheng_lock *lock, int rc, const char *site);

/* Takes a lock back after a condition's wait: 0 or -EOWNERDEAD as the holder; what else goes wrong is an
 * incident. */
int chengi_lock_acquire_again(cheng_lock *lock, const char *site);

#endif
