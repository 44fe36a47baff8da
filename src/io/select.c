/* cheng_select. How it works with what can be waited for stands in park/select.h. */
#include <cheng/select.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "base/mix.h"
#include "host/host.h"
#include "park/select.h"
#include "run/runner.h"

enum { FEW = 8 }; /* cases that need no allocation */

/* ---- the end of a task, a time ---- */

static int attempt_join(cheng_case *c, const struct select_wait *wait)
{
    const struct cheng_task *task = c->object;
    (void)wait;
    if (task == chengi_runner_self())
        return -EDEADLK;
    uint32_t life = load_acquire(&task->life); /* partner: the release in the task's end */
    return life & CHENGI_ENDED ? 0 : chengi_runner_free(life) ? -EINVAL : -EAGAIN;
}

/* As a joiner. */
static int await_join(const cheng_case *c, struct select_wait *wait)
{
    struct cheng_task *task = c->object;
    uint32_t life = load_relaxed(&task->life);
    if ((life & CHENGI_ENDED) ||
        (!(life & CHENGI_JOINERS) && !cas_relaxed(&task->life, &life, life | CHENGI_JOINERS)))
        return 0;
    wait->point->word = &task->life;
    wait->point->value = life | CHENGI_JOINERS;
    return 1;
}

static int attempt_at(cheng_case *c, const struct select_wait *wait)
{
    (void)wait;
    return c->number != 0 && chengi_host_now() >= c->number ? 0 : -EAGAIN;
}

static int await_at(const cheng_case *c, struct select_wait *wait)
{
    (void)c, (void)wait;
    return 1; /* the whole call has a deadline, see earliest */
}

static const struct selectable join = { attempt_join, await_join, NULL };
static const struct selectable at = { attempt_at, await_at, NULL };

static const struct selectable *const kinds[] = {
    [CHENG_CASE_PUT] = &chengi_select_put,
    [CHENG_CASE_GET] = &chengi_select_get,
    [CHENG_CASE_JOIN] = &join,
    [CHENG_CASE_EVENT] = &chengi_select_event,
    [CHENG_CASE_SEMAPHORE] = &chengi_select_semaphore,
    [CHENG_CASE_AT] = &at,
    [CHENG_CASE_POLL] = &chengi_select_poll,
    [CHENG_CASE_SOCKET] = &chengi_select_socket,
};

/* ---- attempts ---- */

/* Whether the case is done. */
static inline bool attempt(cheng_case *c, const struct select_wait *wait)
{
    if (c->kind == CHENG_CASE_NEVER)
        return false;
    int rc = (unsigned)c->kind < sizeof kinds / sizeof *kinds ? kinds[c->kind]->attempt(c, wait) : -EINVAL;
    if (rc == -EAGAIN)
        return false;
    c->result = rc;
    return true;
}

/* Another order each time, and for each task. */
static uint64_t draw(void)
{
    struct cheng_task *self = chengi_runner_self();
    return chengi_mix(((uint64_t)++self->selects << 32 | self->self.word) * 0x9E3779B97F4A7C15u);
}

/* From any case on, by odd steps around the next power of two: so each is attempted once. All cases are equally likely
 * to be the first, and of two that are ready either. */
static int attempt_all(cheng_case *cases, size_t n, const struct select_wait *waits)
{
    uint64_t random = draw();
    size_t i = (size_t)((random >> 32) * n >> 32), step = (size_t)(random | 1);
    size_t mask = n <= 1 ? 0 : ~(size_t)0 >> __builtin_clzl(n - 1);
    for (size_t left = mask + 1; left > 0; left--, i = (i + step) & mask)
        if (i < n && attempt(&cases[i], waits == NULL ? NULL : &waits[i]))
            return (int)i;
    return -EAGAIN;
}

/* ---- waiting ---- */

/* A call that waits. Points and waits are as the cases; the last point is the claim's. */
struct call {
    cheng_case *cases;
    size_t n;
    struct park_point *points;
    struct select_wait *waits;
    cheng_case **order;   /* by their rank */
    cheng_case *earliest; /* the first time that will come, or NULL */
    int woken;            /* the case that the last wake was for; not one of them: -1 */
    uint32_t claim;
};

static size_t index_of(const struct call *call, const cheng_case *c)
{
    return (size_t)(c - call->cases);
}

/* Two selects that wait for each other's offers in the same channels would make each other start again and again. As all
 * enter channels by their addresses, the one that has come furthest goes on. Other cases come before. */
static uintptr_t rank_of(const cheng_case *c)
{
    return c->kind == CHENG_CASE_PUT || c->kind == CHENG_CASE_GET ? (uintptr_t)c->object : 0;
}

static void prepare(struct call *call)
{
    memset(call->points, 0, (call->n + 1) * sizeof *call->points);
    call->woken = -1;
    for (size_t i = 0; i < call->n; i++) {
        cheng_case *c = &call->cases[i];
        call->waits[i].point = &call->points[i];
        call->waits[i].claim = &call->claim;
        call->waits[i].number = (uint32_t)i + 1;
        size_t k = i;
        for (; k > 0 && rank_of(call->order[k - 1]) > rank_of(c); k--)
            call->order[k] = call->order[k - 1];
        call->order[k] = c;
        if (c->kind == CHENG_CASE_AT && c->number != 0 &&
            (call->earliest == NULL || c->number < call->earliest->number))
            call->earliest = c;
    }
    call->points[call->n].word = &call->claim;
    call->points[call->n].value = CHENGI_SELECT_OPEN;
}

/* How many of the cases, in their order, wait; if not all, `*rc` is why. */
static size_t await_all(struct call *call, int *rc)
{
    size_t count = 0;
    store_relaxed(&call->claim, CHENGI_SELECT_OPEN); /* the channels' locks order */
    for (*rc = 1; count < call->n; count++) {
        const cheng_case *c = call->order[count];
        size_t i = index_of(call, c);
        call->points[i].front = (int)i == call->woken; /* another was faster: it keeps its place */
        if (c->kind != CHENG_CASE_NEVER)
            *rc = kinds[c->kind]->await(c, &call->waits[i]);
        if (*rc != 1)
            break;
    }
    return count;
}

/* Undoes the first `count`. Returns the case that the other side has done, or -1. */
static int leave_all(struct call *call, size_t count)
{
    /* acquire and release: partner is who claims. With a channel's lock, all that it has done is seen */
    uint32_t number = CHENGI_SELECT_OPEN;
    if (cas_acq_rel(&call->claim, &number, CHENGI_SELECT_CLOSED))
        number = 0;
    for (size_t k = 0; k < count; k++) {
        cheng_case *c = call->order[k];
        size_t i = index_of(call, c);
        if (c->kind == CHENG_CASE_NEVER || kinds[c->kind]->leave == NULL)
            continue;
        int result = kinds[c->kind]->leave(c, &call->waits[i]);
        if (i + 1 == number)
            c->result = result;
    }
    return (int)number - 1;
}

/* Parks once. The index of a case that is done; -EAGAIN: attempt them; else why the call ends. */
static int wait_once(struct call *call, cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_SELECT, NULL, NULL };
    int64_t until = deadline.at_ns;
    bool timed = call->earliest != NULL && (until == 0 || call->earliest->number <= until);
    int awaited, parked = -1;
    if (timed)
        until = call->earliest->number;
    size_t count = await_all(call, &awaited);
    if (awaited == 1)
        parked = chengi_park_any(call->points, call->n + 1, until, &why);
    call->woken = parked >= 0 && (size_t)parked < call->n ? parked : -1;
    int done = leave_all(call, count);
    if (done >= 0) {
        if (call->woken >= 0) /* what that wake was for is still there: somebody else must know */
            chengi_unpark(call->points[call->woken].word, 1);
        return done;
    }
    if (awaited < 0) {
        call->order[count]->result = awaited;
        return (int)index_of(call, call->order[count]);
    }
    if (awaited == 0 || parked >= 0)
        return -EAGAIN;
    if (parked == -ETIMEDOUT && timed) {
        call->earliest->result = 0;
        return (int)index_of(call, call->earliest);
    }
    return parked;
}

static int wait_for_one(struct call *call, cheng_deadline deadline)
{
    int done;
    prepare(call);
    while ((done = wait_once(call, deadline)) == -EAGAIN) {
        if (call->woken >= 0 && attempt(&call->cases[call->woken], &call->waits[call->woken]))
            return call->woken;
        done = attempt_all(call->cases, call->n, call->waits);
        if (done >= 0)
            return done;
    }
    return done;
}

/* Out of line: what need not wait needs no stack for it. */
static CHENGI_NOINLINE int wait_for_few(cheng_case *cases, size_t n, cheng_deadline deadline)
{
    struct park_point points[FEW + 1];
    struct select_wait waits[FEW];
    cheng_case *order[FEW];
    struct call call = { .cases = cases, .n = n, .points = points, .waits = waits, .order = order };
    return wait_for_one(&call, deadline);
}

static CHENGI_NOINLINE int wait_for_many(cheng_case *cases, size_t n, cheng_deadline deadline)
{
    struct call call = { .cases = cases, .n = n };
    call.points = malloc((n + 1) * sizeof *call.points);
    call.waits = malloc(n * sizeof *call.waits);
    call.order = malloc(n * sizeof *call.order);
    int rc = call.points == NULL || call.waits == NULL || call.order == NULL ? -ENOMEM
                                                                             : wait_for_one(&call, deadline);
    free(call.points);
    free(call.waits);
    free(call.order);
    return rc;
}

int cheng_select_until(cheng_case *cases, size_t n, cheng_deadline deadline)
{
    if (n > INT_MAX)
        return -EINVAL;
    int done = attempt_all(cases, n, NULL);
    if (done >= 0 || chengi_is_now(deadline))
        return done;
    return n <= FEW ? wait_for_few(cases, n, deadline) : wait_for_many(cases, n, deadline);
}

int cheng_select(cheng_case *cases, size_t n)
{
    return cheng_select_until(cases, n, CHENG_FOREVER);
}

/* ---- some of many tasks ---- */

int cheng_wait_tasks_until(cheng_task *const *tasks, size_t n, size_t count, cheng_deadline deadline)
{
    int done = 0;
    if (count > n || n > INT_MAX)
        return -EINVAL;
    cheng_case *cases = malloc(n * sizeof *cases);
    if (cases == NULL && n > 0)
        return -ENOMEM;
    /* the caller never ends while it waits */
    size_t others = 0;
    for (size_t i = 0; i < n; i++)
        if (tasks[i] != chengi_runner_self())
            cases[others++] = cheng_case_join(tasks[i]);
    if (count > others)
        done = -EDEADLK;
    for (; done >= 0 && count > 0; count--) {
        done = cheng_select_until(cases, others, deadline);
        if (done >= 0)
            cases[done] = cases[--others];
    }
    free(cases);
    return done < 0 ? done : 0;
}

int cheng_wait_tasks(cheng_task *const *tasks, size_t n, size_t count)
{
    return cheng_wait_tasks_until(tasks, n, count, CHENG_FOREVER);
}
