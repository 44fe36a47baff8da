/* What the compiler calls under -fsanitize=thread. */
#include "host/explore/engine.h"

/* No header declares them: only the compiler calls them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define E chengi_engine
#define HERE ((uintptr_t)__builtin_return_address(0))
#define HOOK __attribute__((visibility("default")))

/* A plain access. Where the accesses of a program without races go between its points cannot matter, so they are
 * points only if races are allowed. */
static inline void plain(uintptr_t address, unsigned size, bool write, uintptr_t pc)
{
    if (!E.running)
        return;
    E.events++;
    if (unlikely(E.options.races))
        chengi_explore_point(address, write, pc);
    chengi_world_check(address, size, write, pc);
    chengi_race_access(address, size, write, false, pc);
    if (write) {
        chengi_world_dirty(address, size);
        if (unlikely(E.idle != 0) && address - (uintptr_t)E.current->stack >= STACK_SIZE)
            chengi_explore_effect();
    }
    if (unlikely(E.tracing)) {
        uint64_t value = 0;
        E.looks_at = pc;
        __builtin_memcpy(&value, (const void *)address, size < 8 ? size : 8);
        chengi_explore_record(write ? E_WRITE : E_READ, address, size, value, pc, 0);
    }
}

#define PLAIN(size)                                                                                          \
    HOOK void __tsan_read##size(void *p)                                                                     \
    {                                                                                                        \
        plain((uintptr_t)p, size, false, HERE);                                                              \
    }                                                                                                        \
    HOOK void __tsan_write##size(void *p)                                                                    \
    {                                                                                                        \
        plain((uintptr_t)p, size, true, HERE);                                                               \
    }                                                                                                        \
    HOOK void __tsan_read_write##size(void *p)                                                               \
    {                                                                                                        \
        plain((uintptr_t)p, size, true, HERE);                                                               \
    }                                                                                                        \
    HOOK void __tsan_volatile_read##size(void *p)                                                            \
    {                                                                                                        \
        plain((uintptr_t)p, size, false, HERE);                                                              \
    }                                                                                                        \
    HOOK void __tsan_volatile_write##size(void *p)                                                           \
    {                                                                                                        \
        plain((uintptr_t)p, size, true, HERE);                                                               \
    }                                                                                                        \
    HOOK void __tsan_unaligned_read##size(void *p)                                                           \
    {                                                                                                        \
        plain((uintptr_t)p, size, false, HERE);                                                              \
    }                                                                                                        \
    HOOK void __tsan_unaligned_write##size(void *p)                                                          \
    {                                                                                                        \
        plain((uintptr_t)p, size, true, HERE);                                                               \
    }                                                                                                        \
    HOOK void __tsan_unaligned_read_write##size(void *p)                                                     \
    {                                                                                                        \
        plain((uintptr_t)p, size, true, HERE);                                                               \
    }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

HOOK void __tsan_read_range(void *p, size_t size)
{
    plain((uintptr_t)p, (unsigned)size, false, HERE);
}

HOOK void __tsan_write_range(void *p, size_t size)
{
    plain((uintptr_t)p, (unsigned)size, true, HERE);
}

HOOK void __tsan_vptr_update(void **p, void *value)
{
    (void)value;
    plain((uintptr_t)p, sizeof *p, true, HERE);
}

HOOK void __tsan_vptr_read(void **p)
{
    plain((uintptr_t)p, sizeof *p, false, HERE);
}

HOOK void __tsan_init(void)
{
}

/* Calls of the library by the program are scheduling points, and so are the beginning and the end of what the library
 * calls in the program: a task's function. Its end is known by its frame. */
enum { FRAMES = 256 };
static uintptr_t frames[FRAMES];
#define FRAME ((uintptr_t)__builtin_dwarf_cfa())

static uintptr_t *slot_of(uintptr_t frame)
{
    return &frames[frame / 16 % FRAMES];
}

/* `caller` is where the function returns to. */
HOOK void __tsan_func_entry(void *caller)
{
    uintptr_t from = (uintptr_t)caller, to = HERE;
    if (!E.running)
        return;
    E.seen = E.seen || !chengi_explore_in_library(to);
    if (E.options.inside)
        return;
    if (chengi_explore_in_library(to)) {
        if (!chengi_explore_in_library(from) && !chengi_explore_in_engine(from))
            chengi_explore_call(from, to);
    } else if (chengi_explore_in_library(from)) {
        *slot_of(FRAME) = FRAME;
        chengi_explore_point(0, false, to);
    }
}

HOOK void __tsan_func_exit(void)
{
    if (E.running && !E.options.inside && *slot_of(FRAME) == FRAME && !chengi_explore_in_library(HERE)) {
        *slot_of(FRAME) = 0;
        chengi_explore_point(0, false, HERE);
    }
}

/* Stacks of tasks. One clock for all coroutines of a worker: they follow one another in it. */
HOOK void *__tsan_get_current_fiber(void)
{
    return E.current == NULL ? NULL : &E.fibers[E.current->fiber];
}

HOOK void *__tsan_create_fiber(unsigned flags)
{
    (void)flags;
    if (E.fiber_count < FIBERS)
        E.fiber_count++;
    return &E.fibers[E.fiber_count - 1];
}

HOOK void __tsan_destroy_fiber(void *fiber)
{
    (void)fiber;
}

HOOK void __tsan_switch_to_fiber(void *fiber, unsigned flags)
{
    (void)flags;
    if (E.running)
        E.current->fiber = (uint16_t)((struct fiber *)fiber - E.fibers);
}

HOOK void __tsan_set_fiber_name(void *fiber, const char *name)
{
    if (E.running)
        chengi_explore_task((unsigned)((struct fiber *)fiber - E.fibers), name[0] == '\0' ? NULL : name);
}

/* ---- atomic operations ---- */

static inline void before_atomic(uintptr_t address, unsigned size, bool write, uintptr_t pc)
{
    E.events++;
    chengi_explore_point(address, write, pc);
    chengi_world_check(address, size, write, pc);
    chengi_race_access(address, size, write, true, pc);
    if (write)
        chengi_world_dirty(address, size);
}

#define ATOMIC(bits, type)                                                                                   \
    HOOK type __tsan_atomic##bits##_load(const volatile type *p, int order)                                  \
    {                                                                                                        \
        if (!E.running)                                                                                      \
            return *p;                                                                                       \
        before_atomic((uintptr_t)p, sizeof *p, false, HERE);                                                 \
        type value = *p;                                                                                     \
        chengi_race_load((uintptr_t)p, order);                                                               \
        chengi_explore_record(E_READ, (uintptr_t)p, sizeof *p | ATOMIC_EVENT, (uint64_t)value, HERE, 0);     \
        chengi_explore_looked(HERE, (uintptr_t)p, (uint64_t)value);                                          \
        return value;                                                                                        \
    }                                                                                                        \
    HOOK void __tsan_atomic##bits##_store(volatile type *p, type value, int order)                           \
    {                                                                                                        \
        if (!E.running) {                                                                                    \
            *p = value;                                                                                      \
            return;                                                                                          \
        }                                                                                                    \
        before_atomic((uintptr_t)p, sizeof *p, true, HERE);                                                  \
        chengi_race_store((uintptr_t)p, order, false);                                                       \
        if (*p != value)                                                                                     \
            chengi_explore_effect();                                                                         \
        *p = value;                                                                                          \
        chengi_explore_record(E_WRITE, (uintptr_t)p, sizeof *p | ATOMIC_EVENT, (uint64_t)value, HERE, 0);    \
    }                                                                                                        \
    UPDATE(bits, type, exchange, value)                                                                      \
    UPDATE(bits, type, fetch_add, (type)(before + value))                                                    \
    UPDATE(bits, type, fetch_sub, (type)(before - value))                                                    \
    UPDATE(bits, type, fetch_and, (type)(before & value))                                                    \
    UPDATE(bits, type, fetch_or, (type)(before | value))                                                     \
    UPDATE(bits, type, fetch_xor, (type)(before ^ value))                                                    \
    UPDATE(bits, type, fetch_nand, (type) ~(before & value))                                                 \
    HOOK int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type desired,   \
                                                           int order, int failure_order)                     \
    {                                                                                                        \
        if (!E.running && *p != *expected) {                                                                 \
            *expected = *p;                                                                                  \
            return false;                                                                                    \
        }                                                                                                    \
        if (!E.running) {                                                                                    \
            *p = desired;                                                                                    \
            return true;                                                                                     \
        }                                                                                                    \
        E.events++;                                                                                          \
        chengi_explore_point((uintptr_t)p, true, HERE);                                                      \
        type before = *p;                                                                                    \
        bool swaps = before == *expected;                                                                    \
        chengi_world_check((uintptr_t)p, sizeof *p, swaps, HERE);                                            \
        chengi_race_access((uintptr_t)p, sizeof *p, swaps, true, HERE);                                      \
        if (swaps) {                                                                                         \
            chengi_world_dirty((uintptr_t)p, sizeof *p);                                                     \
            chengi_explore_effect();                                                                         \
            chengi_race_load((uintptr_t)p, order);                                                           \
            chengi_race_store((uintptr_t)p, order, true);                                                    \
            *p = desired;                                                                                    \
            chengi_explore_record(E_UPDATE, (uintptr_t)p, sizeof *p | ATOMIC_EVENT, (uint64_t)desired, HERE, \
                                  0);                                                                        \
            return true;                                                                                     \
        }                                                                                                    \
        chengi_race_load((uintptr_t)p, failure_order);                                                       \
        chengi_explore_record(E_READ, (uintptr_t)p, sizeof *p | ATOMIC_EVENT, (uint64_t)before, HERE, 0);    \
        *expected = before;                                                                                  \
        chengi_explore_looked(HERE, (uintptr_t)p, (uint64_t)before);                                         \
        return false;                                                                                        \
    }                                                                                                        \
    HOOK int __tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type desired,     \
                                                         int order, int failure_order)                       \
        __attribute__((alias("__tsan_atomic" #bits "_compare_exchange_strong")));                            \
    HOOK type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type desired,      \
                                                         int order, int failure_order)                       \
    {                                                                                                        \
        (void)__tsan_atomic##bits##_compare_exchange_strong(p, &expected, desired, order, failure_order);    \
        return expected;                                                                                     \
    }

#define UPDATE(bits, type, name, after)                                                                      \
    HOOK type __tsan_atomic##bits##_##name(volatile type *p, type value, int order)                          \
    {                                                                                                        \
        bool running = E.running;                                                                            \
        if (running) {                                                                                       \
            before_atomic((uintptr_t)p, sizeof *p, true, HERE);                                              \
            chengi_race_load((uintptr_t)p, order);                                                           \
            chengi_race_store((uintptr_t)p, order, true);                                                    \
        }                                                                                                    \
        type before = *p;                                                                                    \
        *p = after;                                                                                          \
        if (running)                                                                                         \
            chengi_explore_record(E_UPDATE, (uintptr_t)p, sizeof *p | ATOMIC_EVENT, (uint64_t)*p, HERE, 0);  \
        if (running && *p != before)                                                                         \
            chengi_explore_effect();                                                                         \
        else if (running) /* a spin lock's exchange: it has only looked */                                   \
            chengi_explore_looked(HERE, (uintptr_t)p, (uint64_t)before);                                     \
        return before;                                                                                       \
    }

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
__extension__ typedef unsigned __int128 uint128;
ATOMIC(128, uint128)

HOOK void __tsan_atomic_thread_fence(int order)
{
    if (E.running)
        chengi_race_fence(order);
}

HOOK void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}
