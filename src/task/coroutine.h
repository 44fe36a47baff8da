/* The coroutines that a task has made by hand. */
#ifndef CHENG_TASK_COROUTINE_H
#define CHENG_TASK_COROUTINE_H

struct cheng_task;

/* The calling task ends: those that are suspended are told to, then all are dead. */
void chengi_coroutines_end(struct cheng_task *task);

/* Calls `tell` with the place of each that is suspended, of a task that cannot run meanwhile. */
void chengi_coroutines_each_suspended(const struct cheng_task *task,
                                      void (*tell)(const char *site, void *context), void *context);

#endif
