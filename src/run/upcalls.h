/* What this layer asks of the layer task, which implements these: the only calls that go upward. */
#ifndef CHENG_RUN_UPCALLS_H
#define CHENG_RUN_UPCALLS_H

struct cheng_task;

/* Runs a coroutine's function and ends the task, which may be recycled when it returns. */
void chengi_task_run(struct cheng_task *task);

/* In a thread, at its very end. */
void chengi_task_thread_ended(struct cheng_task *task);

/* In the child of a fork. */
void chengi_task_in_child(void);

#endif
