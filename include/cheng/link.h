/* cheng/link.h: functions that are called when a task ends (gevent: link, link_value, link_exception, unlink).
 *
 * @code
 * #include <cheng.h>
 * #include <stdio.h>
 *
 * static int answer(const void *arg, void *result)
 * {
 *     (void)arg;
 *     *(int *)result = 42;
 *     return 0;
 * }
 *
 * static void tell(cheng_task *task, int status, void *context)
 * {
 *     int number;
 *     if (status < 0)
 *         printf("%s failed\n", cheng_task_name(task));
 *     else if (cheng_task_result(task, &number, sizeof number) == 0)
 *         printf("%d\n", number);
 *     cheng_event_set(context);
 * }
 *
 * int main(void)
 * {
 *     cheng_task *task;
 *     cheng_event ended = { 0 };
 *     cheng_link link = { .call = tell, .context = &ended };
 *     if (cheng_start(&task, CHENG_COROUTINE, answer, NULL, 0, &(cheng_task_options){ .result_size = sizeof(int) }) < 0)
 *         return 1;
 *     cheng_task_link(task, &link);
 *     cheng_event_wait(&ended);
 *     cheng_task_free(task);
 *     return 0;
 * }
 * @endcode
 *
 * They are called in the order in which they were linked, by the task itself (for a coroutine that got no stack: by a thread of its
 * workers), after its function and its end hook (in a thread
 * also after the destructors of C++ thread_locals), and before those who join it go on: when cheng_join has returned, each
 * link has been called and has returned. Linked to a task that has ended, it is called at once, by the caller. What the task did
 * is seen in the call. What has been told the status of a failure counts as one who has joined. In a fork's child, the links of
 * tasks that stay with the parent are not called. */
#ifndef CHENG_LINK_H
#define CHENG_LINK_H

#include <cheng/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's memory, from the link until it is called or cheng_task_unlink has returned true. For one task at a time. */
typedef struct cheng_link {
    /* `status` is the task's: negative if it has failed. It should be short, since it holds up who joins, and, if it was the
     * last of a coroutine, the worker. It may link, unlink and free the task's handle. */
    void (*call)(cheng_task *task, int status, void *context);
    void *context;
    struct cheng_link *next; /* the library's */
} cheng_link;

/* Has it called once, when the task ends; at once if that has ended. Else it does not block. The caller has a handle that
 * nobody frees meanwhile, or is the task. */
CHENG_API void cheng_task_link(cheng_task *task, cheng_link *link);

/* True: it was linked to the task, and will not be called. False: it is being called or has been (which, a join tells), or it
 * was not linked. Does not block; takes the longer the more links the task has. */
CHENG_API bool cheng_task_unlink(cheng_task *task, cheng_link *link);

#ifdef __cplusplus
}
#endif
#endif
