#include "queue/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "host/host.h"
#include "park/park.h"
#include "run/runner.h"

enum { MET = 1, ENDED = 2, PASSED = 3 }; /* waits.met */

/* A call that waits, on its stack. */
struct waits {
    struct link link;
    void *item; /* the putter's is only read */
    uint32_t met;
    uint32_t *claim; /* a select's word, on which it parks; NULL: it parks on `met` */
    uint32_t number; /* what the word becomes if this case is done */
};
_Static_assert(sizeof(struct waits) <= CHENGI_SELECT_ROOM, "a select has room for it");

static void forget_calls(struct channel *channel)
{
    chengi_list_init(&channel->putters);
    chengi_list_init(&channel->getters);
    channel->forks = chengi_forks;
}

int chengi_channel_new(struct channel **out, size_t item_size, const cheng_queue_options *options)
{
    struct channel *channel = aligned_alloc(_Alignof(struct channel), sizeof *channel);
    if (channel == NULL)
        return -ENOMEM;
    memset(channel, 0, sizeof *channel);
    bool rendezvous = options->capacity == CHENG_RENDEZVOUS;
    channel->capacity = rendezvous ? 0 : options->capacity == 0 ? SIZE_MAX : options->capacity;
    forget_calls(channel);
    int rc = chengi_store_init(&channel->store, item_size, options->order, options->compare);
    if (rc < 0)
        free(channel);
    else
        *out = channel;
    return rc;
}

void chengi_channel_free(struct channel *channel)
{
    chengi_store_destroy(&channel->store);
    free(channel);
}

/* The lock, for as long as it takes to move one item. -EDEADLK: a comparison uses its queue, or a lock whose holder
 * waits for this one. */
static int enter(struct channel *channel)
{
    uint32_t unlocked = 0;
    int rc = 0;
    /* as inlined */
    if (unlikely(!cas_acquire(&channel->lock.word, &unlocked, chengi_runner_self()->self.word)))
        rc = cheng_lock_acquire_until(&channel->lock, CHENG_FOREVER);
    if (unlikely(rc == -EOWNERDEAD)) {
        channel->ended = -EOWNERDEAD; /* the store may be half changed */
        rc = 0;
    }
    if (unlikely(channel->forks != chengi_forks) && rc == 0)
        forget_calls(channel); /* which lie on stacks of the parent's other tasks */
    return rc;
}

static void leave(struct channel *channel)
{
    (void)cheng_lock_release(&channel->lock);
}

static int leave_with(struct channel *channel, int rc)
{
    leave(channel);
    return rc;
}

/* A select does one case only: whoever brings its word here. */
static bool claim(const struct waits *waits)
{
    uint32_t open = CHENGI_SELECT_OPEN;
    return waits->claim == NULL || cas_acq_rel(waits->claim, &open, waits->number); /* partner: its closing */
}

/* The call that has waited longest, off its list, or NULL. */
static struct waits *first_of(struct link *list)
{
    struct link *link;
    while ((link = chengi_list_pop_front(list)) != NULL) {
        struct waits *waits = CHENGI_CONTAINER(link, struct waits, link);
        if (likely(claim(waits)))
            return waits;
        store_release(&waits->met, PASSED);
    }
    return NULL;
}

/* What the call parks on; before `met` changes. Afterwards it is an address only. */
static uint32_t *word_of(struct waits *waits)
{
    return waits->claim != NULL ? waits->claim : &waits->met;
}

/* Ends the wait of a call whose part is done, and leaves. */
static int meet(struct channel *channel, struct waits *waits)
{
    uint32_t *word = word_of(waits);
    store_release(&waits->met, MET); /* partner: the loads in wait_for */
    leave(channel);
    chengi_unpark(word, 1);
    return 0;
}

static void count(uint64_t *counter)
{
    store_release(counter, *counter + 1); /* partner: join, in queue.c */
}

/* A wake-up across cores costs far more than most waits last. A thread therefore looks for a while; a coroutine parks
 * at once: others can run. */
static void look(const struct waits *waits)
{
    unsigned spins = chengi_runner_self()->worker == NULL ? chengi_host_spin_limit() : 0;
    while (spins-- > 0 && load_relaxed(&waits->met) == 0)
        chengi_host_relax();
}

/* Enters the list, and leaves the channel until somebody has done the call's part. */
static int wait_for(struct channel *channel, bool putting, void *item, cheng_deadline deadline)
{
    const struct why why = { putting ? CHENGI_WAIT_PUT : CHENGI_WAIT_GET, channel->queue, NULL };
    struct waits waits = { .item = item };
    int rc = 0;
    chengi_list_push_back(putting ? &channel->putters : &channel->getters, &waits.link);
    leave(channel);
    look(&waits);
    while (rc == 0 && load_acquire(&waits.met) == 0)
        rc = chengi_park(&waits.met, 0, deadline.at_ns, &why, 0);
    if (rc < 0) {
        cheng_lock_acquire(&channel->lock);
        if (waits.met == 0)
            chengi_list_remove(&waits.link);
        leave(channel);
    }
    return waits.met == MET ? 0 : waits.met == ENDED ? -EPIPE : rc;
}

int chengi_channel_put(struct channel *channel, const void *item, cheng_deadline deadline)
{
    struct waits *getter;
    int rc = enter(channel);
    if (rc < 0)
        return rc;
    if (unlikely(channel->ended != 0))
        return leave_with(channel, channel->ended);
    if ((getter = first_of(&channel->getters)) != NULL) {
        memcpy(getter->item, item, channel->store.item_size);
        count(&channel->puts);
        count(&channel->gets);
        return meet(channel, getter);
    }
    if (channel->store.size < channel->capacity) {
        rc = chengi_store_push(&channel->store, item);
        if (rc == 0)
            count(&channel->puts);
        return leave_with(channel, rc);
    }
    if (chengi_is_now(deadline))
        return leave_with(channel, -EAGAIN);
    return wait_for(channel, true, (void *)(uintptr_t)item, deadline);
}

int chengi_channel_get(struct channel *channel, void *item, cheng_deadline deadline)
{
    struct waits *putter;
    int rc = enter(channel);
    if (rc < 0)
        return rc;
    if (unlikely(channel->ended == -EOWNERDEAD))
        return leave_with(channel, -EOWNERDEAD);
    if (channel->store.size > 0) {
        chengi_store_pop(&channel->store, item);
        count(&channel->gets);
        if ((putter = first_of(&channel->putters)) == NULL)
            return leave_with(channel, 0);
        (void)chengi_store_push(&channel->store, putter->item); /* there is room */
        count(&channel->puts);
        return meet(channel, putter);
    }
    if ((putter = first_of(&channel->putters)) != NULL) {
        memcpy(item, putter->item, channel->store.item_size);
        count(&channel->puts);
        count(&channel->gets);
        return meet(channel, putter);
    }
    if (channel->ended != 0)
        return leave_with(channel, channel->ended);
    if (chengi_is_now(deadline))
        return leave_with(channel, -EAGAIN);
    return wait_for(channel, false, item, deadline);
}

/* ---- select ---- */

/* Whether a call in the list could be met by this select: not if it is one of its own. */
static bool has_another(const struct link *list, const uint32_t *own)
{
    for (const struct link *link = list->next; link != list; link = link->next) {
        const struct waits *waits = CHENGI_CONTAINER(link, struct waits, link);
        if (waits->claim != own && (waits->claim == NULL || load_relaxed(waits->claim) == CHENGI_SELECT_OPEN))
            return true;
    }
    return false;
}

int chengi_channel_await(struct channel *channel, bool putting, void *item, struct select_wait *wait)
{
    struct waits *waits = (struct waits *)wait->room;
    int rc = enter(channel);
    if (rc < 0)
        return rc;
    if (channel->ended != 0 || has_another(putting ? &channel->getters : &channel->putters, wait->claim) ||
        (putting ? channel->store.size < channel->capacity : channel->store.size > 0))
        return leave_with(channel, 0);
    *waits = (struct waits){ .item = item, .claim = wait->claim, .number = wait->number };
    chengi_list_push_back(putting ? &channel->putters : &channel->getters, &waits->link);
    return leave_with(channel, 1);
}

/* With the lock, so what is met has been done wholly. */
int chengi_channel_leave(struct channel *channel, struct select_wait *wait)
{
    struct waits *waits = (struct waits *)wait->room;
    cheng_lock_acquire(&channel->lock);
    if (waits->met == 0)
        chengi_list_remove(&waits->link);
    leave(channel);
    return waits->met == ENDED ? -EPIPE : 0;
}

int chengi_channel_peek(struct channel *channel, void *item)
{
    int rc = enter(channel);
    if (rc < 0)
        return rc;
    if (channel->ended == -EOWNERDEAD)
        rc = -EOWNERDEAD;
    else if (channel->store.size > 0)
        memcpy(item, chengi_store_peek(&channel->store), channel->store.item_size);
    else
        rc = channel->ended != 0 ? channel->ended : -EAGAIN;
    return leave_with(channel, rc);
}

size_t chengi_channel_size(struct channel *channel)
{
    if (enter(channel) < 0)
        return 0;
    size_t size = channel->store.size;
    leave(channel);
    return size;
}

static void end_all(struct link *list)
{
    struct waits *waits;
    while ((waits = first_of(list)) != NULL) {
        uint32_t *word = word_of(waits);
        store_release(&waits->met, ENDED); /* partner: the loads in wait_for */
        chengi_unpark(word, 1);
    }
}

size_t chengi_channel_close(struct channel *channel, bool drop)
{
    size_t dropped = 0;
    if (enter(channel) < 0)
        return 0;
    if (channel->ended == -EOWNERDEAD) {
        leave(channel);
        return 0;
    }
    channel->ended = -EPIPE;
    end_all(&channel->putters);
    end_all(&channel->getters);
    if (drop) {
        dropped = channel->store.size;
        store_release(&channel->gets, channel->gets + dropped); /* partner: join, in queue.c */
        chengi_store_clear(&channel->store);
    }
    leave(channel);
    return dropped;
}
