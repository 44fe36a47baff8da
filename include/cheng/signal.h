/* cheng/signal.h: calls from signal handlers (Python: signal.signal; gevent: signal_handler).
 *
 * A handler runs in the middle of whatever its thread was doing, maybe inside this library. Between cheng_signal_enter and
 * cheng_signal_leave it may call
 *
 *   cheng_event_set, cheng_event_clear, cheng_event_is_set
 *   cheng_semaphore_release, cheng_semaphore_value
 *   cheng_queue_put_until and cheng_queue_get_until, of a private CHENG_FIFO with a bound: whatever the deadline is, they do not
 *   block, and return -EAGAIN also if another is just inside, which may be the thread that was interrupted. Other queues: -ENOTSUP
 *
 * and, outside of the two as well, cheng_strerror, cheng_clock_ns and cheng_loop_wake; nothing else. Objects change at once. Who
 * waits for them is woken by a thread of the library, some 50 µs later, so that nothing that was interrupted is in the way. A
 * handler that does more has a task that waits:
 *
 * @code
 * #include <cheng.h>
 * #include <signal.h>
 * #include <stdio.h>
 *
 * static cheng_queue *signals;
 * static volatile sig_atomic_t lost; // more than there was room for
 *
 * static void pass_on(int number)
 * {
 *     cheng_signal_enter();
 *     if (cheng_queue_put_until(signals, &number, CHENG_NOW) < 0)
 *         lost++;
 *     cheng_signal_leave();
 * }
 *
 * int main(void)
 * {
 *     int number;
 *     if (cheng_queue_new(&signals, sizeof number, &(cheng_queue_options){ .capacity = 16 }) < 0 || cheng_signal_prepare() < 0)
 *         return 1;
 *     signal(SIGUSR1, pass_on);
 *     raise(SIGUSR1);
 *     int rc = cheng_queue_get(signals, &number); // any task: may take locks, wait, print
 *     printf("signal %d\n", number);
 *     cheng_queue_free(signals);
 *     return rc < 0;
 * }
 * @endcode
 *
 *   -ENOMEM, -EAGAIN   prepare: no memory, no thread */
#ifndef CHENG_SIGNAL_H
#define CHENG_SIGNAL_H

#include <cheng/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Before the first handler that uses the two below, not in one; again is harmless. Once more in a fork's child, whose handlers
 * wake nobody before it. */
CHENG_API CHENG_NODISCARD int cheng_signal_prepare(void);

/* In a handler, as its first and its last call of the library; they nest. Async-signal-safe; keep errno. A handler that leaves by
 * longjmp has not left. */
CHENG_API void cheng_signal_enter(void);
CHENG_API void cheng_signal_leave(void);

#ifdef __cplusplus
}
#endif
#endif
