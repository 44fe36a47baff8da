/* cheng/time.h: durations and deadlines.
 *
 * A duration is a count of nanoseconds. A deadline is a point on the monotonic clock, in a struct of its
 * own, so that a duration cannot be passed by mistake. Deadlines are absolute so that a loop around a
 * wait need not compute what is left, and several waits can share one.
 *
 *   CHENG_FOREVER                   no deadline; all zero
 *   CHENG_NOW                       do not block: the call answers -EAGAIN where it would wait
 *   cheng_after(3 * CHENG_SECOND)   three seconds from now; one that has passed tries once, then -ETIMEDOUT
 *
 * @code
 * cheng_deadline d = cheng_after(250 * CHENG_MILLISECOND);
 * static cheng_event ready;
 * while (cheng_event_wait_until(&ready, d) == 0)
 *     cheng_event_clear(&ready);
 * @endcode */
#ifndef CHENG_TIME_H
#define CHENG_TIME_H

#include <cheng/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int64_t cheng_duration; /* nanoseconds */

#define CHENG_NANOSECOND ((cheng_duration)1)
#define CHENG_MICROSECOND ((cheng_duration)1000)
#define CHENG_MILLISECOND ((cheng_duration)1000000)
#define CHENG_SECOND ((cheng_duration)1000000000)

typedef struct cheng_deadline {
    int64_t at_ns; /* on CLOCK_MONOTONIC; 0: never; INT64_MIN: now, without blocking */
} cheng_deadline;

static inline cheng_deadline cheng_deadline_at(int64_t at_ns)
{
    cheng_deadline deadline;
    deadline.at_ns = at_ns;
    return deadline;
}

#define CHENG_FOREVER cheng_deadline_at(0)
#define CHENG_NOW cheng_deadline_at(INT64_MIN)

/* The monotonic clock, in nanoseconds; always positive. Does not block. */
CHENG_API int64_t cheng_clock_ns(void);

/* The deadline that lies `duration` from now. Negative durations lie in the past; very large ones are
 * cut to the end of the clock's range, some 292 years ahead. */
CHENG_API cheng_deadline cheng_after(cheng_duration duration);

#ifdef __cplusplus
}
#endif
#endif
