/* The policies that come with loops. */
#include <cheng/loop.h>

#include "run/runner.h"

cheng_task **cheng_policy_link(cheng_task *task)
{
    return &task->next;
}

int64_t cheng_task_rank(const cheng_task *task)
{
    return task->leaves & CHENGI_LEAVES_RANK ? task->rank : 0;
}

void cheng_set_rank(int64_t rank)
{
    struct cheng_task *self = chengi_runner_self();
    if (self->worker == NULL)
        return;
    self->rank = rank;
    self->leaves |= CHENGI_LEAVES_RANK; /* it ends with the task: no start needs to clear it */
}

/* ---- the newest first ---- */

static void stack_push(void *ready, cheng_task *task)
{
    struct cheng_task **top = ready;
    task->next = *top;
    *top = task;
}

static cheng_task *stack_pop(void *ready)
{
    struct cheng_task **top = ready, *task = *top;
    *top = task->next;
    return task;
}

const cheng_policy *cheng_policy_lifo(void)
{
    static const cheng_policy policy = { sizeof(struct cheng_task *), stack_push, stack_pop };
    return &policy;
}

/* ---- by rank: a pairing heap, whose nodes are the tasks ----
 *
 * `child` is the first of those below a task, `next` its next sibling. Pushing takes constant time, popping the logarithm on the
 * average. Source: M. Fredman, R. Sedgewick, D. Sleator, R. Tarjan: The Pairing Heap, Algorithmica 1986. */

struct heap {
    struct cheng_task *root;
    uint32_t turns; /* pushes so far: among equals the earlier one is first */
};

/* Whether `a` goes before `b`. Turns count round: those that can go on at the same time lie less than half of it apart. */
static bool before(const struct cheng_task *a, const struct cheng_task *b, bool deadlines)
{
    if (a->rank == b->rank)
        return (int32_t)(a->turn - b->turn) < 0;
    if (deadlines && (a->rank == 0 || b->rank == 0))
        return b->rank == 0;
    return a->rank < b->rank;
}

static struct cheng_task *meld(struct cheng_task *a, struct cheng_task *b, bool deadlines)
{
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    struct cheng_task *first = before(a, b, deadlines) ? a : b, *below = first == a ? b : a;
    below->next = first->child;
    first->child = below;
    return first;
}

static void heap_push(struct heap *heap, struct cheng_task *task, bool deadlines)
{
    task->turn = heap->turns++;
    task->rank = cheng_task_rank(task);
    task->child = NULL;
    heap->root = meld(heap->root, task, deadlines);
}

static struct cheng_task *heap_pop(struct heap *heap, bool deadlines)
{
    struct cheng_task *task = heap->root, *rest = task->child, *pairs = NULL, *next;
    for (; rest != NULL; rest = next) { /* two by two, from the left; */
        struct cheng_task *a = rest, *b = rest->next;
        next = b == NULL ? NULL : b->next;
        a = meld(a, b, deadlines);
        a->next = pairs;
        pairs = a;
    }
    for (; pairs != NULL; pairs = next) { /* then the pairs, from the right */
        next = pairs->next;
        rest = meld(rest, pairs, deadlines);
    }
    heap->root = rest;
    return task;
}

static void priority_push(void *ready, cheng_task *task)
{
    heap_push(ready, task, false);
}

static cheng_task *priority_pop(void *ready)
{
    return heap_pop(ready, false);
}

const cheng_policy *cheng_policy_priority(void)
{
    static const cheng_policy policy = { sizeof(struct heap), priority_push, priority_pop };
    return &policy;
}

static void deadline_push(void *ready, cheng_task *task)
{
    heap_push(ready, task, true);
}

static cheng_task *deadline_pop(void *ready)
{
    return heap_pop(ready, true);
}

const cheng_policy *cheng_policy_deadline(void)
{
    static const cheng_policy policy = { sizeof(struct heap), deadline_push, deadline_pop };
    return &policy;
}
