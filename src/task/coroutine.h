/* The coroutines that a task has made by hand. */
#ifndef CHENG_TASK_COROUTINE_H
#define CHENG_TASK_COROUTINE_H

#include <stdbool.h>

struct cheng_task;

/* The calling task ends: those that are suspended are told to, then all are dead. */
void chengi_coroutines_end(struct cheng_task *task);

/* Where the nth of those that are suspended is, of a task that cannot run meanwhile. False: there are no more. */
bool chengi_coroutines_suspended(const struct cheng_task *task, unsigned n, const char **site);

#endif
