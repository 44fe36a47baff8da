#ifndef CHENG_TASK_EXIT_H
#define CHENG_TASK_EXIT_H

/* Blocks the caller until every task has ended that is neither a daemon nor the caller. */
void chengi_tasks_wait(void);

#endif
