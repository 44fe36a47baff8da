/* cheng/event.h: a flag that tasks wait for (Python: threading.Event).
 *
 * 8 bytes that you own; all zero is a valid event that is not set. Set wakes all who wait; who comes
 * later passes at once, until clear. Threads, coroutines and (after cheng_event_share) processes.
 *
 * @code
 * static cheng_event booted;
 * cheng_event_set(&booted);
 * if (cheng_event_wait_until(&booted, cheng_after(CHENG_SECOND)) == -ETIMEDOUT)
 *     puts("the server did not start");
 * @endcode
 *
 * A waiter that set has woken returns 0 even if the event was cleared since. When set, a time-out and a
 * cancel race, whichever ended the wait first is returned; nothing is consumed in any case.
 * Memory order: what was done before set is seen after a wait that returns 0, after is_set, and after a
 * clear that undid it. An event may be freed as soon as a wait for it has returned 0.
 *
 *   -EAGAIN      not set, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   not set until the deadline
 *   -ECANCELED   the calling task was cancelled
 *   -EINVAL      not an event, or a private one inside an arena
 *   -EBADMSG     the arena around it is corrupted
 *   -EOPNOTSUPP  its arena is not attached in this process */
#ifndef CHENG_EVENT_H
#define CHENG_EVENT_H

#include <cheng/arena.h>
#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_event {
    uint32_t word;
    uint32_t kind;
} cheng_event;

/* Sets the flag and wakes all waiters. Does not block. */
CHENG_API void cheng_event_set(cheng_event *event);

/* Lowers the flag. Does not block. */
CHENG_API void cheng_event_clear(cheng_event *event);

/* A snapshot. */
CHENG_API bool cheng_event_is_set(const cheng_event *event);

/* Blocks until the event is set. 0 or a negative errno. */
CHENG_API int cheng_event_wait(cheng_event *event);
CHENG_API CHENG_NODISCARD int cheng_event_wait_until(cheng_event *event, cheng_deadline deadline);

/* Makes an event that lies inside the arena shared; before its first use. */
CHENG_API CHENG_NODISCARD int cheng_event_share(cheng_arena *arena, cheng_event *event);

#ifdef __cplusplus
}
#endif
#endif
