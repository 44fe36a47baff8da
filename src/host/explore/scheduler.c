/* Threads as coroutines, scheduling points, and one schedule from its beginning to its end. */
#include "host/explore/engine.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/mix.h"
#include "host/switch.h"

#define E chengi_engine
struct engine chengi_engine;

enum { GUARD_SIZE = 1 << 16, SPIN_LOOKS = 2, SPIN_LOOKS_PATIENT = 64, STALLS_MOST = 2000, SLICES = 16 };

/* ---- the thread pointer ----
 *
 * Each thread has the thread-local storage of a kernel thread that does nothing else. */

static void set_tls(uintptr_t tls)
{
#if defined(__x86_64__)
    __asm__ __volatile__("wrfsbase %0" : : "r"(tls) : "memory");
#else
    __asm__ __volatile__("msr tpidr_el0, %0" : : "r"(tls) : "memory");
#endif
}

static void *lend_tls(void *argument)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    __atomic_store_n((uintptr_t *)argument, chengi_explore_tls(), __ATOMIC_RELEASE);
    for (;;)
        pause();
    return NULL;
}

/* Thread-locals and a stack for each thread that there can be. */
static int prepare_threads(void)
{
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    for (unsigned i = 0; rc == 0 && i < THREADS; i++) {
        pthread_t lender;
        struct thread *thread = &E.threads[i];
        thread->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (thread->stack == MAP_FAILED || mprotect(thread->stack, GUARD_SIZE, PROT_NONE) < 0)
            return -ENOMEM;
        rc = pthread_create(&lender, &attributes, lend_tls, &thread->tls);
    }
    pthread_attr_destroy(&attributes);
    for (unsigned i = 0; rc == 0 && i < THREADS; i++)
        while (__atomic_load_n(&E.threads[i].tls, __ATOMIC_ACQUIRE) == 0)
            sched_yield();
    return -rc;
}

/* ---- threads ---- */

static void switch_to(struct thread *to)
{
    struct thread *from = E.current;
    E.current = to;
    set_tls(to->tls);
    chengi_switch(&from->context, to->context, NULL);
}

static void schedule(bool forced);

static void thread_main(void *argument, void *unused)
{
    struct thread *self = argument;
    (void)unused;
    self->entry(self->argument);
    if (self->value != NULL && E.at_end != NULL)
        E.at_end(self->value);
    chengi_explore_record(E_END, 0, 0, 0, 0, 0);
    chengi_explore_effect();
    self->state = ENDED;
    E.ready &= ~BIT(self->id);
    schedule(true);
}

static int new_thread(void *(*entry)(void *), void *argument, struct thread **out)
{
    struct thread *thread = &E.threads[E.thread_count];
    if (E.thread_count == THREADS)
        return -EAGAIN;
    uintptr_t tls = thread->tls;
    char *stack = thread->stack;
    memset(thread, 0, sizeof *thread);
    thread->tls = tls;
    thread->stack = stack;
    thread->id = (uint8_t)E.thread_count++;
    thread->state = READY;
    thread->entry = entry;
    thread->argument = argument;
    thread->clock.at[thread->id] = 1;
    thread->context = chengi_switch_prepare(stack + STACK_SIZE, thread_main, thread);
    thread->fiber = thread->id;
    thread->yielded = UINT64_MAX;
    E.fibers[thread->id] = (struct fiber){ .name = thread->id };
    snprintf(E.names[thread->id], NAME_SIZE, thread->id == 0 ? "MainThread" : "thread-%u", thread->id);
    E.ready |= BIT(thread->id);
    *out = thread;
    return 0;
}

int chengi_host_start(void *(*entry)(void *arg), void *arg, size_t stack_size)
{
    struct thread *thread;
    (void)stack_size;
    if (!E.running)
        return -ENOTSUP;
    int rc = new_thread(entry, arg, &thread);
    if (rc < 0) {
        if (rc == -EAGAIN)
            chengi_explore_fail(CHENG_EXPLORE_ERROR, 0, 0, "more than %d threads", THREADS);
        return rc;
    }
    chengi_world_thread(thread->tls);
    chengi_race_start(E.current, thread);
    chengi_strategy_enable(thread->id);
    chengi_explore_effect();
    chengi_explore_record(E_START, 0, 0, 0, 0, thread->id);
    return 0;
}

/* ---- the end of a schedule ---- */

_Noreturn void chengi_explore_finish(void)
{
    void *unused;
    E.running = false;
    chengi_strategy_end();
    set_tls(E.controller_tls);
    chengi_switch(&unused, E.controller, NULL);
    __builtin_unreachable();
}

_Noreturn void chengi_explore_fail(enum cheng_finding kind, uintptr_t pc, uintptr_t address,
                                   const char *format, ...)
{
    va_list arguments;
    E.running = false;
    va_start(arguments, format);
    vsnprintf(E.finding.what, sizeof E.finding.what, format, arguments);
    va_end(arguments);
    E.finding.kind = kind;
    E.finding.pc = pc;
    E.finding.address = address;
    chengi_explore_record(E_FOUND, address, 0, 0, pc, 0);
    chengi_explore_finish();
}

/* ---- choices ---- */

static uint64_t next_random(uint64_t *state)
{
    return chengi_mix(*state += 0x9E3779B97F4A7C15u); /* splitmix64 */
}

uint64_t chengi_explore_random(void)
{
    return next_random(&E.random);
}

uint64_t chengi_explore_program_random(void)
{
    return next_random(&E.program_random);
}

static void note(const struct thread *thread, char kind, uint32_t step, unsigned value)
{
    if (E.taken.count < DEPARTURES)
        E.taken.list[E.taken.count++] = (struct departure){ step, thread->id, kind, (uint8_t)value };
}

/* What the replayed script says of this point; `otherwise` if nothing. */
static unsigned scripted(const struct thread *thread, char kind, uint32_t step, unsigned otherwise)
{
    for (unsigned i = 0; i < E.script.count; i++) {
        const struct departure *d = &E.script.list[i];
        if (d->step == step && d->thread == thread->id && d->kind == kind)
            return d->value;
    }
    return otherwise;
}

unsigned chengi_explore_choose(unsigned n, unsigned percent)
{
    struct thread *self = E.current;
    unsigned value = 0;
    if (n < 2)
        return 0;
    self->choices++;
    if (E.strategy == NULL)
        value = scripted(self, '=', self->choices, 0);
    else if (E.strategy->choose != NULL)
        value = E.strategy->choose(n);
    else if (chengi_explore_random() % 100 < percent)
        value = (unsigned)(chengi_explore_random() % n);
    if (value >= n)
        value = 0;
    if (value != 0) {
        note(self, '=', self->choices, value);
        chengi_explore_record(E_CHOICE, 0, 0, value, 0, 0);
    }
    return value;
}

/* Nobody can go on: time passes, or spinning threads look again, or it is the end. */
static uint32_t nobody_is_ready(unsigned *fallback)
{
    if (E.timed != 0) {
        int64_t first = INT64_MAX;
        for (uint32_t m = E.timed; m != 0; m &= m - 1) {
            unsigned id = (unsigned)__builtin_ctz(m);
            if (E.threads[id].deadline_ns < first) {
                first = E.threads[id].deadline_ns;
                *fallback = id;
            }
        }
        return E.timed;
    }
    if (E.idle & E.ready) { /* perhaps they look at the clock */
        if (++E.stalls > STALLS_MOST)
            chengi_explore_fail(CHENG_FOUND_LIVELOCK, 0, 0,
                                "all who could go on spin, and nobody can change what they look at");
        E.now_ns += 1000000;
        E.idle = 0;
        *fallback = (unsigned)__builtin_ctz(E.ready);
        return E.ready;
    }
    chengi_explore_fail(CHENG_FOUND_DEADLOCK, 0, 0,
                        "nobody can go on: all sleep, and nobody is left to wake them");
}

static void end_wait(struct thread *thread, bool timed_out)
{
    thread->state = READY;
    thread->timed_out = timed_out;
    E.ready |= BIT(thread->id);
    E.timed &= ~BIT(thread->id);
}

static void schedule(bool forced)
{
    struct thread *self = E.current;
    unsigned fallback = self->id;
    /* Whoever goes on for so long while others could may wait for them in a way that does not look like it. */
    E.slice = forced ? 0 : E.slice + 1;
    if (E.slice > E.options.steps / SLICES && ((E.ready & ~E.idle & ~BIT(self->id)) | E.timed) != 0) {
        E.slice = 0;
        E.idle |= BIT(self->id);
    }
    uint32_t ready = E.ready & ~E.idle, others = ready & ~BIT(self->id), enabled;
    if (++E.steps > E.options.steps)
        chengi_explore_fail(CHENG_FOUND_LIVELOCK, 0, 0, "more than %u steps: does it ever end?",
                            E.options.steps);
    self->step++;
    if (ready == 0) {
        enabled = nobody_is_ready(&fallback);
        forced = true;
    } else {
        enabled = ready;
        forced = forced || !(ready & BIT(self->id));
        uint32_t higher = others & ~(BIT(self->id) - 1);
        if (forced && others != 0)
            fallback = (unsigned)__builtin_ctz(higher != 0 ? higher : others);
    }
    unsigned to;
    if (E.strategy == NULL) {
        to = scripted(self, '>', self->step, fallback);
        if (to >= E.thread_count || !((enabled | E.timed) & BIT(to)))
            to = fallback;
    } else {
        to = E.strategy->pick(enabled, fallback, forced);
    }
    if (to != fallback)
        note(self, '>', self->step, to);
    struct thread *next = &E.threads[to];
    if (next->state == WAITING) {
        if (E.now_ns < next->deadline_ns)
            E.now_ns = next->deadline_ns;
        E.early += ready != 0 || to != fallback;
        end_wait(next, true);
    }
    if (next != self) {
        E.slice = 0;
        if (!forced)
            chengi_explore_record(E_SWITCH, 0, 0, 0, 0, to);
        switch_to(next);
    }
}

void chengi_explore_point(uintptr_t address, bool write, uintptr_t pc)
{
    struct thread *self = E.current;
    if (!E.options.inside && chengi_explore_in_library(pc)) {
        chengi_strategy_touch(address, write);
        return;
    }
    /* alone there is nothing to choose */
    if (E.strategy == NULL || ((E.ready & ~E.idle) | E.timed) != BIT(self->id)) {
        schedule(false);
    } else {
        self->step++;
        if (++E.steps > E.options.steps)
            schedule(false);
    }
    chengi_strategy_touch(address, write);
}

void chengi_explore_call(uintptr_t caller, uintptr_t callee)
{
    chengi_explore_point(0, false, caller);
    chengi_explore_fiber(E.current)->place = (struct place){ caller, callee };
    chengi_explore_record(E_CALL, 0, 0, 0, caller, 0);
}

void chengi_explore_looked(uintptr_t pc, uintptr_t address, uint64_t value)
{
    struct thread *self = E.current;
    struct spin *spin = NULL;
    for (unsigned i = 0; i < 4 && spin == NULL; i++)
        if (self->spins[i].pc == pc && self->spins[i].address == address)
            spin = &self->spins[i];
    if (spin == NULL) {
        self->spins[self->next_spin++ & 3] = (struct spin){ pc, address, value, E.effects, 0 };
        for (unsigned i = 0; i < 4;
             i++) /* who looks at something new goes through a table: it does not wait */
            self->spins[i].rounds = 0;
        return;
    }
    if (spin->value != value || spin->effects != E.effects) {
        spin->value = value;
        spin->effects = E.effects;
        spin->rounds = 0;
    } else if (++spin->rounds >= (E.patient ? SPIN_LOOKS_PATIENT : SPIN_LOOKS)) {
        spin->rounds = 0;
        E.idle |= BIT(self->id);
        schedule(true);
    }
}

/* ---- waiting ---- */

static bool waits_on(const struct thread *thread, const uint32_t *word)
{
    for (unsigned i = 0; i < thread->word_count; i++)
        if (thread->words[i].word == word)
            return true;
    return false;
}

int chengi_host_wait_many(const struct host_word *words, unsigned n, int64_t deadline_ns)
{
    struct thread *self = E.current;
    if (!E.running) {
        chengi_host_say("cheng-explore: outside of cheng_explore nothing can wait\n");
        abort();
    }
    for (unsigned i = 0; i < n; i++)
        chengi_strategy_touch((uintptr_t)words[i].word, true);
    for (unsigned i = 0; i < n; i++)
        if (__atomic_load_n(words[i].word, __ATOMIC_RELAXED) != words[i].value)
            return 0;
    if (deadline_ns != 0 && deadline_ns <= E.now_ns)
        return -ETIMEDOUT;
    if (E.spurious_left > 0 && chengi_explore_choose(2, 10)) {
        E.spurious_left--;
        return 0;
    }
    chengi_explore_record(E_WAIT, (uintptr_t)words[0].word, 4, words[0].value, 0, 0);
    self->words = words;
    self->word_count = n;
    self->deadline_ns = deadline_ns;
    self->since = E.waits++;
    self->state = WAITING;
    self->timed_out = false;
    self->early = false;
    E.ready &= ~BIT(self->id);
    if (deadline_ns != 0) {
        E.timed |= BIT(self->id);
        self->early = E.strategy != NULL && chengi_explore_random() % 4 == 0;
    }
    schedule(true);
    for (unsigned i = 0; i < n; i++)
        chengi_strategy_touch((uintptr_t)words[i].word, true);
    if (self->timed_out)
        chengi_explore_record(E_TIME_OUT, 0, 0, 0, 0, 0);
    return self->timed_out ? -ETIMEDOUT : 0;
}

int chengi_host_wait(uint32_t *word, uint32_t value, int64_t deadline_ns, bool shared)
{
    const struct host_word one = { word, value, shared };
    return chengi_host_wait_many(&one, 1, deadline_ns);
}

void chengi_host_wake(uint32_t *word, unsigned n, bool shared)
{
    (void)shared;
    if (!E.running)
        return;
    chengi_strategy_touch((uintptr_t)word, true);
    while (n-- > 0) {
        struct thread *waiters[THREADS];
        unsigned count = 0;
        for (unsigned i = 0; i < E.thread_count; i++)
            if (E.threads[i].state == WAITING && waits_on(&E.threads[i], word)) {
                unsigned at = count++; /* the first come first */
                for (; at > 0 && waiters[at - 1]->since > E.threads[i].since; at--)
                    waiters[at] = waiters[at - 1];
                waiters[at] = &E.threads[i];
            }
        if (count == 0)
            return;
        struct thread *chosen = waiters[count <= n + 1 ? 0 : chengi_explore_choose(count, 50)];
        chengi_explore_record(E_WAKE, (uintptr_t)word, 4, 0, 0, chosen->id);
        if (chosen->deadline_ns != 0)
            chengi_strategy_forestall(chosen->id);
        end_wait(chosen, false);
        chengi_strategy_enable(chosen->id);
        chengi_explore_effect();
    }
}

/* It may come back at once; but if nothing has been written since the last time, then it would do so for ever. */
void chengi_host_yield(void)
{
    struct thread *self = E.current;
    if (!E.running)
        return;
    if (self->yielded == E.effects)
        E.idle |= BIT(self->id);
    self->yielded = E.effects;
    schedule(true);
}

/* ---- one schedule ---- */

static cheng_explore_fn *test;

static void *test_main(void *argument)
{
    test(argument);
    chengi_explore_finish();
}

void chengi_explore_run(cheng_explore_fn *function, void *argument)
{
    struct thread *main_thread;
    test = function;
    E.thread_count = 0;
    E.ready = E.timed = E.idle = 0;
    E.effects = 0;
    E.stalls = 0;
    E.early = 0;
    E.steps = 0;
    E.slice = 0;
    E.waits = 0;
    E.now_ns = 1000000000;
    E.spurious_left = E.options.spurious;
    E.failures_left = E.options.failures;
    E.program_random = E.options.seed;
    E.taken.count = 0;
    E.trace_count = 0;
    E.fiber_count = E.name_count = THREADS;
    E.pruned = false;
    E.finding = (struct finding){ .kind = CHENG_FOUND_NOTHING };
    chengi_race_begin();
    if (new_thread(test_main, argument, &main_thread) < 0) {
        E.finding.kind = CHENG_EXPLORE_ERROR;
        snprintf(E.finding.what, sizeof E.finding.what, "no memory for a thread");
        return;
    }
    E.current = main_thread;
    E.running = true;
    chengi_world_main(main_thread->tls);
    set_tls(main_thread->tls);
    chengi_switch(&E.controller, main_thread->context, NULL);
    E.running = false;
    if (E.steps > E.longest)
        E.longest = E.steps;
    chengi_world_restore();
}

/* ---- faults ---- */

static uintptr_t fault_pc(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    return (uintptr_t)context->uc_mcontext.pc;
#endif
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    uintptr_t pc = fault_pc(context) + 1; /* as if it had been called */
    if (!E.running) {
        struct sigaction standard = { .sa_handler = SIG_DFL };
        sigaction(signal, &standard, NULL);
        return; /* the instruction is tried again */
    }
    if (signal == SIGABRT)
        chengi_explore_fail(CHENG_FOUND_FAILURE, 0, 0, "aborted");
    chengi_explore_fail(CHENG_FOUND_CRASH, chengi_explore_in_engine(pc) ? E.looks_at : pc,
                        (uintptr_t)info->si_addr, "%s at address %p", strsignal(signal), info->si_addr);
}

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

int chengi_explore_prepare(void)
{
    static char fault_stack[64 << 10];
    static bool prepared;
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    stack_t stack = { .ss_sp = fault_stack, .ss_size = sizeof fault_stack };
    if (prepared)
        return 0;
    prepared = true;
    E.controller_tls = chengi_explore_tls();
    E.trace = mmap(NULL, (size_t)STEPS_MOST * 8 * sizeof *E.trace, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (E.trace == MAP_FAILED || sigaltstack(&stack, NULL) < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
        if (sigaction(faults[i], &action, NULL) < 0)
            return -errno;
    return prepare_threads();
}

/* ---- the trace ---- */

void chengi_explore_task(unsigned fiber, const char *name)
{
    struct fiber *f = &E.fibers[fiber];
    if (name == NULL) {
        f->name = E.current->id;
    } else if (E.name_count < NAMES) {
        f->name = (uint16_t)E.name_count++;
        snprintf(E.names[f->name], NAME_SIZE, "%s", name);
        chengi_explore_record(E_BEGIN, 0, 0, 0, 0, E.current->id);
    }
    f->place = (struct place){ 0, 0 };
}

/* A plain write is told of before it happens. */
static void complete_write(struct event *event)
{
    if (event->kind == E_WRITE && !(event->size & ATOMIC_EVENT))
        __builtin_memcpy(&event->value, (const void *)event->address, event->size < 8 ? event->size : 8);
}

void chengi_explore_record(enum event_kind kind, uintptr_t address, unsigned size, uint64_t value,
                           uintptr_t pc, unsigned other)
{
    if (likely(!E.tracing) || E.trace_count == STEPS_MOST * 8)
        return;
    const struct fiber *self = chengi_explore_fiber(E.current);
    bool plain = kind == E_WRITE && !(size & ATOMIC_EVENT);
    if (E.trace_count > 0)
        complete_write(&E.trace[E.trace_count - 1]);
    E.trace[E.trace_count++] = (struct event){
        .kind = (uint8_t)kind,
        .size = (uint8_t)size,
        .who = self->name,
        .other = kind == E_BEGIN ? (uint16_t)other : E.fibers[E.threads[other].fiber].name,
        .address = address,
        .pc = pc != 0 ? pc : self->place.caller,
        .callee = self->place.callee,
        .value = plain ? 0 : value,
        .before = plain ? value : 0,
    };
}
