/* The barrier's word:
 *
 *   bits 0-1   phase
 *   bit 2      BROKEN  who comes is refused
 *   bits 3-31  how many are in: they have come, and not left yet
 *
 *   phase      who is in                                         becomes
 *   FILLING    wait for the others                               ACTING when the last has come; BREAKING when one leaves
 *              early, with abort, or with reset
 *   ACTING     wait for the action, which the last one runs      LEAVING; BREAKING, BROKEN if it failed
 *   LEAVING    have succeeded, and leave                         FILLING, by the last to leave
 *   BREAKING   have failed, and leave                            FILLING, by the last to leave
 *
 * BROKEN is set by who leaves early, by an action that failed and by abort, and cleared by reset; FILLING and BROKEN
 * together mean that nobody is in. All changes are compare-and-swaps, which acquire and release: each who changes the
 * word has seen what all before did.
 *
 *   one who is in                             who changes the phase
 *   sees FILLING or ACTING                    compare-and-swap
 *   parks while the word is as it was seen    wakes all
 *
 * The phase cannot go once round before all who are in have left, so nobody takes a later round for its own. Who comes
 * in another phase than FILLING waits for that one, on the same word; each change of phase wakes all. */
#include <cheng/barrier.h>

#include <errno.h>

#include "arena/arena.h"
#include "base/compiler.h"
#include "base/deadline.h"
#include "park/park.h"

enum { FILLING, ACTING, LEAVING, BREAKING, PHASE = 3, BROKEN = 4, ONE = 8 };
static const uint32_t MOST = UINT32_MAX / ONE;

_Static_assert(sizeof(cheng_barrier) == 24, "a word, the parties, an action");

static uint32_t phase_of(uint32_t word)
{
    return word & PHASE;
}

static uint32_t count_of(uint32_t word)
{
    return word / ONE;
}

/* The word in another phase; with nobody in, that is FILLING. */
static uint32_t in_phase(uint32_t word, uint32_t phase)
{
    return (word & ~(uint32_t)PHASE) | (count_of(word) == 0 ? (uint32_t)FILLING : phase);
}

/* `*word` is what was there, and becomes `next`. False: look again. */
static bool change(cheng_barrier *barrier, uint32_t *word, uint32_t next)
{
    if (!cas_acq_rel(&barrier->word, word, next))
        return false;
    if (phase_of(*word) != phase_of(next))
        chengi_unpark(&barrier->word, UINT32_MAX);
    return true;
}

/* Those who wait for others to come need not. */
static uint32_t given_up(uint32_t word)
{
    return phase_of(word) == FILLING ? in_phase(word, BREAKING) : word;
}

static void break_it(cheng_barrier *barrier)
{
    uint32_t word = load_relaxed(&barrier->word);
    while (!change(barrier, &word, given_up(word) | BROKEN))
        ;
}

/* Counts the caller in: 0, and `*seen` is the word then. */
static int come(cheng_barrier *barrier, cheng_deadline deadline, const struct why *why, uint32_t *seen)
{
    uint32_t word = load_relaxed(&barrier->word);
    for (;;) {
        bool last = count_of(word) + 1 == barrier->parties;
        if (word & BROKEN)
            return -EPIPE;
        if (chengi_is_now(deadline) && !(phase_of(word) == FILLING && last))
            return -EAGAIN;
        if (phase_of(word) == FILLING) {
            *seen = in_phase(word + ONE, last ? ACTING : FILLING);
            if (cas_acq_rel(&barrier->word, &word, *seen))
                return 0;
            continue;
        }
        int rc = chengi_park(&barrier->word, word, deadline.at_ns, why, 0);
        if (rc < 0) {
            break_it(barrier); /* the round to come will lack one */
            return rc;
        }
        word = load_relaxed(&barrier->word);
    }
}

/* By the last to come. */
static int act(cheng_barrier *barrier)
{
    int rc = barrier->action == NULL ? 0 : barrier->action(barrier->arg);
    uint32_t word = load_relaxed(&barrier->word), next;
    do
        next = rc < 0 ? in_phase(word - ONE, BREAKING) | BROKEN : in_phase(word - ONE, LEAVING);
    while (!change(barrier, &word, next));
    return rc < 0 ? rc : 0;
}

/* By the others: until the round is over. An early leave ends it; once all have come there is none. */
static int stay(cheng_barrier *barrier, cheng_deadline deadline, const struct why *why)
{
    uint32_t word = load_relaxed(&barrier->word);
    int rc = 0;
    for (;;) {
        if (phase_of(word) == LEAVING || phase_of(word) == BREAKING) {
            bool broken = phase_of(word) == BREAKING;
            if (change(barrier, &word, in_phase(word - ONE, phase_of(word))))
                return broken ? -EPIPE : 0;
        } else if (rc < 0 && phase_of(word) == FILLING) {
            if (change(barrier, &word, given_up(word - ONE) | BROKEN))
                return rc;
        } else {
            int ended = chengi_park(&barrier->word, word, rc < 0 ? 0 : deadline.at_ns, why,
                                    rc < 0 ? CHENGI_PARK_UNCANCELLABLE : 0);
            rc = ended < 0 ? ended : rc;
            word = load_relaxed(&barrier->word);
        }
    }
}

int cheng_barrier_wait_until(cheng_barrier *barrier, unsigned *index, cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_BARRIER, barrier, NULL };
    uint32_t word;
    if (barrier->parties == 0 || barrier->parties > MOST || chengi_arena_contains(barrier))
        return -EINVAL;
    int rc = come(barrier, deadline, &why, &word);
    if (rc < 0)
        return rc;
    rc = phase_of(word) == ACTING ? act(barrier) : stay(barrier, deadline, &why);
    if (rc == 0 && index != NULL)
        *index = count_of(word) - 1;
    return rc;
}

int cheng_barrier_wait(cheng_barrier *barrier, unsigned *index)
{
    return cheng_barrier_wait_until(barrier, index, CHENG_FOREVER);
}

void cheng_barrier_abort(cheng_barrier *barrier)
{
    break_it(barrier);
}

void cheng_barrier_reset(cheng_barrier *barrier)
{
    uint32_t word = load_relaxed(&barrier->word);
    while (!change(barrier, &word, given_up(word) & ~(uint32_t)BROKEN))
        ;
}

bool cheng_barrier_broken(const cheng_barrier *barrier)
{
    return load_acquire(&barrier->word) & BROKEN;
}

unsigned cheng_barrier_waiting(const cheng_barrier *barrier)
{
    uint32_t word = load_relaxed(&barrier->word);
    return phase_of(word) == FILLING || phase_of(word) == ACTING ? count_of(word) : 0;
}
