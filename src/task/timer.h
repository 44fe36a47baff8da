#ifndef CHENG_TASK_TIMER_H
#define CHENG_TASK_TIMER_H

/* In a fork's child. */
void chengi_timers_after_fork(void);

#endif
