/* A thread task: start, join, free. It has a name, an argument and a cancel scope, which a bare thread has not. */
#include <cheng.h>
#include <stdlib.h>

static int nothing(const void *arg, void *result)
{
    (void)arg;
    (void)result;
    return 0;
}

static void start_and_join(void)
{
    cheng_task *task;
    if (cheng_start(&task, CHENG_THREAD, nothing, NULL, 0, NULL) < 0 || cheng_join(task, NULL) < 0)
        abort();
    cheng_task_free(task);
}

#include "thread.h"
