/* cheng/loop.h: coroutines on a thread whose main loop is the program's own (gevent: hub, loop).
 *
 * A loop is a runtime of one thread, as cheng_run makes, but run piece by piece: one round, until nothing can go on,
 * until a deadline. It belongs to the thread that runs it first, whose coroutines it runs; tasks are started in it from
 * anywhere, by .loop of their options, and by its own coroutines as ever.
 *
 * @code
 * #include <cheng.h>
 *
 * static int blink(const void *arg, void *result)
 * {
 *     (void)arg, (void)result;
 *     return cheng_sleep(5 * CHENG_MILLISECOND);
 * }
 *
 * int main(void)
 * {
 *     cheng_loop *loop;
 *     int rc, frames = 0;
 *     if (cheng_loop_new(&loop, NULL) < 0)
 *         return 1;
 *     rc = cheng_start(NULL, CHENG_COROUTINE, blink, NULL, 0, &(cheng_task_options){ .loop = loop });
 *     for (; rc == 0 && frames < 1000; frames++) // draw a frame; meanwhile, for a millisecond, the coroutines run
 *         if (cheng_loop_run_until(loop, cheng_after(CHENG_MILLISECOND)) == 0)
 *             break; // all have ended
 *     return cheng_loop_free(loop) < 0 || rc < 0 || frames == 1000;
 * }
 * @endcode
 *
 * A policy says which of the coroutines that can go on is next. Without one, it is who has been able to for the longest. Only
 * loops have policies: the runtimes of several workers, and cheng_run's, are first in, first out.
 *
 * The process's exit waits for a thread that runs a loop, as for all that are no daemons; for coroutines that were left in
 * a loop, which nobody would run, it does not wait.
 *
 * In a child made by fork a loop of the parent is not to be used.
 *
 *   error       from        meaning
 *   -EAGAIN     run_until, run_once: those that are left wait, all of them (CHENG_NOW)
 *   -EBUSY      run_once    some can go on
 *               free        tasks are left
 *   -ETIMEDOUT  run_until   the deadline has passed; tasks are left
 *   -EINTR      run, run_until, run_once: cheng_loop_wake
 *   -EPERM      run…, free  the loop is another thread's
 *   -EDEADLK    run…        called by a coroutine
 *   -EINVAL     new         a policy without its functions
 *   -ENOMEM, -EMFILE, -ENFILE new: no memory; no descriptors for its poller */
#ifndef CHENG_LOOP_H
#define CHENG_LOOP_H

#include <cheng/base.h>
#include <cheng/task.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order of those that can go on. Both functions are called by the loop's thread only, while it changes coroutines: they
 * may call nothing of the library but cheng_task_rank, cheng_task_ident, cheng_policy_link, and must not block. */
typedef struct cheng_policy {
    size_t size;                              /* of `ready`, which begins as zeroes */
    void (*push)(void *ready, cheng_task *t); /* `t` can go on */
    cheng_task *(*pop)(
        void *ready); /* the next, which it forgets; never NULL while it has one: else all hang */
} cheng_policy;

/* The newest first. Two that wake each other make all others wait. */
CHENG_API const cheng_policy *cheng_policy_lifo(void);

/* The smallest rank first; equal ones are first in, first out. */
CHENG_API const cheng_policy *cheng_policy_priority(void);

/* The earliest deadline first: the rank is the at_ns of a cheng_deadline; tasks of rank 0 have none, and come last. */
CHENG_API const cheng_policy *cheng_policy_deadline(void);

/* A place for a pointer to another task, which is the policy's while it has this one: for lists without memory of their
 * own. */
CHENG_API cheng_task **cheng_policy_link(cheng_task *t);

/* The rank of a task: what its options say (.rank), or it has said itself. */
CHENG_API int64_t cheng_task_rank(const cheng_task *t);

/* The calling coroutine's, from the next time on that it waits or yields. A thread has none. */
CHENG_API void cheng_set_rank(int64_t rank);

typedef struct cheng_loop cheng_loop;

typedef struct cheng_loop_options {
    const cheng_policy *policy; /* stays until the loop is freed; NULL: first in, first out */
} cheng_loop_options;

CHENG_API CHENG_NODISCARD int cheng_loop_new(cheng_loop **out, const cheng_loop_options *options);

/* Only when no task is left: cancel them, and run it. NULL is allowed. By its thread; nobody else uses it any more. */
CHENG_API int cheng_loop_free(cheng_loop *loop);

/* Runs its coroutines, and blocks the calling thread when all of them wait. 0: all have ended. */
CHENG_API int cheng_loop_run(cheng_loop *loop);

/* The same until the deadline. A coroutine that neither waits nor yields is not interrupted. CHENG_NOW: until none can go
 * on, without blocking. */
CHENG_API CHENG_NODISCARD int cheng_loop_run_until(cheng_loop *loop, cheng_deadline deadline);

/* One round, without blocking: what has happened meanwhile is seen to, then as many turns are given as coroutines can go on.
 * 0: all have ended. */
CHENG_API int cheng_loop_run_once(cheng_loop *loop);

/* Makes the present run, or the next one, return with -EINTR, as soon as its coroutine waits or yields. What is done before
 * it is seen after that. Any thread or coroutine, and signal handlers. */
CHENG_API void cheng_loop_wake(cheng_loop *loop);

/* Lets all others of this worker run first, as long as any of them can, then goes on (gevent.idle). In any coroutine, of whatever
 * runtime; a thread calls the system's yield. Not a cancellation point. */
CHENG_API void cheng_idle(void);

#ifdef __cplusplus
}
#endif
#endif
