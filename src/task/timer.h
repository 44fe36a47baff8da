#ifndef CHENG_TASK_TIMER_H
#define CHENG_TASK_TIMER_H

#include <stdbool.h>

/* Whether a run of any timer is to come, or has been started and has not begun. */
bool chengi_timers_are_set(void);

/* In a fork's child. */
void chengi_timers_after_fork(void);

#endif
