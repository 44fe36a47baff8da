/* The side of cheng_lock that works between processes: locks whose kind is not 0.
 *
 * The word:
 *
 *   bits 2-31   FREE (row 0, which is nobody's), or the participant word of the owner: a process
 *   bit 1       CHENGI_STARVING: somebody was woken, came too late, and has waited for a millisecond
 *   bit 0       CHENGI_PARKED: somebody may be asleep
 *
 *   from              to                    by
 *   FREE              me                    anybody; acquire, as all that end in `me`
 *   FREE|S|p          me|p                  who has slept, or will not (CHENG_NOW); arrivals go to sleep
 *   FREE|p            me|P                  who has slept: others may still sleep
 *   owner|s           owner|s|P             who is about to sleep, with S if it starves
 *   FREE|S            FREE|S|P              an arrival that is about to sleep, for a millisecond at the most
 *   me|s|p            FREE|s                the owner; release; wakes one if p was set
 *   dead|s|p          me|P                  who found the owner dead: -EOWNERDEAD
 *
 * A free word is not 0, so the inline fast path of private locks always fails on a shared one.
 *
 * `holder` says which of the owner's tasks has it, and where it was taken:
 *
 *   bits 32-63  the task's word
 *   bits 9-31   a tag of the participant: its row, and 9 bits of its generation; 0: nobody, or not written yet
 *   bits 0-8    the call site, a number of the arena; 0: unknown
 *
 *   from   to     by
 *   any    mine   who has just become the owner
 *   mine   0      the owner, before it frees the word
 *   dead   mine   who found that the task ended holding the lock, in the same process: -EOWNERDEAD. The word
 *                 stays as it is, for the process is the same; so this compare-and-swap decides who it is
 *
 * A task clears holder before it frees the word, so one that is in holder has not released the lock. The tag is
 * needed because word and holder are two stores: between those of one who takes over from a dead process, or when
 * the lock has changed hands since the word was read, holder speaks of a task of another process, whose word may
 * mean a live or an ended task in ours. */
#ifndef CHENG_SYNC_SHARED_LOCK_H
#define CHENG_SYNC_SHARED_LOCK_H

#include <cheng/lock.h>

/* 0; -EOWNERDEAD, as the holder; -EAGAIN (CHENG_NOW); -ETIMEDOUT; -EDEADLK: the calling task holds it (and the
 * deadline is not CHENG_NOW); -EBADMSG; -EOPNOTSUPP; -EINVAL: not a lock. Not a cancellation point. */
int chengi_shared_lock_acquire(cheng_lock *lock, cheng_deadline deadline, const char *site);

/* The same, and a cancellation point: also -ECANCELED. */
int chengi_shared_lock_acquire_cancellable(cheng_lock *lock, cheng_deadline deadline, const char *site);

/* 0; -EPERM; -EBADMSG; -EOPNOTSUPP. */
int chengi_shared_lock_release(cheng_lock *lock);

/* Snapshots: somebody holds it; the calling task does. */
bool chengi_shared_lock_locked(const cheng_lock *lock);
bool chengi_shared_lock_mine(const cheng_lock *lock);

/* A free word: row 0 with a generation that no participant ever has. */
#define CHENGI_SHARED_FREE UINT32_C(0xffff0000)

#endif
