/* Memory faults, for the reporter of overflowed stacks. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/host.h"

/* A signal frame with AVX-512 takes 12 KiB, snprintf some more. */
enum { FAULT_STACK = 64 << 10 };

static void (*fault_handler)(const void *address);
static struct sigaction before;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    fault_handler(info->si_addr);
    /* the instruction is tried again, and the fault goes where it went before */
    sigaction(SIGSEGV, &before, NULL);
}

int chengi_host_watch_faults(void (*handler)(const void *address))
{
    struct sigaction former, action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    fault_handler = handler;
    if (sigaction(SIGSEGV, &action, &former) < 0)
        return -errno;
    if (former.sa_sigaction != on_fault) /* else another has been here at the same time */
        before = former;
    return 0;
}

/* A thread that has such a stack keeps its own. */
int chengi_host_fault_stack(void **out)
{
    stack_t present, stack = { .ss_size = FAULT_STACK };
    if (sigaltstack(NULL, &present) == 0 && !(present.ss_flags & SS_DISABLE))
        return 0;
    stack.ss_sp = malloc(stack.ss_size);
    if (stack.ss_sp == NULL)
        return -ENOMEM;
    if (sigaltstack(&stack, NULL) < 0) {
        int rc = -errno;
        free(stack.ss_sp);
        return rc;
    }
    *out = stack.ss_sp;
    return 0;
}

void chengi_host_fault_stack_free(void *stack)
{
    const stack_t none = { .ss_flags = SS_DISABLE };
    if (stack != NULL) {
        sigaltstack(&none, NULL);
        free(stack);
    }
}

void chengi_host_say(const char *text)
{
    ssize_t rc = write(STDERR_FILENO, text, strlen(text));
    (void)rc;
}
