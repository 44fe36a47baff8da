/* The opt-in watchdog: cheng_watch. A thread of its own looks at each worker now and then; one that has not picked a task since
 * it looked last, and does not sleep, has a task that keeps the others waiting. */
#ifndef CHENG_RUN_WATCHDOG_H
#define CHENG_RUN_WATCHDOG_H

#include <stdbool.h>

struct cheng_task;
struct worker;

/* A worker's thread begins, and ends. */
void chengi_watchdog_enter(struct worker *worker);
void chengi_watchdog_leave(struct worker *worker);

/* Who runs on the workers that there are, `room` at the most; none if others keep the list of them latched. */
unsigned chengi_watchdog_running(struct cheng_task **out, unsigned room);

/* Whether all workers sleep, and none is a loop's; whether the task is the thread of one. By the watchdog only. */
bool chengi_watchdog_all_sleep(void);
bool chengi_watchdog_is_root(const struct cheng_task *task);

/* In a fork's child: nobody watches, and no worker has come along but the caller's. */
void chengi_watchdog_after_fork(void);

#endif
