/* A hierarchical timing wheel: timers of one worker, set and cancelled in constant time.
 *
 * Time is counted in ticks of 2^14 ns (16.4 µs), rounded up, so no timer fires early. A timer lies at the level
 * of the highest group of 6 bits in which its tick differs from the present one, in the slot that those bits
 * name: at level 0 one slot is one tick, at level n it is 64^n ticks. When the present reaches a slot of a
 * higher level, its timers move down. A bitmap for each level finds the next slot in use.
 *
 * Source: G. Varghese, T. Lauck: Hashed and Hierarchical Timing Wheels, SOSP 1987 (scheme 6 and 7).
 * Not thread-safe: only the worker touches it. */
#ifndef CHENG_RUN_WHEEL_H
#define CHENG_RUN_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum { CHENGI_WHEEL_LEVELS = 9, CHENGI_WHEEL_SLOTS = 64 }; /* 14 + 9 * 6 bits: the whole clock */

struct timer {
    struct link link; /* next NULL: not set */
    int64_t deadline_ns;
};

struct wheel {
    uint64_t now; /* tick up to which all timers have fired */
    uint64_t used[CHENGI_WHEEL_LEVELS];
    struct link slots[CHENGI_WHEEL_LEVELS][CHENGI_WHEEL_SLOTS];
};

void chengi_wheel_init(struct wheel *wheel, int64_t now_ns);

static inline bool chengi_timer_is_set(const struct timer *timer)
{
    return timer->link.next != NULL;
}

void chengi_wheel_set(struct wheel *wheel, struct timer *timer, int64_t deadline_ns);
void chengi_wheel_cancel(struct wheel *wheel, struct timer *timer);

/* A lower bound of the next deadline, 0 when no timer is set: sleep no longer than that. */
int64_t chengi_wheel_next(const struct wheel *wheel);

/* Moves the present and takes off one timer that is due; NULL when there is none (left). */
struct timer *chengi_wheel_expire(struct wheel *wheel, int64_t now_ns);

#endif
