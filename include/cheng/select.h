/* cheng/select.h: wait for the first of several things (Go: select; Python: gevent.wait, gevent.iwait, select.select).
 *
 * Each case is what one call would wait for. Of the cases that can be done at once, one is taken at random: of two, each as
 * likely as the other, of more, roughly; if there is none, the caller blocks until one can. One case is done, never two, and nothing is
 * consumed of the others.
 *
 * @code
 * static int work(cheng_queue *jobs, cheng_queue *urgent, cheng_event *stop)
 * {
 *     int job;
 *     for (;;) {
 *         cheng_case cases[] = {
 *             cheng_case_get(urgent, &job),
 *             cheng_case_get(jobs, &job),
 *             cheng_case_event(stop),
 *             cheng_case_at(cheng_after(10 * CHENG_SECOND)),
 *         };
 *         int which = cheng_select(cases, 4);
 *         if (which < 0)
 *             return which; // -ECANCELED
 *         if (which >= 2 || cases[which].result < 0)
 *             return 0; // stopped, nothing to do for long, or a queue was closed
 *         printf("job %d\n", job);
 *     }
 * }
 * @endcode
 *
 * Threads and coroutines, in any mixture, on both sides of a queue: two that select meet in a rendezvous, too. What
 * lies in an arena cannot be selected: its case is done at once, with -ENOTSUP.
 *
 * When a case, a deadline and a cancel race: if something was consumed, the case is what is returned. Memory order: as
 * that of the call which the case stands for. The cases, and what they point to, are the caller's; no two calls use
 * the same array at once.
 *
 *   -EAGAIN      no case can be done, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   none until the deadline
 *   -ECANCELED   the calling task was cancelled
 *   -ENOMEM      more than eight cases, of which none can be done at once
 *   -EINVAL      more than INT_MAX cases
 *   -EMFILE      a thread waits for descriptors, and has none left for that */
#ifndef CHENG_SELECT_H
#define CHENG_SELECT_H

#include <cheng/base.h>
#include <cheng/event.h>
#include <cheng/queue.h>
#include <cheng/semaphore.h>
#include <cheng/socket.h>
#include <cheng/task.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cheng_case_kind {
    CHENG_CASE_NEVER,
    CHENG_CASE_PUT,
    CHENG_CASE_GET,
    CHENG_CASE_JOIN,
    CHENG_CASE_EVENT,
    CHENG_CASE_SEMAPHORE,
    CHENG_CASE_AT,
    CHENG_CASE_POLL,
    CHENG_CASE_SOCKET
};

/* All zero: never done, as is a case of NULL. So a case is switched off by `cases[i] = (cheng_case){ 0 }`. */
typedef struct cheng_case {
    enum cheng_case_kind kind;
    int result; /* of the case that is done: 0, or why its own call would have failed (-EPIPE: closed, ...) */
    void *object;
    void *item;
    int64_t number;
} cheng_case;

static inline cheng_case chengi_case(enum cheng_case_kind kind, const void *object, const void *item,
                                     int64_t number)
{
    cheng_case made;
    made.kind = object == NULL ? CHENG_CASE_NEVER : kind;
    made.result = 0;
    made.object = (void *)(uintptr_t)object;
    made.item = (void *)(uintptr_t)item;
    made.number = number;
    return made;
}

/* Puts the item, which stays as it is until the call returns. */
static inline cheng_case cheng_case_put(cheng_queue *queue, const void *item)
{
    return chengi_case(CHENG_CASE_PUT, queue, item, 0);
}

/* Gets an item. Several cases may have the same room for it. */
static inline cheng_case cheng_case_get(cheng_queue *queue, void *item)
{
    return chengi_case(CHENG_CASE_GET, queue, item, 0);
}

/* The task has ended: cheng_join will not block. */
static inline cheng_case cheng_case_join(cheng_task *task)
{
    return chengi_case(CHENG_CASE_JOIN, task, NULL, 0);
}

/* The event is set, or was while the call waited. */
static inline cheng_case cheng_case_event(cheng_event *event)
{
    return chengi_case(CHENG_CASE_EVENT, event, NULL, 0);
}

/* Takes a unit. */
static inline cheng_case cheng_case_semaphore(cheng_semaphore *semaphore)
{
    return chengi_case(CHENG_CASE_SEMAPHORE, semaphore, NULL, 0);
}

/* The time has come. CHENG_FOREVER: never. */
static inline cheng_case cheng_case_at(cheng_deadline deadline)
{
    cheng_case made = chengi_case(CHENG_CASE_NEVER, NULL, NULL, deadline.at_ns);
    made.kind = CHENG_CASE_AT;
    return made;
}

/* A descriptor of yours can be read (CHENG_READABLE), or written (CHENG_WRITABLE), as for cheng_poll; one of them in
 * each case. */
static inline cheng_case cheng_case_poll(int fd, unsigned event)
{
    cheng_case made =
        chengi_case(CHENG_CASE_NEVER, NULL, NULL, (int64_t)((uint64_t)event << 32 | (uint32_t)fd));
    made.kind = CHENG_CASE_POLL;
    return made;
}

/* A socket can be read (accepted from), or written, as for cheng_socket_wait. Meanwhile the caller is its reader or
 * writer. */
static inline cheng_case cheng_case_socket(cheng_socket *s, unsigned event)
{
    return chengi_case(CHENG_CASE_SOCKET, s, NULL, event);
}

/* Blocks until one of the `n` cases is done: its index. Or a negative errno: then none is. With no case that can ever be
 * done it blocks until a cancel or the deadline. */
CHENG_API CHENG_NODISCARD int cheng_select(cheng_case *cases, size_t n);
CHENG_API CHENG_NODISCARD int cheng_select_until(cheng_case *cases, size_t n, cheng_deadline deadline);

/* Blocks until at least `count` of these `n` tasks have ended (gevent: wait, joinall with a count). Which: cheng_join
 * with CHENG_NOW tells. All of a few, one after the other as they end: cheng_select in a loop, where a case that is
 * done is switched off. -EINVAL: count > n; else errors as above, and -EDEADLK: the caller is one of the tasks, and the
 * others are too few. */
CHENG_API CHENG_NODISCARD int cheng_wait_tasks(cheng_task *const *tasks, size_t n, size_t count);
CHENG_API CHENG_NODISCARD int cheng_wait_tasks_until(cheng_task *const *tasks, size_t n, size_t count,
                                                     cheng_deadline deadline);

#ifdef __cplusplus
}
#endif
#endif
