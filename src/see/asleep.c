/* Everything sleeps: each task waits, for ever, for what only another task could give. Looked for by the watchdog, twice, at least
 * 100 ms apart; told only if it is certain:
 *
 *   every task waits for a private word, without a deadline, and not for a descriptor, a helper thread or a time
 *   every worker sleeps, and none is a loop's, which anybody may wake
 *   no timer is set
 *   every thread of the process is known to us
 *   no signal has a handler, but for those of faults
 *
 * and if it was the same at the first look: the same tasks, in the same waits. */
#include <cheng/incident.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/incident.h"
#include "host/host.h"
#include "run/runner.h"
#include "run/upcalls.h"
#include "run/watchdog.h"
#include "see/dump.h"
#include "task/timer.h"

static const int64_t apart_ns = 100000000;

/* The watchdog's thread is the only one here. */
static struct {
    uint64_t waits;   /* what it has seen: 0: somebody is awake */
    int64_t since_ns; /* when first */
    bool told;
    char text[8192];
    size_t length;
} seen;

static bool may_last(enum wait_kind kind)
{
    switch (kind) {
    case CHENGI_WAIT_LOCK:
    case CHENGI_WAIT_JOIN:
    case CHENGI_WAIT_CONDITION:
    case CHENGI_WAIT_EVENT:
    case CHENGI_WAIT_SEMAPHORE:
    case CHENGI_WAIT_PUT:
    case CHENGI_WAIT_GET:
    case CHENGI_WAIT_READERS:
    case CHENGI_WAIT_BARRIER:
    case CHENGI_WAIT_GROUP:
    case CHENGI_WAIT_DONE:
        return true;
    default:
        return false;
    }
}

/* The number of its wait; 0: it does not wait, or not for ever. */
static uint64_t wait_of(const struct cheng_task *task)
{
    uint32_t wake = load_acquire(&task->wake); /* partner: begin_wait in park/park.c */
    bool lasts = (wake & CHENGI_OUTCOME) == CHENGI_WAITING && may_last(load_relaxed(&task->why.kind)) &&
                 load_relaxed(&task->word) != NULL && load_relaxed(&task->wait_deadline_ns) == 0;
    __atomic_thread_fence(__ATOMIC_ACQUIRE); /* the last look comes after the others */
    return lasts && load_relaxed(&task->wake) == wake ? load_relaxed(&task->ident) * 31 + wake + 1 : 0;
}

/* The sum of all waits; 0: somebody does not wait, or there is nobody. Counts the threads. */
static uint64_t look_at_tasks(unsigned *threads)
{
    struct cheng_task *task, *self = (struct cheng_task *)(void *)load_relaxed(&chengi_self);
    uint64_t sum = 0;
    for (uint32_t slot = 0; (task = chengi_runner_at(slot)) != NULL; slot++) {
        uint32_t life = load_acquire(&task->life); /* partner: cheng_start */
        bool is_task = life >> CHENGI_KIND_SHIFT != 0 && !(life & CHENGI_ENDED);
        if (task == self)
            continue;
        bool thread = is_task && life >> CHENGI_KIND_SHIFT == CHENG_THREAD;
        if (thread || life == CHENGI_DROPPED) /* a task, or one of the library's own */
            ++*threads;
        if (!is_task || (thread && chengi_watchdog_is_root(task)))
            continue;
        uint64_t wait = wait_of(task);
        if (wait == 0)
            return 0;
        sum += wait;
    }
    return sum;
}

static uint64_t look(void)
{
    unsigned threads = 1; /* the caller */
    if (!chengi_watchdog_all_sleep())
        return 0;
    uint64_t sum = look_at_tasks(&threads);
    return sum != 0 && !chengi_timers_are_set() && chengi_host_threads() == threads &&
                   !chengi_host_handles_signals()
               ? sum
               : 0;
}

static void add(const char *line, void *unused)
{
    (void)unused;
    size_t length = strlen(line);
    if (seen.length + length < sizeof seen.text) {
        memcpy(seen.text + seen.length, line, length + 1);
        seen.length += length;
    }
}

void chengi_watch_sleep(int64_t now_ns)
{
    uint64_t waits = look();
    if (waits == 0 || waits != seen.waits) {
        seen.waits = waits;
        seen.since_ns = now_ns;
        seen.told = false;
    } else if (!seen.told && now_ns - seen.since_ns >= apart_ns) {
        seen.told = true;
        seen.length = 0;
        add("everything sleeps, and nothing can wake it:\n", NULL);
        chengi_dump(add, NULL);
        chengi_incident(CHENG_ASLEEP, -EDEADLK, NULL, seen.text);
    }
}
