/* coroutine.switch: what the scheduler does to put one task in another's place: the internal switch, the
 * thread's pointer to who runs, and each task's own errno. Linked to the static library, because none of
 * it is public. Two tasks switch to and fro; a value is one switch. */
#include "host/switch.h"
#include "../bench.h"
#include <cheng/lock.h>
#include <errno.h>

struct task {
    struct chengi_self self;
    void *context;
    int saved_errno;
};

static struct task tasks[2];
static int *thread_errno; /* its address, which a worker keeps too */

/* Out of line, as it is in the scheduler; its last act is the switch, so that it costs no return here. */
__attribute__((noinline)) static void *switch_to(struct task *to)
{
    struct task *from = (struct task *)(void *)chengi_self;
    from->saved_errno = *thread_errno;
    *thread_errno = to->saved_errno;
    chengi_self = &to->self;
    return chengi_switch_tail(&from->context, to->context, NULL);
}

static void bounce(void *argument, void *value)
{
    (void)value;
    for (;;)
        switch_to((struct task *)argument);
}

static void switches(long n)
{
    for (long i = 0; i < n; i++)
        switch_to(&tasks[1]);
}

int main(int argc, char **argv)
{
    static char stack[65536] __attribute__((aligned(4096)));
    bench_begin(argc, argv);
    thread_errno = &errno;
    tasks[1].context = chengi_switch_prepare(stack + sizeof stack, bounce, &tasks[0]);
    chengi_self = &tasks[0].self;
    bench_ns_each(switches, 2);
    chengi_self = NULL;
    return 0;
}
