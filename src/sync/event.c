/* The event's word:
 *
 *   bit 0      SET
 *   bit 1      WAITERS  somebody may wait: set by waiters, cleared by set
 *   bits 2-31  how often it went from clear to set: a waiter that finds another number was woken, even if the
 *              event was cleared since */
#include <cheng/event.h>

#include <errno.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "park/select.h"
#include "sync/place.h"

enum { SET = 1, WAITERS = 2, ROUND = 4, FLAGS = 3 };

_Static_assert(sizeof(cheng_event) == 8, "8 bytes, private or shared");

void cheng_event_set(cheng_event *event)
{
    uint32_t kind = event->kind; /* before it is set: a waiter that sees it set may free the event at once */
    uint32_t word = load_relaxed(&event->word), next;
    do
        next = word & SET ? word : ((word & ~(uint32_t)FLAGS) + ROUND) | SET;
    while (!cas_release(&event->word, &word, next)); /* also when set: it orders. Partner: wait's acquire */
    if (word & WAITERS)
        chengi_place_wake(kind, &event->word, UINT32_MAX); /* the word is only an address here */
}

void cheng_event_clear(cheng_event *event)
{
    /* acquire: who clears and then looks for work sees what was done before the set that it undoes */
    __atomic_fetch_and(&event->word, ~(uint32_t)SET, __ATOMIC_ACQUIRE);
}

bool cheng_event_is_set(const cheng_event *event)
{
    return load_acquire(&event->word) & SET;
}

int cheng_event_wait_until(cheng_event *event, cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_EVENT, event, NULL };
    struct place place;
    uint32_t word = load_acquire(&event->word);
    if (word & SET)
        return 0;
    if (chengi_is_now(deadline))
        return -EAGAIN;
    int rc = chengi_place_find(&place, event, event->kind, CHENGI_ARENA_EVENT);
    uint32_t round = word & ~(uint32_t)FLAGS;
    while (rc == 0 && !(word & SET) && (word & ~(uint32_t)FLAGS) == round) {
        if ((word & WAITERS) || cas_relaxed(&event->word, &word, word | WAITERS))
            rc = chengi_place_wait(&place, &event->word, word | WAITERS, deadline.at_ns, &why, 0);
        /* also when the swap failed: set may have come between; partner: its release */
        word = load_acquire(&event->word);
    }
    return rc;
}

int cheng_event_wait(cheng_event *event)
{
    return cheng_event_wait_until(event, CHENG_FOREVER);
}

/* ---- select ---- */

/* Another round than when the call began to wait: it was set. */
static bool was_set(uint32_t word, const struct select_wait *wait)
{
    return (word & SET) || (wait != NULL && wait->point->word != NULL &&
                            ((word ^ wait->point->value) & ~(uint32_t)FLAGS) != 0);
}

static int attempt(cheng_case *c, const struct select_wait *wait)
{
    cheng_event *event = c->object;
    if (event->kind != 0)
        return -ENOTSUP;
    return was_set(load_acquire(&event->word), wait) ? 0 : -EAGAIN; /* partner: set's release */
}

static int await(const cheng_case *c, struct select_wait *wait)
{
    cheng_event *event = c->object;
    uint32_t word = load_acquire(&event->word);
    if (was_set(word, wait) || (!(word & WAITERS) && !cas_relaxed(&event->word, &word, word | WAITERS)))
        return 0;
    wait->point->word = &event->word;
    wait->point->value = word | WAITERS;
    return 1;
}

const struct selectable chengi_select_event = { attempt, await, NULL };
