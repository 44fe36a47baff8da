/* host/host.h, but for what scheduler.c (threads, waiting) and memory.c (pages) have of it. */
#include "host/explore/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/latch.h"

#define E chengi_engine

/* ---- time ---- */

/* Each look takes a microsecond, so that who waits by looking comes to an end. */
int64_t chengi_host_now(void)
{
    return E.now_ns += 1000;
}

uint64_t chengi_host_random(void)
{
    return chengi_explore_program_random();
}

/* ---- threads ---- */

unsigned chengi_host_cpus(void)
{
    return E.options.cpus == 0 ? 2 : E.options.cpus;
}

unsigned chengi_host_spin_limit(void)
{
    return 0;
}

uint64_t chengi_host_thread_id(void)
{
    return E.current == NULL ? 1 : (uint64_t)E.current->id + 1;
}

bool chengi_host_is_main_thread(uint64_t thread_id)
{
    return thread_id == 1;
}

int chengi_host_start_on(const unsigned *cpus, size_t count, void *(*entry)(void *arg), void *arg,
                         size_t stack_size)
{
    for (size_t i = 0; i < count; i++)
        if (cpus[i] < chengi_host_cpus())
            return chengi_host_start(entry, arg, stack_size);
    return -EINVAL;
}

unsigned chengi_host_threads(void)
{
    return 0;
}

bool chengi_host_handles_signals(void)
{
    return false;
}

void chengi_host_enter_own_thread(const char *name)
{
    chengi_host_set_thread_name(name);
}

void chengi_host_restore_signals(void)
{
}

void chengi_host_set_thread_name(const char *name)
{
    if (E.current == NULL)
        return;
    bool own = strncmp(name, "cheng-", 6) == 0; /* the library's: there may be several */
    snprintf(E.names[E.current->id], NAME_SIZE, own ? "%.20s-%u" : "%.31s", name, E.current->id);
}

int chengi_host_set_hooks(void (*at_end)(void *value), void (*in_child)(void), void (*at_exit)(void))
{
    (void)in_child, (void)at_exit;
    E.at_end = at_end;
    return 0;
}

int chengi_host_set_thread_value(void *value)
{
    if (E.current != NULL)
        E.current->value = value;
    return 0;
}

/* ---- spinning ---- */

int __tsan_atomic32_compare_exchange_strong(volatile uint32_t *p, uint32_t *expected, uint32_t desired,
                                            int order, int failure_order);

void chengi_latch_acquire_slow(struct latch *latch)
{
    uint32_t expected = 0;
    while (!__tsan_atomic32_compare_exchange_strong(&latch->word, &expected, 1, __ATOMIC_ACQUIRE,
                                                    __ATOMIC_RELAXED)) {
        chengi_host_yield();
        expected = 0;
    }
}

/* ---- faults: the explorer's own ---- */

int chengi_host_watch_faults(void (*handler)(const void *address))
{
    (void)handler;
    return 0;
}

int chengi_host_fault_stack(void **out)
{
    (void)out;
    return 0;
}

void chengi_host_fault_stack_free(void *stack)
{
    (void)stack;
}

void chengi_host_say(const char *text)
{
    ssize_t rc = write(STDERR_FILENO, text, strlen(text));
    (void)rc;
}

/* ---- descriptors: none but what wakes a poller, which is a word here ---- */

int chengi_host_poller_open(struct host_poller *poller)
{
    poller->id = 1;
    poller->epoll = -1;
    poller->wake = 0;
    return 0;
}

int chengi_host_poller_open_nested(struct host_poller *poller)
{
    (void)poller;
    return -ENOTSUP;
}

void chengi_host_poller_close(struct host_poller *poller)
{
    (void)poller;
}

int chengi_host_poller_watch(struct host_poller *poller, int fd, uint64_t data)
{
    (void)poller, (void)fd, (void)data;
    return -ENOTSUP;
}

int chengi_host_poller_arm(struct host_poller *poller, int fd, unsigned events, uint64_t data)
{
    (void)poller, (void)fd, (void)events, (void)data;
    return -ENOTSUP;
}

void chengi_host_close(int fd)
{
    close(fd);
}

int chengi_host_poller_transfer(struct host_poller *poller, const struct host_transfer *transfer,
                                uint64_t data)
{
    (void)poller, (void)transfer, (void)data;
    return -ENOTSUP;
}

static uint32_t *wake_word(struct host_poller *poller)
{
    return (uint32_t *)(void *)&poller->wake;
}

int chengi_host_poller_wait(struct host_poller *poller, struct host_event *events, unsigned room,
                            int64_t deadline_ns)
{
    (void)events, (void)room;
    int rc = deadline_ns < 0 ? 0 : chengi_host_wait(wake_word(poller), 0, deadline_ns, false);
    (void)rc; /* either way nothing has happened to a descriptor */
    chengi_world_dirty((uintptr_t)&poller->wake, sizeof poller->wake);
    poller->wake = 0;
    return 0;
}

void chengi_host_poller_notify(struct host_poller *poller)
{
    chengi_world_dirty((uintptr_t)&poller->wake, sizeof poller->wake);
    poller->wake = 1;
    chengi_explore_effect();
    chengi_host_wake(wake_word(poller), 1, false);
}

int chengi_host_poll_pair(int fd, unsigned events, int wake_fd, int64_t deadline_ns)
{
    (void)fd, (void)events, (void)wake_fd, (void)deadline_ns;
    return -ENOTSUP;
}

int chengi_host_wake_fd_open(void)
{
    return -ENOTSUP;
}

void chengi_host_wake_fd_signal(int wake_fd)
{
    (void)wake_fd;
}

void chengi_host_wake_fd_close(int wake_fd)
{
    (void)wake_fd;
}
