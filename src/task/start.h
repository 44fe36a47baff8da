/* What all calls that start tasks refuse. */
#ifndef CHENG_TASK_START_H
#define CHENG_TASK_START_H

#include <errno.h>

#include <cheng/task.h>

enum { CHENGI_ARGUMENT_MOST = 64 << 10 };

/* 0, -ENOTSUP or -EINVAL. */
static inline int chengi_start_check(enum cheng_kind kind, cheng_fn *function, const void *arg,
                                     size_t arg_size)
{
    if (kind == CHENG_PROCESS)
        return -ENOTSUP;
    if (function == NULL || (kind != CHENG_THREAD && kind != CHENG_COROUTINE) ||
        (arg == NULL && arg_size != 0) || arg_size > CHENGI_ARGUMENT_MOST)
        return -EINVAL;
    return 0;
}

#endif
