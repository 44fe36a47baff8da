/* The lock, as the rest of the library uses it. */
#ifndef CHENG_SYNC_LOCK_H
#define CHENG_SYNC_LOCK_H

#include <cheng/lock.h>

/* Whether the calling task holds it. */
bool chengi_lock_mine(const cheng_lock *lock);

/* Takes a lock back after a condition's wait: 0 or -EOWNERDEAD as the holder; what else goes wrong is an
 * incident. */
int chengi_lock_acquire_again(cheng_lock *lock, const char *site);

#endif
