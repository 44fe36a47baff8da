/* cheng/task.h: one life for all that runs (Python: threading.Thread, multiprocessing.Process, gevent).
 *
 * A task is a function with a copy of its argument, running as a thread or as a coroutine; one word of
 * the start call says which. (CHENG_PROCESS answers -ENOTSUP for now.)
 *
 * @code
 * #include <cheng.h>
 * #include <stdio.h>
 *
 * static int hello(const void *arg, void *result)
 * {
 *     (void)result;
 *     printf("%s: %s\n", cheng_name(), (const char *)arg);
 *     return 0;
 * }
 *
 * int main(void)
 * {
 *     cheng_task *t;
 *     int status, rc = cheng_start(&t, CHENG_COROUTINE, hello, "hi", 3, NULL);
 *     if (rc < 0)
 *         return fprintf(stderr, "start: %s\n", cheng_strerror(rc)), 1;
 *     cheng_join(t, &status);
 *     cheng_task_free(t);
 *     return status < 0;
 * }
 * @endcode
 *
 * Coroutines run on the workers of a runtime: started by a coroutine, on that one's; elsewhere on the
 * default runtime, with one worker for each CPU that the process may use, made when it is first needed.
 * cheng_run makes a one-thread runtime of the calling thread. A coroutine that has started stays on its
 * kernel thread, so errno, thread-locals and libraries that use them stay true across every wait.
 * longjmp, C++ exceptions and pthread_exit must not leave a task's function.
 *
 * Cancelling is a request that sticks until the task ends: each wait of it, the present one and those
 * to come, returns -ECANCELED, but for acquiring a lock; cheng_shield holds it off for a clean-up. A task that is cancelled
 * before it begins never runs its function, and has the status -ECANCELED: what its argument was to hand over is then
 * still the starter's.
 *
 * When the main thread returns from main or calls exit, the process waits until every task has ended that is not a daemon,
 * before it calls exit handlers and destructors of statics (without glibc, or if another thread was the first to use the
 * library: before those that were registered before that). A task that waits for what only the main thread could release is
 * not waited for; cheng_set_exit_limit says for how long the others are. Daemons are ended wherever they are, so what exit handlers take down must be nothing that they use. A task
 * that calls exit, and _exit and signals, end the process at once. pthread_exit in the main thread is no exit: once coroutines
 * have run, their workers stay, for ever, and with all signals held: only SIGKILL ends them.
 *
 * Signals are handled in the threads of the program: those of the library, on which coroutines run, hold them. So what a coroutine
 * starts by posix_spawn, system or popen begins with all signals blocked (start it in a thread, or say POSIX_SPAWN_SETSIGMASK);
 * a child that it forks, and a thread that it starts by cheng_start, do not.
 *
 * In a child made by fork, only the calling task goes on; the parent's other tasks have ended there, with the status
 * -EOWNERDEAD. A coroutine goes on as a thread, and its return ends the child.
 *
 *   error       from          meaning
 *   -EINVAL     start         no function; unknown kind; size without argument; argument or result above 64 KiB;
 *                             stack below 16 KiB or above 1 GiB; no CPU of .cpus is there for this process, or there are
 *                             .cpus for a coroutine, which runs where its worker does
 *   -ENOTSUP    start         CHENG_PROCESS
 *   -EAGAIN     start         the system has no more threads; the runtime cannot start
 *   -ENOMEM     start         no memory. A coroutine gets its stack when it begins: where there is no room for
 *                             another it waits until one comes free, and ends with this status if none does for a
 *                             second
 *   -EMFILE, -ENFILE, -ENOSPC start, run: no descriptors, or no room to watch them, for the runtime's poller
 *   -EINVAL     join          the task's handle was freed before; as long as its memory is not another task's
 *   -EDEADLK    join          a task that joins itself, or whose join closes a cycle that cannot end
 *   -ETIMEDOUT, -EAGAIN       join_until: not ended until the deadline (CHENG_NOW: not ended)
 *   -ECANCELED  join, sleep   the calling task was cancelled
 *   -EBUSY      result        not ended yet
 *   -ENODATA    result        the task was started without .result_size */
#ifndef CHENG_TASK_H
#define CHENG_TASK_H

#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_task cheng_task;

#define CHENG_NAME_SIZE 32 /* of a task's name, with the zero */

enum cheng_kind { CHENG_THREAD = 1, CHENG_COROUTINE = 2, CHENG_PROCESS = 3 };

/* What runs. `arg` is the task's own copy (or the pointer itself when its size was 0), `result` has room
 * for .result_size bytes, zeroed, or is NULL; both are aligned to 16. Returns the task's status; a negative errno is its
 * failure. */
typedef int cheng_fn(const void *arg, void *result);

typedef struct cheng_task_options {
    const char *name;     /* copied, 31 bytes are kept; NULL: "Thread-N", "Coroutine-N" */
    size_t result_size;   /* room for the result, 64 KiB at the most */
    size_t stack_size;    /* bytes; 0: 256 KiB for a coroutine, the system's for a thread */
    bool daemon;          /* the process does not wait for it when it exits */
    const unsigned *cpus; /* threads only: the numbers of the CPUs on which it may run. Read by the start */
    size_t cpu_count;
    struct cheng_loop *loop; /* coroutines only: where it runs (cheng/loop.h); NULL: as above */
    int64_t rank;            /* for that loop's policy */
} cheng_task_options;

/* Starts a task and gives its handle, which the caller frees; with `out` NULL there is no handle, and
 * the task frees itself when it ends. `arg_size` bytes of `arg` are copied. Returns once the task
 * exists; it may have run already, or not begun. Any thread or coroutine. */
CHENG_API CHENG_NODISCARD int cheng_start(cheng_task **out, enum cheng_kind kind, cheng_fn *function,
                                          const void *arg, size_t arg_size,
                                          const cheng_task_options *options);

/* The same, but the function is called when the deadline is reached (gevent: spawn_later). The task is there from now on: it
 * can be joined, and a cancel before its time ends it with -ECANCELED. A thread takes up a thread while it waits, a coroutine
 * a page; a cheng_timer (cheng/timer.h) neither. The argument may have 32 bytes less than cheng_start's. */
CHENG_API CHENG_NODISCARD int cheng_start_later(cheng_task **out, enum cheng_kind kind, cheng_deadline when,
                                                cheng_fn *function, const void *arg, size_t arg_size,
                                                const cheng_task_options *options);

/* Blocks until the task has ended; `status` (may be NULL) is what its function returned. As often and
 * from as many tasks as you like. What the task did is seen after it. */
CHENG_API int cheng_join(cheng_task *task, int *status);
CHENG_API CHENG_NODISCARD int cheng_join_until(cheng_task *task, int *status, cheng_deadline deadline);

/* Blocks until all tasks of an array have ended; NULL in it is passed over. 0, or what cheng_join_until would return of the
 * first that has not ended; -EAGAIN, -ETIMEDOUT: some may have ended, cheng_task_is_alive says which. Takes no status: a
 * cheng_join of each does, without blocking. (gevent: joinall.) */
CHENG_API int cheng_join_all(cheng_task *const *tasks, size_t count);
CHENG_API CHENG_NODISCARD int cheng_join_all_until(cheng_task *const *tasks, size_t count,
                                                   cheng_deadline deadline);

/* Copies `size` bytes of the result of a task that has ended, or of the caller. -EINVAL when it has fewer. */
CHENG_API CHENG_NODISCARD int cheng_task_result(cheng_task *task, void *out, size_t size);

/* Gives up the handle. A task that still runs goes on. A failure that nobody has joined is passed to the incident hook;
 * the -ECANCELED of a task that was cancelled is none. NULL is allowed. A second free is told to the hook (CHENG_MISUSE), as
 * long as the memory is not another task's; so is a cancel after it, and a join gives -EINVAL. */
CHENG_API void cheng_task_free(cheng_task *task);

/* Asks the task to end. Its present wait, if it is a cancellation point, ends. Does not block. Works on
 * oneself; nothing happens to a task that has ended. The caller has a handle that nobody frees meanwhile. */
CHENG_API void cheng_cancel(cheng_task *task);

/* The same for each of an array; NULL in it is passed over. To end tasks and be sure (gevent: kill, killall), cancel, then
 * join until a deadline: who computes without a look at cheng_cancelled, or is shielded, is not ended by force. */
CHENG_API void cheng_cancel_all(cheng_task *const *tasks, size_t count);

/* Holds cancellation of the calling task off (true) or lets it through again (false); nests. */
CHENG_API void cheng_shield(bool on);

/* Whether the calling task was cancelled (and is not shielded): for loops that never wait. */
CHENG_API bool cheng_cancelled(void);

/* The calling task: in a thread that Cheng did not start, one that stands for it. Valid while the task
 * lives; not to be freed. Never NULL: if there is no memory for such a thread's record (the first thousand or
 * so need none), its first call into the library, of whatever kind, says so and aborts. */
CHENG_API cheng_task *cheng_current(void);

/* The task that stands for the main thread; NULL if that has not called the library yet. In a fork's child it is whoever
 * called fork. */
CHENG_API cheng_task *cheng_main_task(void);

/* The calling task's name; valid until the task ends. */
CHENG_API const char *cheng_name(void);

/* The task's name; valid as long as the handle. A rename changes the text in place: who may be renamed by another task
 * meanwhile is better read by cheng_enumerate, which copies. */
CHENG_API const char *cheng_task_name(const cheng_task *task);

/* At any time, also while it runs: 31 bytes are kept; NULL or "" gives the default name. The kernel's name of a thread
 * follows if the thread renames itself. */
CHENG_API void cheng_task_rename(cheng_task *task, const char *name);

/* A number, never 0, that no other task of this process ever has. */
CHENG_API uint64_t cheng_task_ident(const cheng_task *task);

/* The kernel's number of the thread, as tools show it (Python: native_id): 0 before the thread runs, kept after its end, then
 * used again by the system. A coroutine has that of the thread that it runs on, which only itself can ask for: else 0. */
CHENG_API uint64_t cheng_task_native_id(const cheng_task *task);

/* Not ended yet; a snapshot. */
CHENG_API bool cheng_task_is_alive(const cheng_task *task);

CHENG_API enum cheng_kind cheng_task_kind(const cheng_task *task);

/* Whether the process's exit does not wait for it: as its options say; a coroutine of a loop (cheng/loop.h); and any thread
 * that Cheng did not start, but for the main thread. */
CHENG_API bool cheng_task_is_daemon(const cheng_task *task);

/* How long the process's exit waits for its tasks at the most: then it goes on as if those that are left were daemons, and the
 * incident hook is told their names (CHENG_ABANDONED). 0: not at all; negative, as it is at first: until they end. Returns the
 * former limit. Any thread. */
CHENG_API cheng_duration cheng_set_exit_limit(cheng_duration most);

/* What cheng_enumerate tells of a task. */
typedef struct cheng_task_info {
    uint64_t ident, native_id; /* cheng_task_ident, cheng_task_native_id */
    enum cheng_kind kind;
    bool daemon;
    char name[CHENG_NAME_SIZE];
} cheng_task_info;

/* Copies what can be told of the tasks that have been started and have not ended, the caller included, into `out`, as many
 * as there is room for; returns how many there are: cheng_enumerate(NULL, 0) counts them. Threads that Cheng did not start are
 * among them from their first call until they end, the library's own are not. A snapshot: each task as it was at one moment
 * of the call; who starts or ends meanwhile may be there or not. Does not block; takes some ns for each task that has ever
 * been at the same time. */
CHENG_API size_t cheng_enumerate(cheng_task_info *out, size_t room);

/* Called in each task as it begins, before its function; as it ends, after it; both also in one whose function is not run,
 * since it was cancelled before it began (or by the first of them). For every task that begins from now on, of
 * whatever kind; NULL: no more. Returns the former one. Thread-safe. (Python: threading.settrace.) */
typedef void cheng_task_hook(void);
CHENG_API cheng_task_hook *cheng_set_start_hook(cheng_task_hook *hook);
CHENG_API cheng_task_hook *cheng_set_end_hook(cheng_task_hook *hook);

/* Lets others run: a coroutine goes to the end of its worker's queue, a thread calls the system's yield.
 * Not a cancellation point. */
CHENG_API void cheng_yield(void);

/* Blocks the calling task only. 0 or -ECANCELED. Of a duration of 0 or less, and of CHENG_NOW, the same as cheng_yield. Until
 * a time that has passed: lets others run, too, but is a cancellation point. */
CHENG_API int cheng_sleep(cheng_duration duration);
CHENG_API int cheng_sleep_until(cheng_deadline deadline);

/* Runs `function` as a coroutine of a one-thread runtime that is the calling thread, and returns when it
 * and every coroutine started within have ended; `status` (may be NULL) is what it returned. No other
 * thread takes part. -EDEADLK inside a coroutine. The cheng_run of Python's gevent is the main greenlet. */
CHENG_API int cheng_run(int *status, cheng_fn *function, const void *arg, size_t arg_size);

/* Runs `function` on a helper thread and blocks the calling coroutine (not its worker) until it has
 * returned: for blocking calls of libraries that know nothing of Cheng. In a thread it is a plain call.
 * Returns what the function returned, or a negative errno if no helper could be had. Not a cancellation
 * point: the function uses the caller's memory. There are 64 helpers at the most; further calls wait for one, so 64
 * functions must not wait for what a 65th would do. A function that forks must end the child itself, by _exit. */
CHENG_API int cheng_offload(cheng_fn *function, const void *arg, void *result);

#ifdef __cplusplus
}
#endif
#endif
