/* cheng/sched.h: calls in the order of time and priority, one after the other, in the task that says run (Python: sched).
 *
 * For what must happen in turn, and in one place: a simulation, a player, a main loop. For what must not wait for one
 * another, take timers (cheng/timer.h).
 *
 * @code
 * #include <cheng.h>
 * #include <stdio.h>
 *
 * static int say(const void *arg, void *result)
 * {
 *     (void)result;
 *     puts(arg);
 *     return 0;
 * }
 *
 * int main(void)
 * {
 *     cheng_sched *s;
 *     cheng_deadline soon = cheng_after(10 * CHENG_MILLISECOND);
 *     if (cheng_sched_new(&s) < 0)
 *         return 1;
 *     int rc = cheng_sched_enter(s, soon, 2, say, "third", 6, NULL);
 *     rc |= cheng_sched_enter(s, soon, 1, say, "second", 7, NULL);
 *     rc |= cheng_sched_enter(s, CHENG_NOW, 5, say, "first", 6, NULL);
 *     rc |= cheng_sched_run(s);
 *     cheng_sched_free(s);
 *     return rc != 0;
 * }
 * @endcode
 *
 * Any task may enter and cancel while another runs it, and what is called may, too: an earlier event wakes who waits
 * for a later one. Two may run it at the same time, and share the events.
 *
 *   -EINVAL      enter: no function, CHENG_FOREVER, a size without argument
 *   -ENOENT      cancel: the event has begun, or was cancelled
 *   -EAGAIN      run_until: CHENG_NOW, and nothing more is due
 *   -ETIMEDOUT   run_until: the deadline has passed, and events are left
 *   -ECANCELED   run: the calling task was cancelled while it waited
 *   -ENOMEM      new, enter */
#ifndef CHENG_SCHED_H
#define CHENG_SCHED_H

#include <cheng/task.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_sched cheng_sched;

typedef struct cheng_sched_event {
    uint64_t event;
    cheng_deadline when;
    int priority;
} cheng_sched_event;

CHENG_API CHENG_NODISCARD int cheng_sched_new(cheng_sched **out);

/* With the events that are left, which are not called. Nobody may use it meanwhile. NULL is allowed. */
CHENG_API void cheng_sched_free(cheng_sched *sched);

/* `function` is to be called at `when`, with a copy of `arg_size` bytes of `arg` (size 0: the pointer) and NULL. Of those that
 * are due the earliest comes first, of one time the one with the smallest priority, of one priority the first entered. `event`
 * (may be NULL) is a number, never 0, that no other event of this scheduler ever has. Does not block. */
CHENG_API CHENG_NODISCARD int cheng_sched_enter(cheng_sched *sched, cheng_deadline when, int priority,
                                                cheng_fn *function, const void *arg, size_t arg_size,
                                                uint64_t *event);

/* Takes an event away. 0, or -ENOENT. Looks at all of them. */
CHENG_API int cheng_sched_cancel(cheng_sched *sched, uint64_t event);

/* Copies the events that are to come, in their order, as many as there is room for; returns how many there are:
 * cheng_sched_queue(s, NULL, 0) is 0 when it is empty. */
CHENG_API size_t cheng_sched_queue(cheng_sched *sched, cheng_sched_event *out, size_t room);

/* Waits for the events and calls them, until none is left: 0. A function that returns a negative errno ends it with that; the
 * others stay, and it may be run again. */
CHENG_API CHENG_NODISCARD int cheng_sched_run(cheng_sched *sched);
CHENG_API CHENG_NODISCARD int cheng_sched_run_until(cheng_sched *sched, cheng_deadline deadline);

#ifdef __cplusplus
}
#endif
#endif
