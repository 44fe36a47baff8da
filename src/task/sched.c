/* The scheduler by time and priority: a binary heap, over the public API only. */
#include <cheng/condition.h>
#include <cheng/lock.h>
#include <cheng/sched.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"

struct event {
    cheng_sched_event told;
    cheng_fn *function;
    const void *argument;
    _Alignas(16) unsigned char bytes[];
};

struct cheng_sched {
    cheng_lock lock;
    cheng_condition changed; /* another event is the first */
    struct event **heap;
    size_t count, room;
    uint64_t last; /* number given out */
};

static bool before(const cheng_sched_event *a, const cheng_sched_event *b)
{
    if (a->when.at_ns != b->when.at_ns)
        return a->when.at_ns < b->when.at_ns;
    return a->priority != b->priority ? a->priority < b->priority : a->event < b->event;
}

/* Puts an event where `at` is free, and moves others up or down for it. */
static void place(cheng_sched *sched, size_t at, struct event *event)
{
    struct event **heap = sched->heap;
    for (size_t parent; at > 0 && before(&event->told, &heap[parent = (at - 1) / 2]->told); at = parent)
        heap[at] = heap[parent];
    for (size_t child; (child = at * 2 + 1) < sched->count; at = child) {
        if (child + 1 < sched->count && before(&heap[child + 1]->told, &heap[child]->told))
            child++;
        if (!before(&heap[child]->told, &event->told))
            break;
        heap[at] = heap[child];
    }
    heap[at] = event;
}

static struct event *take(cheng_sched *sched, size_t at)
{
    struct event *event = sched->heap[at], *last = sched->heap[--sched->count];
    if (at != sched->count)
        place(sched, at, last);
    return event;
}

int cheng_sched_new(cheng_sched **out)
{
    cheng_sched *sched = calloc(1, sizeof *sched);
    if (sched == NULL)
        return -ENOMEM;
    *out = sched;
    return 0;
}

void cheng_sched_free(cheng_sched *sched)
{
    if (sched == NULL)
        return;
    for (size_t i = 0; i < sched->count; i++)
        free(sched->heap[i]);
    free(sched->heap);
    free(sched);
}

static bool make_room(cheng_sched *sched)
{
    if (sched->count < sched->room)
        return true;
    size_t room = sched->room == 0 ? 16 : sched->room * 2;
    struct event **heap = realloc(sched->heap, room * sizeof(struct event *));
    if (heap == NULL)
        return false;
    sched->heap = heap;
    sched->room = room;
    return true;
}

int cheng_sched_enter(cheng_sched *sched, cheng_deadline when, int priority, cheng_fn *function,
                      const void *arg, size_t arg_size, uint64_t *event)
{
    if (function == NULL || when.at_ns == 0 || (arg == NULL && arg_size != 0))
        return -EINVAL;
    struct event *entered = malloc(sizeof *entered + arg_size);
    if (entered == NULL)
        return -ENOMEM;
    entered->told = (cheng_sched_event){ 0, when, priority };
    entered->function = function;
    entered->argument = arg_size == 0 ? arg : memcpy(entered->bytes, arg, arg_size);
    int rc = -ENOMEM;
    CHENG_WITH(&sched->lock) {
        if (!make_room(sched))
            break;
        entered->told.event = ++sched->last;
        if (event != NULL)
            *event = entered->told.event;
        place(sched, sched->count, entered);
        sched->count++;
        if (sched->heap[0] == entered)
            cheng_condition_notify(&sched->changed, UINT_MAX);
        rc = 0;
    }
    if (rc < 0)
        free(entered);
    return rc;
}

int cheng_sched_cancel(cheng_sched *sched, uint64_t event)
{
    struct event *found = NULL;
    CHENG_WITH(&sched->lock) {
        for (size_t i = 0; i < sched->count && found == NULL; i++)
            if (sched->heap[i]->told.event == event)
                found = take(sched, i);
        if (found != NULL && sched->count == 0)
            cheng_condition_notify(&sched->changed, UINT_MAX); /* who waits for it has nothing left to do */
    }
    free(found);
    return found == NULL ? -ENOENT : 0;
}

size_t cheng_sched_queue(cheng_sched *sched, cheng_sched_event *out, size_t room)
{
    size_t count = 0;
    CHENG_WITH(&sched->lock) {
        count = sched->count;
        for (size_t i = 0, filled = 0; i < count; i++) { /* the first `room` of them, by insertion */
            const cheng_sched_event *told = &sched->heap[i]->told;
            size_t at = filled < room ? filled++ : room;
            if (at == room && (room == 0 || !before(told, &out[--at])))
                continue;
            for (; at > 0 && before(told, &out[at - 1]); at--)
                out[at] = out[at - 1];
            out[at] = *told;
        }
    }
    return count;
}

/* The next event once it is due; NULL: none is left, or `*rc` is why not. With the lock. */
static struct event *next_due(cheng_sched *sched, cheng_deadline deadline, int *rc)
{
    *rc = 0;
    while (sched->count != 0) {
        cheng_deadline when = sched->heap[0]->told.when;
        int64_t now = cheng_clock_ns();
        if (when.at_ns <= now)
            return take(sched, 0);
        if (*rc == 0 && deadline.at_ns != 0 && deadline.at_ns <= now)
            *rc = chengi_is_now(deadline) ? -EAGAIN : -ETIMEDOUT;
        if (*rc != 0)
            return NULL;
        if (deadline.at_ns != 0 && deadline.at_ns < when.at_ns)
            when = deadline;
        *rc = cheng_condition_wait_until(&sched->changed, &sched->lock, when);
        if (*rc == -ETIMEDOUT)
            *rc = 0;
    }
    return NULL;
}

int cheng_sched_run_until(cheng_sched *sched, cheng_deadline deadline)
{
    for (;;) {
        struct event *event = NULL;
        int rc = 0;
        CHENG_WITH(&sched->lock) {
            event = next_due(sched, deadline, &rc);
        }
        if (event == NULL)
            return rc;
        rc = event->function(event->argument, NULL);
        free(event);
        if (rc < 0)
            return rc;
    }
}

int cheng_sched_run(cheng_sched *sched)
{
    return cheng_sched_run_until(sched, CHENG_FOREVER);
}
