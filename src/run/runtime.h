/* Runtimes: sets of workers. The default one has a worker for each CPU that the process may use, and is made when the first
 * coroutine is started outside of any; it never ends. cheng_run makes one of a single worker, the calling thread; so does
 * a loop, which is run piece by piece. */
#ifndef CHENG_RUN_RUNTIME_H
#define CHENG_RUN_RUNTIME_H

struct cheng_task;
struct cheng_loop;

/* Queues a task that has not begun: to the loop, or if that is NULL the caller's runtime, or the default one. -EAGAIN: it
 * has no thread. */
int chengi_runtime_start(struct cheng_task *task, struct cheng_loop *loop);

/* Makes the calling thread a runtime of one worker, until the task and all that it starts have ended. */
int chengi_runtime_run(struct cheng_task *task);

/* In a fork's child: the runtimes are gone; a calling coroutine goes on as a thread. */
void chengi_runtime_after_fork(void);

#endif
