/* Threads: starting them, and knowing when they end and when the process forks. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "host/host.h"
#include "host/latch.h"
#include "host/sanitize.h"

static pthread_key_t end_key;

/* glibc's exit calls what a thread has registered here before all exit handlers, also those that were registered later: a
 * task may still use what they take away. musl has no such function. */
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *argument, void *in_library)
    __attribute__((weak));

static void (*exit_hook)(void);

static void before_exit_handlers(void *unused)
{
    (void)unused;
    exit_hook();
}

int chengi_host_set_hooks(void (*at_end)(void *value), void (*in_child)(void), void (*at_exit)(void))
{
    int rc = pthread_key_create(&end_key, at_end);
    if (rc != 0)
        return -rc;
    rc = pthread_atfork(NULL, NULL, in_child);
    if (rc == 0 && atexit(at_exit) != 0)
        rc = ENOMEM;
    if (rc != 0) {
        pthread_key_delete(end_key);
        return -rc;
    }
    exit_hook = at_exit;
    if (&__cxa_thread_atexit_impl != NULL) {
        chengi_sanitize_keep(true);
        __cxa_thread_atexit_impl(before_exit_handlers, NULL, &end_key); /* an address in this library */
        chengi_sanitize_keep(false);
    }
    return 0;
}

int chengi_host_set_thread_value(void *value)
{
    return -pthread_setspecific(end_key, value);
}

/* Each has a folder, which counts as one link more of the folder around it. */
unsigned chengi_host_threads(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 2 ? (unsigned)tasks.st_nlink - 2 : 0;
}

/* The program's own mask: that of the first of our threads, since later ones may be started by ours. */
static struct {
    struct latch latch;
    bool known;
    sigset_t mask;
} programs;
static __thread bool signals_blocked;

struct start {
    void *(*entry)(void *arg);
    void *arg;
};

static void *start_with_signals(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    pthread_sigmask(SIG_SETMASK, &programs.mask, NULL); /* written before its starter held any */
    return start.entry(start.arg);
}

/* Attributes cannot do it: musl has none for the mask. */
static int start_from_ours(pthread_t *thread, const pthread_attr_t *attributes, void *(*entry)(void *arg),
                           void *arg)
{
    struct start *start = malloc(sizeof *start);
    if (start == NULL)
        return ENOMEM;
    *start = (struct start){ entry, arg };
    int rc = pthread_create(thread, attributes, start_with_signals, start);
    if (rc != 0)
        free(start);
    return rc;
}

int chengi_host_start(void *(*entry)(void *arg), void *arg, size_t stack_size)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int rc = pthread_attr_init(&attributes);
    if (rc != 0)
        return -rc;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN); /* 16 KiB on x86-64, 128 KiB on aarch64 */
    if (stack_size != 0)
        rc = pthread_attr_setstacksize(&attributes, stack_size < least ? least : stack_size);
    if (rc == 0)
        rc = signals_blocked ? start_from_ours(&thread, &attributes, entry, arg)
                             : pthread_create(&thread, &attributes, entry, arg);
    pthread_attr_destroy(&attributes);
    return -rc;
}

/* On the starter's stack, until the thread has said how it went. */
struct bound_start {
    struct start start;
    const cpu_set_t *cpus;
    int rc;
    uint32_t done;
};

static void *start_bound(void *argument)
{
    struct bound_start *bound = argument;
    struct start start = bound->start;
    int rc = bound->rc = sched_setaffinity(0, sizeof *bound->cpus, bound->cpus) < 0 ? -errno : 0;
    uint32_t *done = &bound->done;
    store_release(done, 1);           /* partner: the starter's loads; our last touch */
    chengi_host_wake(done, 1, false); /* an address only */
    return rc < 0 ? NULL : start.entry(start.arg);
}

/* The thread binds itself. Not by an attribute: musl has none, and glibc would tell a wrong one too late. Nor does the starter
 * bind itself meanwhile: it may be the main thread, whose CPUs count as the program's. */
int chengi_host_start_on(const unsigned *cpus, size_t count, void *(*entry)(void *arg), void *arg,
                         size_t stack_size)
{
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    for (size_t i = 0; i < count; i++) {
        if (cpus[i] >= CPU_SETSIZE)
            return -EINVAL;
        CPU_SET(cpus[i], &wanted);
    }
    struct bound_start bound = { .start = { entry, arg }, .cpus = &wanted };
    int rc = chengi_host_start(start_bound, &bound, stack_size);
    while (rc == 0 && !load_acquire(&bound.done)) /* partner: the store in start_bound */
        chengi_host_wait(&bound.done, 0, 0, false);
    return rc < 0 ? rc : bound.rc;
}

void chengi_host_yield(void)
{
    sched_yield();
}

unsigned chengi_host_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(getpid(), sizeof set, &set) < 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

/* Bounded: 200 rounds are some 2 to 8 µs, a fraction of what a wake-up across cores costs. Counted once:
 * relaxed, since every thread computes the same. */
unsigned chengi_host_spin_limit(void)
{
    static uint32_t limit = UINT32_MAX;
    uint32_t known = load_relaxed(&limit);
    if (unlikely(known == UINT32_MAX)) {
        known = chengi_host_cpus() > 1 ? 200 : 0;
        store_relaxed(&limit, known);
    }
    return known;
}

uint64_t chengi_host_thread_id(void)
{
    return (uint64_t)syscall(SYS_gettid);
}

bool chengi_host_is_main_thread(uint64_t thread_id)
{
    return thread_id == (uint64_t)getpid();
}

/* Held by nobody. */
static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF };

static bool is_fault(int number)
{
    bool found = false;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        found = found || faults[i] == number;
    return found;
}

bool chengi_host_handles_signals(void)
{
    struct sigaction action;
    for (int number = 1; number < NSIG; number++)
        if (!is_fault(number) && sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
            action.sa_handler != SIG_IGN)
            return true;
    return false;
}

static void block_signals(void)
{
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&set, faults[i]);
    chengi_latch_acquire(&programs.latch);
    signals_blocked = pthread_sigmask(SIG_BLOCK, &set, programs.known ? NULL : &programs.mask) == 0;
    programs.known = programs.known || signals_blocked;
    chengi_latch_release(&programs.latch);
}

void chengi_host_restore_signals(void)
{
    programs.latch = (struct latch){ 0 };
    if (signals_blocked)
        pthread_sigmask(SIG_SETMASK, &programs.mask, NULL);
    signals_blocked = false;
}

void chengi_host_set_thread_name(const char *name)
{
    prctl(PR_SET_NAME, name); /* the kernel keeps 15 bytes */
}

/* A thread inherits the CPUs of the one that starts it, which may be bound to some. */
static void unbind(void)
{
    cpu_set_t own, mains;
    if (sched_getaffinity(0, sizeof own, &own) == 0 &&
        sched_getaffinity(getpid(), sizeof mains, &mains) == 0 && !CPU_EQUAL(&own, &mains))
        sched_setaffinity(0, sizeof mains, &mains);
}

void chengi_host_enter_own_thread(const char *name)
{
    chengi_host_set_thread_name(name);
    block_signals();
    unbind();
}
