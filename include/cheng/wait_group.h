/* cheng/wait_group.h: wait until all of a number of things are done (a latch, a countdown).
 *
 * 16 bytes that you own; all zero is valid and says that nothing is to be done. Who hands out work adds,
 * who has done it takes off, any number of tasks wait for zero. Threads, coroutines and (after
 * cheng_wait_group_share) processes. What a killed process had still to do is not taken off.
 *
 * @code
 * static int fetch(const void *arg, void *result)
 * {
 *     cheng_wait_group *group = *(cheng_wait_group *const *)arg;
 *     (void)result;
 *     return cheng_wait_group_done(group);
 * }
 *
 * static int fetch_all(int pages)
 * {
 *     cheng_wait_group group = { 0 }, *address = &group;
 *     for (int i = 0; i < pages; i++) {
 *         int rc = cheng_wait_group_add(&group, 1);
 *         if (rc == 0)
 *             rc = cheng_start(NULL, CHENG_COROUTINE, fetch, &address, sizeof address, NULL);
 *         if (rc < 0)
 *             cheng_wait_group_done(&group);
 *     }
 *     return cheng_wait_group_wait(&group);
 * }
 * @endcode
 *
 * Add before the work is handed out: a wait in between would find nothing to wait for. A wait that has seen
 * zero returns 0 even if somebody has added since, so a group may be used again at once. When the last done,
 * a time-out and a cancel race, whichever ended the wait first is returned; nothing is consumed.
 * Memory order: what was done before each done is seen after a wait that returns 0. A group may be freed as
 * soon as a wait for it has returned 0 and no other waits.
 *
 *   -EAGAIN      not zero, and the deadline was CHENG_NOW
 *   -ETIMEDOUT   not zero until the deadline
 *   -ECANCELED   the calling task was cancelled
 *   -EOVERFLOW   add: the count would pass 2^32 - 1; nothing was added
 *   -EPERM       done: the count is zero; it stays so
 *   -EINVAL      not a group, or a private one inside an arena
 *   -EBADMSG     the arena around it is corrupted
 *   -EOPNOTSUPP  its arena is not attached in this process */
#ifndef CHENG_WAIT_GROUP_H
#define CHENG_WAIT_GROUP_H

#include <cheng/arena.h>
#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_wait_group {
    uint64_t word; /* the count, and who waits; docs/design/words.md */
    uint32_t kind;
} cheng_wait_group;

/* `n` things more are to be done. Does not block. 0 or -EOVERFLOW. */
CHENG_API int cheng_wait_group_add(cheng_wait_group *group, unsigned n);

/* One of them is done; the last wakes all who wait. Does not block. 0 or -EPERM. */
CHENG_API int cheng_wait_group_done(cheng_wait_group *group);

/* A snapshot: how many are to be done. */
CHENG_API unsigned cheng_wait_group_count(const cheng_wait_group *group);

/* Blocks until nothing is to be done. */
CHENG_API int cheng_wait_group_wait(cheng_wait_group *group);
CHENG_API CHENG_NODISCARD int cheng_wait_group_wait_until(cheng_wait_group *group, cheng_deadline deadline);

/* Makes one that lies inside the arena shared; before its first use. */
CHENG_API CHENG_NODISCARD int cheng_wait_group_share(cheng_arena *arena, cheng_wait_group *group);

#ifdef __cplusplus
}
#endif
#endif
