/* The end of the process: its tasks are waited for, but for daemons. Nothing is counted when tasks start and end: who
 * exits walks the table. */
#include <errno.h>

#include "base/compiler.h"
#include "host/host.h"
#include "park/park.h"
#include "run/runner.h"
#include "run/upcalls.h"
#include "task/exit.h"

/* Without a handle: the slot may be another task's when this returns, or when we look. Either it has ended or it says
 * JOINERS before it does, for whichever task sets ENDED. */
static int wait_for(struct cheng_task *task)
{
    const struct why why = { CHENGI_WAIT_JOIN, task, NULL };
    uint32_t life = load_acquire(&task->life);
    if (life >> CHENGI_KIND_SHIFT == 0 || (life & (CHENGI_ENDED | CHENGI_DAEMON | CHENGI_ADOPTED)))
        return 0;
    uint32_t joined = life | CHENGI_JOINERS;
    if (life == joined || cas_relaxed(&task->life, &life, joined)) {
        int rc = chengi_park(&task->life, joined, 0, &why, CHENGI_PARK_UNCANCELLABLE);
        if (rc == -EDEADLK) /* it waits for what only the caller could give: it never ends */
            return 0;
    }
    return 1;
}

void chengi_tasks_wait(void)
{
    struct cheng_task *task, *self = chengi_runner_self();
    bool again;
    do { /* tasks may start tasks, in slots that we have passed */
        again = false;
        for (uint32_t slot = 0; (task = chengi_runner_at(slot)) != NULL; slot++)
            while (task != self && wait_for(task))
                again = true;
    } while (again);
}

/* Only the main thread waits: a task that exits, or another thread, wants the process to end, and may be waited for. */
void chengi_task_at_exit(void)
{
    if (chengi_host_is_main_thread(chengi_host_thread_id()) && chengi_runner_self()->worker == NULL)
        chengi_tasks_wait();
}
