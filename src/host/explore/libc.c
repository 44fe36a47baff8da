/* What programs call of libc that must tell what it touches, or must not really happen: these definitions come before
 * libc's when the program is linked. Calls from libc itself, and from this host, go to the real ones. */
#include "host/explore/engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define E chengi_engine
#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* some have no header */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): libc has reserved names for them */

#define HERE ((uintptr_t)__builtin_return_address(0))
#define REAL __attribute__((visibility("default")))

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

/* For the program, as opposed to shared libraries, whose own memory is not put back, and to us. */
static bool for_program(uintptr_t pc)
{
    return chengi_world_is_program(pc) && !chengi_explore_in_engine(pc);
}

/* ---- memory ---- */

static void delete_object(void *block, uintptr_t pc)
{
    if (chengi_world_is_heap(block))
        chengi_world_free(block, pc);
    else
        __libc_free(block);
}

REAL void *malloc(size_t size)
{
    if (!for_program(HERE))
        return __libc_malloc(size);
    void *block = chengi_world_allocate(size, 16);
    if (block == NULL)
        errno = ENOMEM;
    return block;
}

REAL void free(void *block)
{
    delete_object(block, HERE);
}

REAL void *calloc(size_t n, size_t size)
{
    size_t whole;
    if (!for_program(HERE))
        return __libc_calloc(n, size);
    void *block = __builtin_mul_overflow(n, size, &whole) ? NULL : chengi_world_allocate(whole, 16);
    if (block == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    if (E.running)
        chengi_world_dirty((uintptr_t)block, whole + !whole);
    memset(block, 0, whole);
    return block;
}

REAL void *realloc(void *block, size_t size)
{
    if (block == NULL && for_program(HERE))
        return chengi_world_allocate(size, 16);
    if (!chengi_world_is_heap(block))
        return __libc_realloc(block, size);
    void *made = chengi_world_allocate(size, 16);
    if (made == NULL)
        return NULL;
    size_t before = chengi_world_block_size(block), keep = before < size ? before : size;
    if (E.running)
        chengi_world_dirty((uintptr_t)made, keep + !keep);
    chengi_copy(made, block, keep);
    chengi_world_free(block, HERE);
    return made;
}

static void *aligned(size_t align, size_t size, uintptr_t pc)
{
    return for_program(pc) ? chengi_world_allocate(size, align < 16 ? 16 : align)
                           : __libc_memalign(align, size);
}

REAL void *memalign(size_t align, size_t size)
{
    return aligned(align, size, HERE);
}

REAL void *aligned_alloc(size_t align, size_t size)
{
    return aligned(align, size, HERE);
}

REAL int posix_memalign(void **out, size_t align, size_t size)
{
    void *block = aligned(align, size, HERE);
    if (block != NULL)
        *out = block;
    return block == NULL ? ENOMEM : 0;
}

REAL size_t malloc_usable_size(void *block)
{
    return block == NULL ? 0 : chengi_world_is_heap(block) ? chengi_world_block_size(block) : 0;
}

/* C++'s new and delete. Memory that there is not is the end, since nothing can be thrown from here. */
static void *new_object(size_t size, uintptr_t pc)
{
    void *block = for_program(pc) ? chengi_world_allocate(size, 16) : __libc_malloc(size);
    if (block == NULL)
        abort();
    return block;
}

REAL void *_Znwm(size_t size)
{
    return new_object(size, HERE);
}

REAL void *_Znam(size_t size)
{
    return new_object(size, HERE);
}

REAL void _ZdlPv(void *block)
{
    delete_object(block, HERE);
}

REAL void _ZdaPv(void *block)
{
    delete_object(block, HERE);
}

REAL void _ZdlPvm(void *block, size_t size)
{
    (void)size;
    delete_object(block, HERE);
}

REAL void _ZdaPvm(void *block, size_t size)
{
    (void)size;
    delete_object(block, HERE);
}

static void touch(const void *address, size_t size, bool write, uintptr_t pc)
{
    if (!E.running || size == 0 || !for_program(pc))
        return;
    chengi_world_check((uintptr_t)address, size, write, pc);
    chengi_race_access((uintptr_t)address, size, write, false, pc);
    if (write)
        chengi_world_dirty((uintptr_t)address, size);
}

REAL void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    touch(from, size, false, HERE);
    touch(to, size, true, HERE);
    chengi_copy(to, from, size);
    return to;
}

REAL void *memmove(void *to, const void *from, size_t size)
{
    touch(from, size, false, HERE);
    touch(to, size, true, HERE);
    if ((uintptr_t)to - (uintptr_t)from >= size)
        chengi_copy(to, from, size);
    else
        for (size_t i = size; i-- > 0;)
            ((volatile char *)to)[i] = ((const volatile char *)from)[i];
    return to;
}

REAL void *memset(void *to, int value, size_t size)
{
    touch(to, size, true, HERE);
#if defined(__x86_64__)
    void *at = to;
    __asm__ __volatile__("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
#else
    for (size_t i = 0; i < size; i++)
        ((volatile char *)to)[i] = (char)value;
#endif
    return to;
}

/* How Clang calls them from version 15 on. */
#define ALIAS(name) __attribute__((alias(#name), leaf, nothrow, nonnull))
REAL ALIAS(memcpy) void *__tsan_memcpy(void *to, const void *from, size_t size);
REAL ALIAS(memmove) void *__tsan_memmove(void *to, const void *from, size_t size);
REAL ALIAS(memset) void *__tsan_memset(void *to, int value, size_t size);

/* ---- the end ---- */

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL)
        _exit(127);
    return function;
}

REAL _Noreturn void abort(void)
{
    if (E.running)
        chengi_explore_fail(CHENG_FOUND_FAILURE, HERE, 0, "aborted");
    ((void (*)(void))real("abort"))();
    __builtin_unreachable();
}

REAL _Noreturn void __assert_fail(const char *expression, const char *file, unsigned line,
                                  const char *function)
{
    if (E.running)
        chengi_explore_fail(CHENG_FOUND_FAILURE, HERE, 0, "assertion failed: %s (%s:%u)", expression, file,
                            line);
    ((void (*)(const char *, const char *, unsigned, const char *))real("__assert_fail"))(expression, file,
                                                                                          line, function);
    __builtin_unreachable();
}

REAL _Noreturn void exit(int status)
{
    if (E.running && status == 0)
        chengi_explore_finish();
    if (E.running)
        chengi_explore_fail(CHENG_FOUND_FAILURE, HERE, 0, "exit with status %d", status);
    ((void (*)(int))real("exit"))(status);
    __builtin_unreachable();
}

/* At once: no other schedule would be run. */
REAL _Noreturn void _exit(int status)
{
    if (E.running && status == 0)
        chengi_explore_finish();
    if (E.running)
        chengi_explore_fail(CHENG_FOUND_FAILURE, HERE, 0, "exit with status %d", status);
    for (;;)
        syscall(SYS_exit_group, status);
}

REAL _Noreturn void _Exit(int status) __attribute__((alias("_exit")));

/* ---- time ---- */

REAL int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (!E.running)
        return ((int (*)(clockid_t, struct timespec *))real("clock_gettime"))(clock, time);
    int64_t now = chengi_host_now();
    touch(time, sizeof *time, true, HERE);
    *time = (struct timespec){ now / 1000000000, now % 1000000000 };
    return 0;
}

REAL int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    if (!E.running)
        return ((int (*)(struct timeval *, void *))real("gettimeofday"))(time, zone);
    int64_t now = chengi_host_now();
    *time = (struct timeval){ now / 1000000000, now % 1000000000 / 1000 };
    return 0;
}

REAL time_t time(time_t *out)
{
    if (!E.running)
        return ((time_t(*)(time_t *))real("time"))(out);
    time_t now = chengi_host_now() / 1000000000;
    if (out != NULL)
        *out = now;
    return now;
}

static void sleep_ns(int64_t ns)
{
    static uint32_t nothing;
    const struct host_word word = { &nothing, 0, false };
    chengi_host_wait_many(&word, 1, chengi_host_now() + (ns > 0 ? ns : 1));
}

REAL int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    if (!E.running)
        return ((int (*)(const struct timespec *, struct timespec *))real("nanosleep"))(wanted, left);
    sleep_ns((int64_t)wanted->tv_sec * 1000000000 + wanted->tv_nsec);
    return 0;
}

REAL int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
    if (!E.running)
        return ((int (*)(clockid_t, int, const struct timespec *, struct timespec *))real("clock_nanosleep"))(
            clock, flags, wanted, left);
    int64_t ns = (int64_t)wanted->tv_sec * 1000000000 + wanted->tv_nsec;
    sleep_ns(flags & TIMER_ABSTIME ? ns - chengi_host_now() : ns);
    return 0;
}

REAL int usleep(useconds_t us)
{
    if (!E.running)
        return ((int (*)(useconds_t))real("usleep"))(us);
    sleep_ns((int64_t)us * 1000);
    return 0;
}

REAL unsigned sleep(unsigned seconds)
{
    if (!E.running)
        return ((unsigned (*)(unsigned))real("sleep"))(seconds);
    sleep_ns((int64_t)seconds * 1000000000);
    return 0;
}

REAL int sched_yield(void)
{
    if (!E.running)
        return ((int (*)(void))real("sched_yield"))();
    chengi_host_yield();
    return 0;
}

/* ---- random numbers ---- */

REAL int rand(void)
{
    return E.running ? (int)(chengi_explore_program_random() & RAND_MAX) : ((int (*)(void))real("rand"))();
}

REAL long random(void)
{
    return E.running ? (long)(chengi_explore_program_random() & RAND_MAX)
                     : ((long (*)(void))real("random"))();
}

/* ---- what blocks, and threads that are not Cheng's: all threads would stand still, and nobody see why ---- */

#define REFUSED(type, name, parameters, ...)                                                                 \
    REAL type name parameters                                                                                \
    {                                                                                                        \
        if (E.running && for_program(HERE))                                                                  \
            chengi_explore_fail(CHENG_EXPLORE_ERROR, HERE, 0,                                                \
                                #name ": only Cheng's tasks and locks can be explored");                     \
        return ((type(*) parameters)real(#name))(__VA_ARGS__);                                               \
    }

REFUSED(int, pthread_create,
        (pthread_t * thread, const pthread_attr_t *attributes, void *(*entry)(void *), void *argument),
        thread, attributes, entry, argument)
REFUSED(int, pthread_join, (pthread_t thread, void **result), thread, result)
REFUSED(int, pthread_mutex_lock, (pthread_mutex_t * mutex), mutex)
REFUSED(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), lock)
REFUSED(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), lock)
REFUSED(int, pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *mutex), condition, mutex)
REFUSED(int, sem_wait, (sem_t * semaphore), semaphore)
REFUSED(pid_t, fork, (void))

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
