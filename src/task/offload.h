/* Helper threads for blocking calls. They are started as they are needed, at most HELPERS_MOST, and end when they
 * had nothing to do for a while. */
#ifndef CHENG_TASK_OFFLOAD_H
#define CHENG_TASK_OFFLOAD_H

#include <stddef.h>

#include <cheng/task.h>
#include <cheng/time.h>

/* As cheng_offload, from a thread too, with copies of argument and result (no pointers in them that must outlive
 * the call): so the caller may leave before the function returns, with -ETIMEDOUT or -ECANCELED. */
int chengi_offload_copies(cheng_fn *function, const void *arg, size_t arg_size, void *result,
                          size_t result_size, cheng_deadline deadline);

void chengi_offload_after_fork(void);

#endif
