/* What can be seen of tasks, and their names. */
#include <cheng/incident.h>
#include <cheng/task.h>

#include "base/compiler.h"
#include "host/host.h"
#include "park/park.h"
#include "run/runner.h"
#include "run/worker.h"

cheng_task *cheng_current(void)
{
    return chengi_runner_self();
}

cheng_task *cheng_main_task(void)
{
    return chengi_runner_main();
}

const char *cheng_name(void)
{
    return chengi_runner_name(chengi_runner_self());
}

const char *cheng_task_name(const cheng_task *task)
{
    return chengi_runner_name((cheng_task *)(uintptr_t)task); /* made on the first call */
}

void cheng_task_rename(cheng_task *task, const char *name)
{
    chengi_runner_rename(task, name);
    if (task == chengi_runner_self() && task->worker == NULL)
        chengi_host_set_thread_name(chengi_runner_name(task));
}

uint64_t cheng_task_ident(const cheng_task *task)
{
    return task->ident;
}

/* A coroutine's worker may be gone when another asks. */
uint64_t cheng_task_native_id(const cheng_task *task)
{
    if (task->kind == CHENG_THREAD)
        return load_relaxed(&task->thread_id);
    return task == chengi_runner_self() ? chengi_host_thread_id() : 0;
}

bool cheng_task_is_alive(const cheng_task *task)
{
    uint32_t life = load_acquire(&task->life); /* partner: the release in the task's end */
    return !(life & CHENGI_ENDED) && !chengi_runner_free(life);
}

static bool is_daemon(const struct cheng_task *task, uint32_t life)
{
    return (life & (CHENGI_DAEMON | CHENGI_OF_LOOP)) ||
           ((life & CHENGI_ADOPTED) && task != chengi_runner_main());
}

bool cheng_task_is_daemon(const cheng_task *task)
{
    return is_daemon(task, load_relaxed(&task->life));
}

enum cheng_kind cheng_task_kind(const cheng_task *task)
{
    return (enum cheng_kind)task->kind;
}

/* False: nobody lives in the slot, or somebody else by now. */
static bool inform(struct cheng_task *task, cheng_task_info *out)
{
    uint32_t life = load_acquire(&task->life); /* partner: cheng_start */
    if (life >> CHENGI_KIND_SHIFT == 0 || (life & CHENGI_ENDED))
        return false;
    out->ident = load_relaxed(&task->ident);
    out->kind = (enum cheng_kind)(life >> CHENGI_KIND_SHIFT);
    out->daemon = is_daemon(task, life);
    out->native_id = out->kind == CHENG_THREAD      ? load_relaxed(&task->thread_id)
                     : task == chengi_runner_self() ? chengi_host_thread_id()
                                                    : 0;
    chengi_runner_copy_name(task, out->name);
    __atomic_thread_fence(__ATOMIC_ACQUIRE); /* the second look comes after all that was copied */
    life = load_relaxed(&task->life);
    return load_relaxed(&task->ident) == out->ident && life >> CHENGI_KIND_SHIFT != 0 &&
           !(life & CHENGI_ENDED);
}

size_t cheng_enumerate(cheng_task_info *out, size_t room)
{
    struct cheng_task *task;
    size_t count = 0;
    cheng_task_info info;
    chengi_runner_self(); /* the caller is among them */
    for (uint32_t slot = 0; (task = chengi_runner_at(slot)) != NULL; slot++) {
        if (!inform(task, &info))
            continue;
        if (count < room)
            out[count] = info;
        count++;
    }
    return count;
}

const char *cheng_deadlock_report(void)
{
    return chengi_deadlock_report();
}
