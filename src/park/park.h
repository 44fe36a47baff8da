/* Park: the one place that blocks.
 *
 * Every primitive is written over one pair: wait on a 32-bit word while it holds a value, until a deadline;
 * and wake n waiters of that word. The contract is the weaker of what threads, coroutines and processes can
 * give: a wait may end for no reason, promises no order between processes, and the waker does not learn whom
 * it woke. Time-outs, cancellation and deadlock detection hook in here and nowhere else.
 *
 * Private words go through the lot (park/lot.c), a hash table of waiters keyed by address. Shared words go
 * to the kernel's futex, and no sleep on one is longer than its arena's bound, since a waker or a chosen
 * wakee may have been killed. */
#ifndef CHENG_PARK_PARK_H
#define CHENG_PARK_PARK_H

#include <stdbool.h>
#include <stdint.h>

#include <cheng/task.h>

#include "base/why.h"

enum park_flags {
    CHENGI_PARK_UNCANCELLABLE = 1, /* acquiring a lock */
    CHENGI_PARK_FRONT = 2          /* before those who wait already */
};

/* Blocks the caller while `*word == value`. 0: woken, the value differed, or for no reason; -ETIMEDOUT: the
 * deadline passed (0: never); -ECANCELED; for lock and join waits also -EDEADLK (the report is ready,
 * chengi_deadlock_report). Exactly one reason ends a wait: a caller that gets an error has consumed no wake. */
int chengi_park(uint32_t *word, uint32_t value, int64_t deadline_ns, const struct why *why, unsigned flags);

/* Wakes up to `n` waiters of the word, the longest first; returns how many. In a signal handler (park/post.h) it, and the next,
 * wake all of them, but later: 0, and `decide` is not called. */
unsigned chengi_unpark(uint32_t *word, unsigned n);

/* The same for one; `decide` is called with the bucket locked, so that no waiter can come or go: `woken`:
 * one will be woken; `more`: others stay. It publishes the word's new value. */
typedef void chengi_decide(void *context, bool woken, bool more);
unsigned chengi_unpark_one(uint32_t *word, chengi_decide *decide, void *context);

/* Wakes all who wait for private words, whatever for: as if for no reason. */
void chengi_unpark_everybody(void);

/* Blocks the caller until the deadline (0: never) or a cancel. -ETIMEDOUT is the normal end; -EAGAIN: the time, or that of a
 * scope, was up before, and nobody else has run. */
int chengi_park_sleep(int64_t deadline_ns, const struct why *why);

/* Words in memory that processes share. Returns 0 also when `bound_ns` has passed: the caller checks its
 * predicate, and the owner, again. Deadline and bound are taken together; -ETIMEDOUT only for the deadline. */
int chengi_park_shared(uint32_t *word, uint32_t value, int64_t deadline_ns, int64_t bound_ns,
                       const struct why *why, unsigned flags);
void chengi_unpark_shared(uint32_t *word, unsigned n);

/* A private word, and a descriptor that a poller watches for the word's owner: a coroutine parks on the
 * word, which the poller's event changes and wakes; a thread sleeps on the descriptor itself. Returns as
 * chengi_park, or > 0 (a thread): the events that are ready. */
int chengi_park_fd(uint32_t *word, uint32_t value, int fd, unsigned events, int64_t deadline_ns,
                   const struct why *why);

/* Ends the present wait of a task, and all that are to come, with -ECANCELED, if they allow it. */
void chengi_park_cancel(struct cheng_task *task);

/* In a fork's child: the caller is the only one left. */
void chengi_park_after_fork(void);

/* The text behind the caller's last -EDEADLK. */
const char *chengi_deadlock_report(void);

#endif
