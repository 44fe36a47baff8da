#ifndef CHENG_TASK_TIMER_H
#define CHENG_TASK_TIMER_H

#include <stdbool.h>

#include <cheng/task.h>

/* Whether a run of any timer is to come, or has been started and has not begun. */
bool chengi_timers_are_set(void);

/* What a run's task is linked to. It is told of a failure, but tells nobody. */
void chengi_timer_run_ended(cheng_task *task, int status, void *context);

/* In a fork's child. */
void chengi_timers_after_fork(void);

#endif
