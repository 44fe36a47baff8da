/* The group's word:
 *
 *   bit 0       WAITERS  somebody may be parked on the low half
 *   bits 1-31   how often WAITERS was cleared: a waiter that finds another number has seen zero, or nearly slept
 *               through it, even if somebody has added since
 *   bits 32-63  how many things are to be done
 *
 *   waiter                                    the last done
 *   n > 0: compare-and-swap sets WAITERS      compare-and-swap: n = 0, the number + 1, WAITERS is seen
 *   parks while the low half is as it left it wakes all
 *
 * If the waiter's comes first, done sees WAITERS; else the waiter's fails and it sees 0. One change does all that is
 * to be done, so a killed process leaves nothing but, at worst, a wake undone: the bound of shared waits covers that. */
#include <cheng/wait_group.h>

#include <errno.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "sync/place.h"

_Static_assert(sizeof(cheng_wait_group) == 16, "16 bytes, private or shared");

static const uint64_t WAITERS = 1, ROUND = 2, ONE = UINT64_C(1) << 32;

static uint32_t count_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint32_t round_of(uint64_t word)
{
    return (uint32_t)word & ~(uint32_t)WAITERS;
}

int cheng_wait_group_add(cheng_wait_group *group, unsigned n)
{
    uint64_t word = load_relaxed(&group->word);
    do
        if (n > UINT32_MAX - count_of(word))
            return -EOVERFLOW;
    while (!cas_relaxed(&group->word, &word, word + n * ONE)); /* handing out the work orders */
    return 0;
}

int cheng_wait_group_done(cheng_wait_group *group)
{
    uint32_t kind = group->kind; /* before it is zero: a waiter that sees it may free the group at once */
    uint64_t word = load_relaxed(&group->word), next;
    do {
        if (count_of(word) == 0)
            return -EPERM;
        next = word - ONE;
        if (count_of(next) == 0 && (word & WAITERS))
            next = round_of(word) + (uint32_t)ROUND;
    } while (!cas_release(&group->word, &word, next)); /* partner: wait's acquire */
    if (count_of(next) == 0 && (word & WAITERS))
        /* the word is only an address here */
        chengi_place_wake(kind, chengi_low_half(&group->word), UINT32_MAX);
    return 0;
}

unsigned cheng_wait_group_count(const cheng_wait_group *group)
{
    return count_of(load_relaxed(&group->word));
}

int cheng_wait_group_wait_until(cheng_wait_group *group, cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_GROUP, group, NULL };
    struct place place;
    uint64_t word = load_acquire(&group->word);
    if (count_of(word) == 0)
        return 0;
    if (chengi_is_now(deadline))
        return -EAGAIN;
    int rc = chengi_place_find(&place, group, group->kind, CHENGI_ARENA_WAIT_GROUP);
    uint32_t round = round_of(word);
    while (rc == 0 && count_of(word) != 0 && round_of(word) == round) {
        if ((word & WAITERS) || cas_relaxed(&group->word, &word, word | WAITERS))
            rc = chengi_place_wait(&place, chengi_low_half(&group->word), round | (uint32_t)WAITERS,
                                   deadline.at_ns, &why, 0);
        word = load_acquire(&group->word); /* partner: done's release */
    }
    return rc;
}

int cheng_wait_group_wait(cheng_wait_group *group)
{
    return cheng_wait_group_wait_until(group, CHENG_FOREVER);
}
