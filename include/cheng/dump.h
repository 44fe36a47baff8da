/* cheng/dump.h: what every task does at this moment (Python: faulthandler, gevent.util.print_run_info).
 *
 * @code
 * #include <cheng.h>
 *
 * static cheng_event never;
 *
 * static int wait_for_ever(const void *arg, void *result)
 * {
 *     (void)arg, (void)result;
 *     return cheng_event_wait(&never);
 * }
 *
 * int main(void)
 * {
 *     cheng_loop *loop;
 *     if (cheng_loop_new(&loop, NULL) < 0)
 *         return 1;
 *     int rc = cheng_start(NULL, CHENG_COROUTINE, wait_for_ever, NULL, 0, &(cheng_task_options){ .loop = loop });
 *     if (rc == 0 && cheng_loop_run_until(loop, CHENG_NOW) == -EAGAIN)
 *         cheng_dump(NULL, NULL); // all wait: for what?
 *     cheng_event_set(&never);
 *     return cheng_loop_run(loop) < 0 || cheng_loop_free(loop) < 0;
 * }
 * @endcode
 *
 * prints
 *
 *     MainThread, thread 32: runs
 *     Coroutine-1, coroutine 31: waits for event 0x55d8a2c0a040
 *
 * and of a task that waits for a lock also who holds it, and where it took it; of one that has made coroutines by hand
 * (cheng/coroutine.h) and belongs to the caller's worker, the line at which each is suspended. The number is
 * cheng_task_ident.
 *
 * It only reads: nothing stops meanwhile, each task is told as it was at one moment of the call, and those that start or end
 * may be there or not. It takes no memory and waits for nobody, so it may be called from a debugger too:
 * `call cheng_dump(0, 0)`. */
#ifndef CHENG_DUMP_H
#define CHENG_DUMP_H

#include <cheng/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Calls `line` with each line, which ends with a newline and is valid during the call, and with `context`. NULL: they are
 * written to standard error, past stdio. Any thread or coroutine; `line` may do anything. */
CHENG_API void cheng_dump(void (*line)(const char *text, void *context), void *context);

#ifdef __cplusplus
}
#endif
#endif
