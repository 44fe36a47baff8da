/* The private queue that is no ring: any order, with a bound or without, or a rendezvous. One lock protects a store of
 * items and two lists of calls that wait, each with the address of its item:
 *
 *   putters wait   the store is full
 *   getters wait   the store is empty, and no putter waits
 *
 * Who changes that does the waiting call's part as well: a put gives its item to the getter that has waited longest, a
 * get that has made room puts the item of the first putter in. So who is woken has what it came for, and nobody else
 * can be faster; a rendezvous is a channel whose store has no room. (Source of the idea: Go's channels.)
 *
 *   waits.met   meaning                         changed by
 *   0           waits; it is in a list          the call, with the lock
 *   MET         its part is done                who did it, with the lock; release, after it took the call off the list
 *   ENDED       the channel was closed          close, likewise
 *   PASSED      a select that has ended         who met it, likewise, and went on to the next
 *
 *   waiting call                                other side
 *   enters the list (lock)                      takes it off, does its part (lock)
 *   parks while met == 0                        met = MET; unlocks; unparks
 *
 * The waiting call lies on a stack: after the change of `met` it is an address only. A call whose wait ends for another
 * reason takes the lock, and itself off the list, unless it was met meanwhile: then it returns 0.
 *
 * A cheng_select waits in the lists of several channels, with one word that says which of its cases is done
 * (park/select.h). Who finds it in a list must first bring that word from open to this case; so one does. */
#ifndef CHENG_QUEUE_CHANNEL_H
#define CHENG_QUEUE_CHANNEL_H

#include <cheng/lock.h>

#include "base/compiler.h"
#include "base/list.h"
#include "park/select.h"
#include "queue/store.h"

struct channel {
    _Alignas(2 * CHENGI_CACHE_LINE) cheng_lock lock;
    int ended; /* 0; -EPIPE: closed; -EOWNERDEAD: a fork's parent was inside */
    size_t capacity;
    struct link putters, getters;
    uint32_t forks; /* chengi_forks, for which they are true */
    struct store store;
    uint64_t puts, gets; /* so far; written with the lock held, `puts` first */
    const void *queue;   /* the handle: what is waited for, as its owner knows it */
};

/* The options are valid. 0 or -ENOMEM. */
int chengi_channel_new(struct channel **out, size_t item_size, const cheng_queue_options *options);
void chengi_channel_free(struct channel *channel);

/* As cheng/queue.h has them. */
int chengi_channel_put(struct channel *channel, const void *item, cheng_deadline deadline);
int chengi_channel_get(struct channel *channel, void *item, cheng_deadline deadline);
int chengi_channel_peek(struct channel *channel, void *item);
size_t chengi_channel_size(struct channel *channel);

/* For cheng_select, as struct selectable has them. */
int chengi_channel_await(struct channel *channel, bool putting, void *item, struct select_wait *wait);
int chengi_channel_leave(struct channel *channel, struct select_wait *wait);

/* Returns how many items it dropped. */
size_t chengi_channel_close(struct channel *channel, bool drop);

#endif
