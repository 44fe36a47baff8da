#include "run/overflow.h"

#include <cheng/incident.h>

#include <stdio.h>

#include "base/compiler.h"
#include "host/host.h"
#include "run/worker.h"

static uint32_t on; /* release: who sees it finds the handler set */

/* On the signal's stack. The process is about to die: snprintf, which has no need of locks here, may be called. */
static void on_fault(const void *address)
{
    const struct worker *worker = chengi_worker;
    const struct stack *stack = worker == NULL ? NULL : worker->stack;
    const struct cheng_task *task = (const struct cheng_task *)(const void *)chengi_self;
    if (stack == NULL || (const char *)address >= stack->low ||
        (const char *)address < stack->low - chengi_stack_guard())
        return;
    char text[160], number[CHENG_NAME_SIZE];
    snprintf(number, sizeof number, "Coroutine-%u", task->number);
    snprintf(text, sizeof text,
             "cheng: %s overflowed its stack of %zu bytes; see stack_size in cheng/task.h\n",
             task->name.text[0] == '\0' ? number : task->name.text, stack->size);
    chengi_host_say(text);
}

int cheng_report_overflows(void)
{
    int rc = load_acquire(&on) ? 0 : chengi_host_watch_faults(on_fault);
    if (rc == 0)
        store_release(&on, 1);
    return rc;
}

void *chengi_overflow_enter(void)
{
    void *stack = NULL;
    if (load_acquire(&on) && chengi_host_fault_stack(&stack) < 0)
        return NULL; /* then the fault kills without a word, as it does without the reporter */
    return stack;
}

void chengi_overflow_leave(void *stack)
{
    chengi_host_fault_stack_free(stack);
}
