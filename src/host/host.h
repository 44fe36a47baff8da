/* The host: the one place where time passes.
 *
 * Whatever blocks, schedules, spins or tells time in the layers above goes through these functions. The
 * same sources are linked with one of two implementations: host/linux, and host/explore, which
 * runs every thread as a coroutine under a controlled scheduler. So nothing here may be bypassed, and
 * nothing above may include a system header (a test checks it).
 *
 * Errors are negative errnos. Deadlines are nanoseconds on the monotonic clock; 0 is never. */
#ifndef CHENG_HOST_HOST_H
#define CHENG_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- time ---- */

int64_t chengi_host_now(void);
uint64_t chengi_host_random(void);

/* ---- wait and wake on a 32-bit word ---- */

/* Sleeps while `*word == value`, until the deadline. 0: woken, the value differed, or for no reason at
 * all; -ETIMEDOUT. `shared`: the word lies in memory that processes share. */
int chengi_host_wait(uint32_t *word, uint32_t value, int64_t deadline_ns, bool shared);
void chengi_host_wake(uint32_t *word, unsigned n, bool shared);

/* A word to sleep on, one of several. */
struct host_word {
    uint32_t *word;
    uint32_t value;
    bool shared;
};
enum { CHENGI_HOST_WORDS = 128 };

/* The same on `n` words at once, CHENGI_HOST_WORDS at the most: returns when any of them changed or was
 * woken. -ENOSYS where the kernel cannot (before 5.16). */
int chengi_host_wait_many(const struct host_word *words, unsigned n, int64_t deadline_ns);

/* ---- threads ---- */

/* Starts a detached thread. A stack size of 0 is the system's default. Started by one of the library's own, it takes the program's
 * signals all the same. */
int chengi_host_start(void *(*entry)(void *arg), void *arg, size_t stack_size);
/* The same, but it runs on these CPUs only; -EINVAL: none of them is there for this process. */
int chengi_host_start_on(const unsigned *cpus, size_t count, void *(*entry)(void *arg), void *arg,
                         size_t stack_size);
void chengi_host_yield(void);
unsigned chengi_host_cpus(void); /* usable by this process */
uint64_t chengi_host_thread_id(void);
bool chengi_host_is_main_thread(uint64_t thread_id);
unsigned chengi_host_threads(void); /* of this process; 0: not known */
/* Whether any signal, but for those of faults, has a handler. */
bool chengi_host_handles_signals(void);
void chengi_host_set_thread_name(const char *name);
/* The first act of the library's own threads: the program's signals are handled in its threads, not on ours (faults are not
 * held), and ours may run wherever the main thread may, whoever has started them. */
void chengi_host_enter_own_thread(const char *name);
/* In a fork's child, whose only thread may be such a one: it takes the program's signals again. */
void chengi_host_restore_signals(void);

/* `at_end` is called, with the value that it set, in each thread that ends: after the destructors of C++
 * thread_locals. `in_child` is called in the child of each fork. `at_exit` is called, maybe more than once, when the process
 * exits: before all exit handlers if the libc can do it and the calling thread is the one that exits, else in its turn
 * among them. Set once, by the layer `run`. */
int chengi_host_set_hooks(void (*at_end)(void *value), void (*in_child)(void), void (*at_exit)(void));
int chengi_host_set_thread_value(void *value);

/* ---- spinning ---- */

/* How many relaxed rounds a spin may take before it must sleep; 0 where it cannot help: one CPU. */
unsigned chengi_host_spin_limit(void);

static inline void chengi_host_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory"); /* `yield` is a no-op on most cores */
#endif
}

/* Orders a store made before an atomic read-modify-write with loads after it. On x86 the read-modify-
 * write is a full barrier already (the kernel's smp_mb__after_atomic). */
static inline void chengi_host_fence_after_rmw(void)
{
#if defined(__x86_64__)
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* ---- memory ---- */

/* Zeroed pages that are never huge; NULL when there are none. */
void *chengi_host_map(size_t size);
void chengi_host_unmap(void *base, size_t size);
/* Makes one range at the low end of a stack inaccessible. -ENOMEM: too many mappings. */
int chengi_host_guard(void *base, size_t size);
/* Gives the pages back to the system; they read as zero after. */
void chengi_host_discard(void *base, size_t size);
size_t chengi_host_page_size(void);

/* The same pointer, of whose object the compiler knows nothing, its size for one. */
static inline void *chengi_host_opaque(const void *pointer)
{
    __asm__("" : "+r"(pointer));
    return (void *)(uintptr_t)pointer;
}

/* ---- faults ---- */

/* Calls the handler with the address of the first memory fault of the process, in the faulting thread, on the stack
 * that it has from chengi_host_fault_stack; then the fault takes its course. */
int chengi_host_watch_faults(void (*handler)(const void *address));
int chengi_host_fault_stack(void **out); /* `*out` stays if the thread has one already */
void chengi_host_fault_stack_free(void *stack);
/* Writes to standard error with nothing in between; async-signal-safe. */
void chengi_host_say(const char *text);

/* ---- waiting for descriptors: one poller for each worker ---- */

/* HUNG_UP: the other side has finished or is gone, or an error is pending; never alone. */
enum { CHENGI_HOST_READABLE = 1, CHENGI_HOST_WRITABLE = 2, CHENGI_HOST_HUNG_UP = 4 };

struct host_event {
    uint64_t data;
    unsigned ready;
};

struct host_poller {
    uint64_t id; /* never 0, never used again */
    int epoll, wake;
    struct uring *uring; /* host/linux: instead of epoll, which is -1 then */
};

int chengi_host_poller_open(struct host_poller *poller);
/* The same; `epoll` is a descriptor that can be waited for like any other. */
int chengi_host_poller_open_nested(struct host_poller *poller);
void chengi_host_poller_close(struct host_poller *poller);
/* Reports both directions, once for each change (edge), until chengi_host_close. */
int chengi_host_poller_watch(struct host_poller *poller, int fd, uint64_t data);
/* Reports once, then keeps the descriptor silent until it is armed again. For 0 events: nobody waits any more, and the
 * poller must not keep the file open after the descriptor is closed; an event may come all the same. */
int chengi_host_poller_arm(struct host_poller *poller, int fd, unsigned events, uint64_t data);
/* Closes a descriptor that may be watched. Any thread; if it is watched by another's poller, that may close it a little
 * later. */
void chengi_host_close(int fd);

/* Reading from a file or writing to it. */
struct host_transfer {
    bool write;
    int fd;
    void *buffer; /* only read from by a write */
    size_t size;
    uint64_t offset; /* UINT64_MAX: where the file's place is */
};
/* Begins it; it ends with one event, whose `ready` is the result, an int: a count or a negative errno. -ENOTSUP: by
 * another way only. */
int chengi_host_poller_transfer(struct host_poller *poller, const struct host_transfer *transfer,
                                uint64_t data);
/* Waits for events until the deadline (0: for ever, negative: do not wait) or a notify; returns how many,
 * or a negative errno. */
int chengi_host_poller_wait(struct host_poller *poller, struct host_event *events, unsigned room,
                            int64_t deadline_ns);
/* Makes the present or the next wait return. Any thread, and signal handlers. */
void chengi_host_poller_notify(struct host_poller *poller);

/* One descriptor and a wake descriptor, for a thread: 0: the wake descriptor spoke, or nothing; > 0: what
 * is ready of `fd`; -ETIMEDOUT. */
int chengi_host_poll_pair(int fd, unsigned events, int wake_fd, int64_t deadline_ns);
int chengi_host_wake_fd_open(void);
void chengi_host_wake_fd_signal(int wake_fd);
void chengi_host_wake_fd_close(int wake_fd);

#endif
