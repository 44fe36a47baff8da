#ifndef CHENG_TASK_EXIT_H
#define CHENG_TASK_EXIT_H

#include <stdint.h>

/* Blocks the caller until every task has ended that is neither a daemon nor the caller. 0 or -ETIMEDOUT (0: never). */
int chengi_tasks_wait(int64_t deadline_ns);

#endif
