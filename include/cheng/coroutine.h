/* cheng/coroutine.h: coroutines that pass control to one another by hand, and generators (Python: greenlet, yield).
 *
 * Not to be mixed up with tasks of the kind CHENG_COROUTINE, which a scheduler runs: these run only when they are
 * switched to, within the task that made them, and share its name, its locks and its waits. Each task is itself the first
 * of its coroutines. A switch passes a pointer along; whoever is switched to finds it as the result of its own
 * last switch.
 *
 * @code
 * static int count_to(void *arg, void *value, void **result)
 * {
 *     (void)value, (void)result;
 *     for (intptr_t i = 1; i <= *(const int *)arg; i++)
 *         if (cheng_generator_yield((void *)i, NULL) < 0)
 *             break;
 *     return 0;
 * }
 *
 * int sum_to(int most)
 * {
 *     cheng_coroutine *g;
 *     void *value;
 *     int sum = 0;
 *     if (cheng_coroutine_new(&g, count_to, &most, NULL) < 0)
 *         return -1;
 *     while (cheng_generator_next(g, NULL, &value) == 0)
 *         sum += (int)(intptr_t)value;
 *     cheng_coroutine_free(g);
 *     return sum;
 * }
 * @endcode
 *
 * The end of a coroutine goes to its parent, who is whoever made it, unless it was given another: the parent's pending switch
 * returns 0 with the result, or the negative error that the function returned. -ECANCELED is the ordinary way to end a
 * coroutine early: it ends it, and its parent is told nothing but a NULL. What is switched to when it is dead passes
 * it on to its nearest living parent.
 *
 * When a task ends, its coroutines that are suspended get -ECANCELED from their switch, so that they can clean up. One that
 * goes on all the same is dead then, whatever it held.
 *
 * A coroutine blocks its whole task when it waits. longjmp and C++ exceptions must not leave its function. Not from
 * signal handlers. All calls but cheng_coroutine_new concern the calling task's coroutines only, and need no lock.
 *
 *   -EPERM      it belongs to another task
 *   -EPIPE      next: the generator has ended
 *   -EBUSY      close, free: it goes on although it was told to end; free: it is the present one, a task's first, or is being
 *               closed by another's call
 *   -ELOOP      set_parent: it would be its own ancestor
 *   -ENOMEM     no memory for the coroutine, or for its stack when it begins; nothing has happened
 *   -EINVAL     no function; an error to throw that is not negative; a stack size out of bounds; set_parent: NULL, or of a
 *               task's first */
#ifndef CHENG_COROUTINE_H
#define CHENG_COROUTINE_H

#include <cheng/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_coroutine cheng_coroutine;

/* `value` is that of the first switch to it; `*result` is NULL, and what it sets there goes to the parent. Returns 0 or a
 * negative error. */
typedef int cheng_coroutine_fn(void *arg, void *value, void **result);

typedef struct cheng_coroutine_options {
    size_t stack_size;       /* bytes, 16 KiB to 1 GiB; 0: 256 KiB */
    cheng_coroutine *parent; /* NULL: the caller */
} cheng_coroutine_options;

/* Makes one that has not begun. `arg` is passed as it is. It is the caller's, until cheng_coroutine_free. */
CHENG_API CHENG_NODISCARD int cheng_coroutine_new(cheng_coroutine **out, cheng_coroutine_fn *function,
                                                  void *arg, const cheng_coroutine_options *options);

/* Ends it with -ECANCELED if it is suspended, and frees it. What its function does on its way out may switch. NULL is
 * allowed. 0, -EBUSY or -EPERM; only after 0 it is gone. Its children's parent is then its own. */
CHENG_API int cheng_coroutine_free(cheng_coroutine *coroutine);

/* Runs it until somebody switches back, with `value`. `*out` (may be NULL) is what is passed back then. 0, or the error that
 * was thrown here, or with which a child ended. */
CHENG_API int cheng_coroutine_switch(cheng_coroutine *to, void *value, void **out);

/* The same, but its pending switch returns `error`, which is negative. One that has not begun dies at once: its parent gets
 * the error. */
CHENG_API int cheng_coroutine_throw(cheng_coroutine *to, int error, void **out);

/* Begins or continues it, with the caller as its parent. 0: `*value` was yielded. -EPIPE: it has ended; `*value` is its
 * result. Another error: it ended with that. `sent` is what its cheng_generator_yield finds. */
CHENG_API int cheng_generator_next(cheng_coroutine *generator, void *sent, void **value);

/* In a generator: passes `value` to who asked for the next, and waits to be asked again. `*sent` may be NULL. -ECANCELED:
 * it is to end. -EPERM in a coroutine without parent. */
CHENG_API int cheng_generator_yield(void *value, void **sent);

/* Ends it with -ECANCELED. 0, or the error that it ended with, or -EBUSY: it has yielded once more. */
CHENG_API int cheng_generator_close(cheng_coroutine *generator);

/* The caller. The first call in a task needs memory: NULL if there is none. */
CHENG_API cheng_coroutine *cheng_coroutine_current(void);

/* NULL: it is a task's first. */
CHENG_API cheng_coroutine *cheng_coroutine_parent(const cheng_coroutine *coroutine);
CHENG_API CHENG_NODISCARD int cheng_coroutine_set_parent(cheng_coroutine *coroutine, cheng_coroutine *parent);

/* Whether it has begun and not ended; whether it has ended. */
CHENG_API bool cheng_coroutine_is_active(const cheng_coroutine *coroutine);
CHENG_API bool cheng_coroutine_is_dead(const cheng_coroutine *coroutine);

/* "file:line" of the switch in which it is suspended; NULL if it is not suspended. */
CHENG_API const char *cheng_coroutine_where(const cheng_coroutine *coroutine);

/* Called in the calling task before each switch or throw (`error` negative) from one of its coroutines to another; NULL: no more.
 * It must not switch. Returns the former one. */
typedef void cheng_coroutine_trace_fn(const cheng_coroutine *from, const cheng_coroutine *to, int error);
CHENG_API cheng_coroutine_trace_fn *cheng_coroutine_trace(cheng_coroutine_trace_fn *trace);

/* The functions behind the macros, which add the call site. */
CHENG_API int chengi_coroutine_switch_at(cheng_coroutine *to, void *value, void **out, const char *site);
CHENG_API int chengi_coroutine_throw_at(cheng_coroutine *to, int error, void **out, const char *site);
CHENG_API int chengi_generator_next_at(cheng_coroutine *generator, void *sent, void **value,
                                       const char *site);
CHENG_API int chengi_generator_yield_at(void *value, void **sent, const char *site);

#define cheng_coroutine_switch(to, value, out) chengi_coroutine_switch_at((to), (value), (out), CHENG_HERE)
#define cheng_coroutine_throw(to, error, out) chengi_coroutine_throw_at((to), (error), (out), CHENG_HERE)
#define cheng_generator_next(generator, sent, value)                                                         \
    chengi_generator_next_at((generator), (sent), (value), CHENG_HERE)
#define cheng_generator_yield(value, sent) chengi_generator_yield_at((value), (sent), CHENG_HERE)

#ifdef __cplusplus
}
#endif
#endif
