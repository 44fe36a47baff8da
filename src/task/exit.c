/* The end of the process: its tasks are waited for, but for daemons. Nothing is counted when tasks start and end: who
 * exits walks the table. */
#include <cheng/incident.h>
#include <cheng/task.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/incident.h"
#include "host/host.h"
#include "park/park.h"
#include "run/runner.h"
#include "run/upcalls.h"
#include "task/exit.h"

enum { NAMES_MOST = 16 };

static cheng_duration limit = -1; /* of the exit's wait; -1: none */

cheng_duration cheng_set_exit_limit(cheng_duration most)
{
    return __atomic_exchange_n(&limit, most < 0 ? -1 : most, __ATOMIC_RELAXED); /* it is only a number */
}

static bool is_waited_for(const struct cheng_task *task, uint32_t life)
{
    return life >> CHENGI_KIND_SHIFT != 0 &&
           !(life & (CHENGI_ENDED | CHENGI_DAEMON | CHENGI_ADOPTED | CHENGI_OF_LOOP)) &&
           task != chengi_runner_self();
}

/* Without a handle: the slot may be another task's when this returns, or when we look. Either it has ended or it says
 * JOINERS before it does, for whichever task sets ENDED. 0: it needs no wait; -EAGAIN: look again; -ETIMEDOUT. */
static int wait_for(struct cheng_task *task, int64_t deadline_ns)
{
    const struct why why = { CHENGI_WAIT_JOIN, task, NULL };
    uint32_t life = load_acquire(&task->life);
    if (!is_waited_for(task, life))
        return 0;
    uint32_t joined = life | CHENGI_JOINERS;
    if (life == joined || cas_relaxed(&task->life, &life, joined)) {
        int rc = chengi_park(&task->life, joined, deadline_ns, &why, CHENGI_PARK_UNCANCELLABLE);
        if (rc == -EDEADLK) /* it waits for what only the caller could give: it never ends */
            return 0;
        if (rc == -ETIMEDOUT)
            return rc;
    }
    return -EAGAIN;
}

int chengi_tasks_wait(int64_t deadline_ns)
{
    struct cheng_task *task;
    bool again;
    int rc = 0;
    do { /* tasks may start tasks, in slots that we have passed */
        again = false;
        for (uint32_t slot = 0; rc != -ETIMEDOUT && (task = chengi_runner_at(slot)) != NULL; slot++)
            while ((rc = wait_for(task, deadline_ns)) == -EAGAIN)
                again = true;
    } while (again && rc != -ETIMEDOUT);
    return rc;
}

/* The names of those who are left, as many as there is room for. */
static void report_abandoned(cheng_duration waited)
{
    char text[NAMES_MOST * (CHENG_NAME_SIZE + 2) + 128], name[CHENG_NAME_SIZE];
    struct cheng_task *task;
    unsigned count = 0;
    int length = snprintf(text, sizeof text, "the exit has waited for %lld ms and leaves",
                          (long long)(waited / CHENG_MILLISECOND));
    for (uint32_t slot = 0; (task = chengi_runner_at(slot)) != NULL; slot++) {
        if (!is_waited_for(task, load_acquire(&task->life)) || count++ >= NAMES_MOST)
            continue;
        chengi_runner_copy_name(task, name);
        length += snprintf(text + length, sizeof text - (size_t)length, "%s %s", count == 1 ? "" : ",", name);
    }
    if (count > NAMES_MOST)
        length += snprintf(text + length, sizeof text - (size_t)length, " and %u more", count - NAMES_MOST);
    snprintf(text + length, sizeof text - (size_t)length, "\n");
    if (count > 0) /* else they have ended after all */
        chengi_incident(CHENG_ABANDONED, -ETIMEDOUT, NULL, text);
}

/* Only the main thread waits: a task that exits, or another thread, wants the process to end, and may be waited for. May be called
 * twice: the limit is one for both. */
void chengi_task_at_exit(void)
{
    static int64_t until_ns;
    static bool gave_up;
    if (gave_up || !chengi_host_is_main_thread(chengi_host_thread_id()) ||
        chengi_runner_self()->worker != NULL)
        return;
    cheng_duration most = load_relaxed(&limit);
    if (until_ns == 0 && most >= 0)
        until_ns = cheng_after(most).at_ns;
    gave_up = chengi_tasks_wait(until_ns) == -ETIMEDOUT;
    if (gave_up)
        report_abandoned(most);
}
