/* What this layer asks of layers above, which implement these: the only calls that go upward. */
#ifndef CHENG_RUN_UPCALLS_H
#define CHENG_RUN_UPCALLS_H

#include <stdbool.h>
#include <stdint.h>

struct cheng_task;

/* Runs a coroutine's function and ends the task, which may be recycled when it returns. */
void chengi_task_run(struct cheng_task *task);

/* Ends a coroutine that could not begin, with the error as its status. */
void chengi_task_refuse(struct cheng_task *task, int error);

/* Ends a coroutine's wait because its timer is due; false: it has ended otherwise. */
bool chengi_park_time_out(struct cheng_task *task);

/* By the watchdog's thread, now and then: whether everything sleeps. */
void chengi_watch_sleep(int64_t now_ns);

/* In a thread, at its very end. */
void chengi_task_thread_ended(struct cheng_task *task);

/* In the thread that ends the process, before exit handlers, or as one of them. */
void chengi_task_at_exit(void);

/* In the child of a fork. */
void chengi_task_in_child(void);

/* When a worker ends: what the layer io has kept for it. NULL is allowed. */
struct descriptors;
void chengi_descriptors_free(struct descriptors *all);

/* In the child of a fork: the layer io's part. */
void chengi_sockets_after_fork(void);

#endif
