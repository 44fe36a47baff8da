/* cheng/local.h: a variable that each task has for itself (Python: threading.local, gevent.local).
 *
 * Works in threads and coroutines alike, where a thread-local of C would be shared by all coroutines of a kernel thread.
 * A task has no value until it sets one; when it ends, its values are destroyed, in the task itself: the destructor may
 * wait, and may use other locals. Costs nothing in tasks that set none.
 *
 * @code
 * static cheng_local buffer = { .destroy = free }; // zero is valid too: values that need no destructor
 *
 * char *my_buffer(void)
 * {
 *     char *b = cheng_local_get(&buffer);
 *     if (b == NULL && (b = malloc(4096)) != NULL && cheng_local_set(&buffer, b) < 0) {
 *         free(b);
 *         b = NULL;
 *     }
 *     return b;
 * }
 * @endcode
 *
 * A destructor is called with a value that is not NULL, which is NULL for the task already. Values that destructors set are
 * destroyed too, up to four rounds. The main thread's values are not destroyed when the process exits, nor, in a fork's
 * child, those of tasks that did not come along. All calls from any task at the same time, but cheng_local_drop; none from
 * signal handlers. In an arena: each process would see the others' numbers, so keep it in static memory or in an object
 * of the process.
 *
 *   -ENOMEM   set: no memory for the first, or one more, value of this task; what was there stays
 *   -EAGAIN   set: 1,024 locals are in use in this process */
#ifndef CHENG_LOCAL_H
#define CHENG_LOCAL_H

#include <cheng/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_local {
    void (*destroy)(void *value); /* may be NULL. Not to be changed once a value was set */
    uint32_t number;              /* the library's; 0 until the first value is set */
    uint32_t place;
} cheng_local;

/* The calling task's value; NULL: it has set none. Does not block. */
CHENG_API void *cheng_local_get(const cheng_local *local);

/* Sets the calling task's value. A former one is not destroyed: it is the caller's again. NULL takes the value away and cannot
 * fail. */
CHENG_API CHENG_NODISCARD int cheng_local_set(cheng_local *local, void *value);

/* Takes the local back, so that its memory can go: all tasks' values are forgotten, and not destroyed. It is as new
 * then. Nobody else may use it meanwhile. */
CHENG_API void cheng_local_drop(cheng_local *local);

#ifdef __cplusplus
}
#endif
#endif
