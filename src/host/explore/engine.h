/* The explorer: the second host. All threads run as coroutines on one kernel thread, and a strategy decides at each
 * scheduling point who goes on. The compiler's instrumentation (-fsanitize=thread) calls hooks.c at every access to
 * memory; the library calls host.c wherever it waits, wakes or asks for the time; both end here.
 *
 *   hooks.c      the __tsan_… callbacks
 *   host.c       host/host.h over the scheduler
 *   libc.c       what programs call of libc that must be told or must not block: memory, time, exit, random
 *   scheduler.c  threads, scheduling points, choices; one schedule from its beginning to its end
 *   race.c       clocks: what happened before what
 *   memory.c     the world: heap, pages and globals, put back as they were after each schedule
 *   strategy.c   who goes on: random, PCT, bounded, all orders
 *   explore.c    cheng_explore: schedule after schedule; then the finding is shortened
 *   report.c     what is printed of it
 *
 * A schedule is described by where it departs from the default, which lets whoever runs go on for as long as it can
 * and then takes the next by number. These departures are the replay string. So everything else must be the same in
 * each run: addresses, time, random numbers, memory. */
#ifndef CHENG_HOST_EXPLORE_ENGINE_H
#define CHENG_HOST_EXPLORE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cheng/explore.h>

#include "base/compiler.h"
#include "host/host.h"

enum {
    THREADS = 32, /* a mask has a bit for each */
    DEPARTURES = 4096,
    STEPS_MOST = 1 << 15,
    STACK_SIZE = 1 << 20,
    FIBERS = 1024,
    NAMES = 4096,
    NAME_SIZE = 32
};

#define BIT(n) (UINT32_C(1) << (n))

struct clock {
    uint32_t at[THREADS];
};

enum state { UNUSED, READY, WAITING, ENDED };

/* Where a thread is in a program, for reports: the line that called the library, and what it called. */
struct place {
    uintptr_t caller, callee;
};

/* A stack that tasks run on, one after the other: a thread's own, or a coroutine's. For reports. */
struct fiber {
    uint16_t name; /* in `names`, where each task has its own */
    struct place place;
};

struct spin {
    uintptr_t pc, address;
    uint64_t value, effects;
    uint32_t rounds;
};

struct thread {
    void *context;
    uintptr_t tls;
    char *stack;
    uint8_t id, state;
    bool timed_out;   /* how its wait has ended */
    bool early;       /* its deadline may pass while others can go on: random strategies */
    uint32_t step;    /* its scheduling points so far */
    uint32_t choices; /* its other choices so far */

    /* while it waits */
    const struct host_word *words;
    unsigned word_count;
    int64_t deadline_ns;
    uint64_t since;

    struct spin spins[4];
    unsigned next_spin;
    uint64_t yielded; /* effects at its last yield */

    struct clock clock;    /* what happened before its present */
    struct clock acquired; /* by relaxed loads: before what follows its next acquire fence */
    struct clock released; /* at its last release fence */
    bool has_acquired, has_released;

    int64_t priority; /* PCT */
    uint16_t fiber;
    void *(*entry)(void *argument);
    void *argument, *value; /* value: the host's thread value */
};

/* Where a schedule departs from the default: at a scheduling point ('>': who goes on), or in another choice ('='). */
struct departure {
    uint32_t step; /* the thread's own count of points, or of choices */
    uint8_t thread;
    char kind;
    uint8_t value;
};

struct script {
    unsigned count;
    struct departure list[DEPARTURES];
};

/* One line of a trace. */
enum event_kind {
    E_READ,
    E_WRITE,
    E_UPDATE,
    E_CALL,
    E_WAIT,
    E_WAKE,
    E_TIME_OUT,
    E_START,
    E_END,
    E_SWITCH,
    E_BEGIN,
    E_FREE,
    E_CHOICE,
    E_FOUND
};
enum { ATOMIC_EVENT = 0x80 };
struct event {
    uint8_t kind, size; /* size: with ATOMIC_EVENT */
    bool printed;
    uint16_t who, other; /* names */
    uintptr_t address, pc, callee;
    uint64_t value, before; /* before: of a plain write */
};

struct finding {
    enum cheng_finding kind;
    uintptr_t pc, other_pc, address; /* other_pc: of a race's first access */
    char what[1024];
};

struct strategy {
    /* Before a schedule; false: no schedule is left. */
    bool (*begin)(void);
    /* Who goes on: one of `enabled`. `fallback` would by default; `forced`: the present thread cannot. */
    unsigned (*pick)(uint32_t enabled, unsigned fallback, bool forced);
    /* One of n, 0 by default. */
    unsigned (*choose)(unsigned n);
    /* Whether it has seen all that there is, when begin has returned false. */
    bool (*complete)(void);
};

struct engine {
    bool running;
    bool seen;   /* something of the program that is compiled with the hooks has run */
    bool pruned; /* the schedule was ended: its like has been seen */
    struct thread *current;
    unsigned thread_count;
    uint32_t ready, timed, idle; /* masks: can go on; waits with a deadline; spins until somebody writes */
    uint64_t effects;            /* writes so far */
    unsigned stalls;
    unsigned early; /* deadlines that have passed while others could go on, or before earlier ones */
    uint32_t steps;
    uint32_t slice; /* steps since somebody else went on */
    uint64_t events, waits;
    int64_t now_ns;
    uint64_t random;         /* the strategy's */
    uint64_t program_random; /* what the program draws: the same in all schedules */
    unsigned spurious_left, failures_left;
    bool reuse;       /* freed memory is given out again */
    bool patient;     /* who looks at the same again and again does so for longer */
    bool forgotten;   /* an access that might race was, for lack of room */
    void *controller; /* its context */
    uintptr_t controller_tls;
    void (*at_end)(void *value);

    cheng_explore_options options;
    const struct strategy *strategy; /* NULL: replay */
    struct script script;            /* replayed; each thread's cursors are computed by looking */
    struct script taken;             /* departures of the present schedule */
    struct finding finding;
    uint32_t longest; /* steps of the longest schedule so far */

    bool tracing;
    uintptr_t looks_at; /* the access whose value is being looked up for the trace: it may be none */
    struct event *trace;
    unsigned trace_count;
    struct fiber fibers[FIBERS]; /* those of the threads come first, and so do their names */
    char names[NAMES][NAME_SIZE];
    unsigned fiber_count, name_count;

    struct thread threads[THREADS];
};
extern struct engine chengi_engine;

/* The thread pointer. */
static inline uintptr_t chengi_explore_tls(void)
{
    uintptr_t tls;
#if defined(__x86_64__)
    __asm__ __volatile__("mov %%fs:0, %0" : "=r"(tls));
#else
    __asm__ __volatile__("mrs %0, tpidr_el0" : "=r"(tls));
#endif
    return tls;
}

/* Not memcpy, which tells what it touches. */
static inline void chengi_copy(void *to, const void *from, size_t size)
{
#if defined(__x86_64__)
    __asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
    for (size_t i = 0; i < size; i++)
        ((volatile char *)to)[i] = ((const volatile char *)from)[i];
#endif
}

/* ---- scheduler.c ---- */

/* A negative errno. */
int chengi_explore_prepare(void);
void chengi_explore_run(cheng_explore_fn *function, void *argument);

/* A scheduling point before an access to `address` (0: none); not inside the library, unless it is what is tested. */
void chengi_explore_point(uintptr_t address, bool write, uintptr_t pc);
/* A library call begins. */
void chengi_explore_call(uintptr_t caller, uintptr_t callee);
/* The caller has read the same value at the same place again. */
void chengi_explore_looked(uintptr_t pc, uintptr_t address, uint64_t value);
unsigned chengi_explore_choose(unsigned n, unsigned percent);
_Noreturn void chengi_explore_fail(enum cheng_finding kind, uintptr_t pc, uintptr_t address,
                                   const char *format, ...) __attribute__((format(printf, 4, 5)));
_Noreturn void chengi_explore_finish(void);
/* The task that runs now on this fiber, by a name of its own; NULL: none, the thread itself. */
void chengi_explore_task(unsigned fiber, const char *name);
uint64_t chengi_explore_random(void);
uint64_t chengi_explore_program_random(void);
void chengi_explore_record(enum event_kind kind, uintptr_t address, unsigned size, uint64_t value,
                           uintptr_t pc, unsigned other);

/* A write, as far as spinning threads are concerned. */
static inline void chengi_explore_effect(void)
{
    chengi_engine.effects++;
    chengi_engine.idle = 0;
    chengi_engine.stalls = 0;
}

static inline struct fiber *chengi_explore_fiber(const struct thread *thread)
{
    return &chengi_engine.fibers[thread->fiber];
}

static inline const char *chengi_explore_name(const struct thread *thread)
{
    return chengi_engine.names[chengi_explore_fiber(thread)->name];
}

/* The text of the library and of this host are sections of their own. */
extern char __start_cheng_text[] __attribute__((weak)), __stop_cheng_text[] __attribute__((weak));
extern char __start_cheng_explore_text[] __attribute__((weak)),
    __stop_cheng_explore_text[] __attribute__((weak));

static inline bool chengi_explore_in_library(uintptr_t pc)
{
    return pc - (uintptr_t)__start_cheng_text < (uintptr_t)(__stop_cheng_text - __start_cheng_text);
}

static inline bool chengi_explore_in_engine(uintptr_t pc)
{
    return pc - (uintptr_t)__start_cheng_explore_text <
           (uintptr_t)(__stop_cheng_explore_text - __start_cheng_explore_text);
}

/* ---- race.c ---- */

void chengi_race_begin(void);
void chengi_race_access(uintptr_t address, size_t size, bool write, bool atomic, uintptr_t pc);
void chengi_race_free(uintptr_t address, size_t size, uintptr_t pc);
void chengi_race_forget(uintptr_t address, size_t size); /* new memory */
void chengi_race_start(struct thread *parent, struct thread *child);
/* The effects of an atomic operation on what happened before what. `update`: it reads and writes in one. */
void chengi_race_load(uintptr_t address, int order);
void chengi_race_store(uintptr_t address, int order, bool update);
void chengi_race_fence(int order);

/* ---- memory.c ---- */

int chengi_world_prepare(void);
void chengi_world_begin(void); /* before the first schedule: this is what all begin with */
void chengi_world_restore(void);
void chengi_world_main(uintptr_t tls);   /* gives the test's main thread the thread-locals of the caller's */
void chengi_world_thread(uintptr_t tls); /* and a new thread fresh ones */
void chengi_world_dirty(uintptr_t address, size_t size);                           /* before each write */
void chengi_world_check(uintptr_t address, size_t size, bool write, uintptr_t pc); /* is it alive? */
bool chengi_world_is_heap(const void *block);
void *chengi_world_allocate(size_t size, size_t align);
void chengi_world_free(void *block, uintptr_t pc);
size_t chengi_world_block_size(const void *block);
uintptr_t chengi_world_load_address(void); /* of the program */
uintptr_t chengi_world_image(void);        /* its lowest */
/* And not of a shared library; false before chengi_world_prepare. */
bool chengi_world_is_program(uintptr_t pc);

/* ---- strategy.c ---- */

extern const struct strategy chengi_strategy_random, chengi_strategy_pct, chengi_strategy_bounded,
    chengi_strategy_all;
void chengi_strategy_reset(void);
/* For the strategy of all orders: what the present step touches, and whom it starts or wakes. */
void chengi_strategy_touch(uintptr_t address, bool write);
void chengi_strategy_enable(unsigned thread);
void chengi_strategy_forestall(unsigned thread);
void chengi_strategy_end(void);

/* ---- report.c ---- */

void chengi_report(const struct script *script, const cheng_explore_result *result);
void chengi_report_script(const struct script *script, char *text, size_t size);

#endif
