#ifndef CHENG_TASK_LOCAL_H
#define CHENG_TASK_LOCAL_H

struct cheng_task;

/* The calling task ends: its values are destroyed. */
void chengi_locals_end(struct cheng_task *task);

/* In a fork's child. */
void chengi_locals_after_fork(void);

#endif
