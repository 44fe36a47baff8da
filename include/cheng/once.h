/* cheng/once.h: have something done exactly once, by whoever comes first.
 *
 * 24 bytes that you own; all zero means not done. Who comes while another is at it waits; who comes after
 * passes at once. If the function fails, its caller is told, nothing counts as done, and the next call, or
 * one that waits already, runs it again. Threads, coroutines and (after cheng_once_share) processes.
 *
 * @code
 * static cheng_once loaded;
 * static int table[256];
 *
 * static int load(void *first)
 * {
 *     for (int i = 0; i < 256; i++)
 *         table[i] = *(const int *)first + i;
 *     return 0;
 * }
 *
 * static int look_up(unsigned char c, int *out)
 * {
 *     static int first = 1;
 *     int rc = cheng_once_call(&loaded, load, &first);
 *     if (rc == 0)
 *         *out = table[c];
 *     return rc;
 * }
 * @endcode
 *
 * If the task that runs the function is cancelled, its waits return -ECANCELED, and so does, we hope, the
 * function: a failure like others. If it ends inside of it, as a thread that exits, or a process that is
 * killed, whoever comes next runs it again: a function that may meet that must bear what it left half done.
 * A call that returns anything but 0 has no part in what is done. The deadline bounds the wait for another,
 * not one's own run of the function.
 * Memory order: what the function wrote is seen after a call that returns 0, and after is_done.
 *
 *   -EAGAIN      another is at it, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   another was at it until the deadline
 *   -ECANCELED   the calling task was cancelled while it waited
 *   -EDEADLK     waiting would close a cycle that nothing can break: the function calls its own once, or who
 *                runs it waits for the caller
 *   -EINVAL      not a once, or a private one inside an arena
 *   -EBADMSG     the arena around it is corrupted
 *   -EOPNOTSUPP  its arena is not attached in this process
 *   others       what the function returned, when the caller ran it */
#ifndef CHENG_ONCE_H
#define CHENG_ONCE_H

#include <cheng/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_once {
    cheng_lock lock;    /* held by who runs the function */
    uint32_t completed; /* 1: done, for good */
} cheng_once;

/* 0, or a negative errno: then it is not done. */
typedef int cheng_once_fn(void *arg);

/* Has it done: runs the function, or waits for another that does, or neither. */
CHENG_API CHENG_NODISCARD int cheng_once_call(cheng_once *once, cheng_once_fn *function, void *arg);
CHENG_API CHENG_NODISCARD int cheng_once_call_until(cheng_once *once, cheng_once_fn *function, void *arg,
                                                    cheng_deadline deadline);

/* A snapshot. */
CHENG_API bool cheng_once_is_done(const cheng_once *once);

/* Makes one that lies inside the arena shared between the processes that attach it: it is done once for all
 * of them. Before its first use, and once; the content is overwritten. */
CHENG_API CHENG_NODISCARD int cheng_once_share(cheng_arena *arena, cheng_once *once);

/* The function behind the macros; `site` must be a string literal. */
CHENG_API CHENG_NODISCARD int chengi_once_call_at(cheng_once *once, cheng_once_fn *function, void *arg,
                                                  cheng_deadline deadline, const char *site);

static inline __attribute__((always_inline)) int chengi_once_call_inline(cheng_once *once,
                                                                         cheng_once_fn *function, void *arg,
                                                                         cheng_deadline deadline,
                                                                         const char *site)
{
#ifndef CHENG_NO_INLINE
    if (__builtin_expect(__atomic_load_n(&once->completed, __ATOMIC_ACQUIRE) != 0, 1))
        return 0;
#endif
    return chengi_once_call_at(once, function, arg, deadline, site);
}

#define cheng_once_call(once, function, arg)                                                                 \
    chengi_once_call_inline((once), (function), (arg), CHENG_FOREVER, CHENG_HERE)
#define cheng_once_call_until(once, function, arg, deadline)                                                 \
    chengi_once_call_inline((once), (function), (arg), (deadline), CHENG_HERE)

#ifdef __cplusplus
}
#endif
#endif
