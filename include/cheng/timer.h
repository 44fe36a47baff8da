/* cheng/timer.h: functions that are called at a time, once or again and again (Python: threading.Timer, which cannot do the
 * latter, nor start again).
 *
 * Each run of a timer is a task of its own, a coroutine or a thread: it may wait, take locks, take long, and no other timer
 * is late for it. Two runs of one timer never overlap. A timer that is set takes up nobody's thread, and keeps no process
 * alive; a run does, like any task that is no daemon. Runs that are coroutines need a worker of the default runtime that is
 * free: where coroutines compute for long, take threads.
 *
 * @code
 * #include <cheng.h>
 * #include <stdio.h>
 *
 * static cheng_semaphore beats;
 *
 * static int beat(const void *arg, void *result)
 * {
 *     (void)result;
 *     puts(arg);
 *     return cheng_semaphore_release(&beats, 1);
 * }
 *
 * int main(void)
 * {
 *     cheng_timer *t;
 *     cheng_timer_options options = { .period = 10 * CHENG_MILLISECOND };
 *     if (cheng_timer_new(&t, CHENG_COROUTINE, beat, "beat", 5, &options) < 0 || cheng_timer_start(t, CHENG_NOW) < 0)
 *         return 1;
 *     for (int i = 0; i < 3; i++)
 *         cheng_semaphore_acquire(&beats);
 *     cheng_timer_free(t);
 *     return 0;
 * }
 * @endcode
 *
 * All calls from any task at the same time, but nobody may use what is freed; none from signal handlers. In a fork's child
 * no timer is set; it can be started there.
 *
 *   -EINVAL   new: no function, a kind that is neither thread nor coroutine, a size without argument or above 64 KiB, a
 *             negative period; start: CHENG_FOREVER
 *   -ENOTSUP  new: CHENG_PROCESS
 *   -ENOMEM, -EAGAIN   new: no memory; start, only the first of the process: no memory, or no thread, for what watches
 *             the clock. A run for which there is no memory is tried again each millisecond */
#ifndef CHENG_TIMER_H
#define CHENG_TIMER_H

#include <cheng/task.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_timer cheng_timer;

typedef struct cheng_timer_options {
    const char *name;      /* of its runs; copied, 31 bytes are kept */
    cheng_duration period; /* from one run to the next; 0: it runs once for each start */
    bool daemon;           /* the process does not wait for a run when it exits */
} cheng_timer_options;

/* Makes a timer that is not set; the caller's, until cheng_timer_free. `arg_size` bytes of `arg` are copied, or with size 0 the
 * pointer; each run gets them, and NULL for the result. A run that returns a negative errno has failed, which the incident
 * hook is told. */
CHENG_API CHENG_NODISCARD int cheng_timer_new(cheng_timer **out, enum cheng_kind kind, cheng_fn *function,
                                              const void *arg, size_t arg_size,
                                              const cheng_timer_options *options);

/* Sets it, or sets it anew: the run that was to come comes at `when`, never earlier, and some 20 µs later at best; with a
 * period the next ones then, from start to start. One that is due while a run goes on comes when that has ended, and
 * periods that have passed by then are left out. Does not block. */
CHENG_API CHENG_NODISCARD int cheng_timer_start(cheng_timer *timer, cheng_deadline when);

/* True: the run that was to come, and with it all later ones, does not. False: none was to come. Does not wait for a
 * run that has begun. */
CHENG_API bool cheng_timer_cancel(cheng_timer *timer);

/* Whether a run is to come; a snapshot. */
CHENG_API bool cheng_timer_is_set(cheng_timer *timer);

/* Cancels and frees it. A run that goes on keeps its argument. Also in a run. NULL is allowed. */
CHENG_API void cheng_timer_free(cheng_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
