/* What is called when a task ends. A task's links are a ring, of which it has the last. They change with the bucket of its
 * `life` latched, and so does LINKED, which says that there are any:
 *
 *   who links                              the task, which ends
 *   latches                                LINKED? then takes one off, latched, and calls it, until none is left
 *   ENDED? unlatches, calls it itself      sets ENDED, if LINKED is not there; else once more
 *   LINKED = 1
 *
 * Both are bits of one word: the end sees the link, or who links sees the end. */
#include "task/link.h"

#include <cheng/link.h>

#include "base/compiler.h"
#include "park/lot.h"
#include "run/runner.h"
#include "task/timer.h"

/* The link may be gone, or linked again, when this returns, and the task's handle too. */
static void call(struct cheng_task *task, const struct cheng_link *link)
{
    bool tells = link->call != chengi_timer_run_ended;
    if (task->status < 0 && tells) /* relaxed: read again by whoever frees the handle */
        __atomic_fetch_or(&task->life, CHENGI_JOINED, __ATOMIC_RELAXED);
    link->call(task, task->status, link->context);
}

/* Takes off the link behind `before`; in the ring, with the latch. */
static void take_off(struct cheng_task *task, struct cheng_link *before)
{
    struct cheng_link *link = before->next;
    before->next = link->next;
    if (link == before) /* relaxed: the latch orders */
        __atomic_fetch_and(&task->life, ~(uint32_t)CHENGI_LINKED, __ATOMIC_RELAXED);
    else if (task->links == link)
        task->links = before;
}

void chengi_links_call(struct cheng_task *task)
{
    while (load_relaxed(&task->life) & CHENGI_LINKED) {
        struct bucket *bucket = chengi_lot_lock(&task->life);
        struct cheng_link *first = NULL;
        if (load_relaxed(&task->life) & CHENGI_LINKED) {
            first = task->links->next;
            take_off(task, task->links);
        }
        chengi_lot_unlock(bucket);
        if (first != NULL)
            call(task, first);
    }
}

void cheng_task_link(cheng_task *task, cheng_link *link)
{
    struct bucket *bucket = chengi_lot_lock(&task->life);
    uint32_t life = load_relaxed(&task->life);
    while (!(life & (CHENGI_ENDED | CHENGI_LINKED)) && !cas_relaxed(&task->life, &life, life | CHENGI_LINKED))
        ;
    if (life & CHENGI_ENDED) {
        chengi_lot_unlock(bucket);
        load_acquire(&task->life); /* partner: the end, which has written the status */
        call(task, link);
        return;
    }
    link->next = life & CHENGI_LINKED ? task->links->next : link;
    if (life & CHENGI_LINKED)
        task->links->next = link;
    task->links = link;
    chengi_lot_unlock(bucket);
}

bool cheng_task_unlink(cheng_task *task, cheng_link *link)
{
    bool found = false;
    struct bucket *bucket = chengi_lot_lock(&task->life);
    uint32_t life = load_relaxed(&task->life);
    if ((life & CHENGI_LINKED) && !(life & CHENGI_ENDED)) { /* both: of one that a fork has ended */
        struct cheng_link *before = task->links;
        while (before->next != link && before->next != task->links)
            before = before->next;
        found = before->next == link;
        if (found)
            take_off(task, before);
    }
    chengi_lot_unlock(bucket);
    return found;
}
