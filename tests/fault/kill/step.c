/* Kills at every distinct state, by single steps.
 *
 * One pass steps through the whole operation and notes the places after which the arena differs from what it was
 * before, those before and after each system call, and those where the victim sleeps inside one; then a run for each
 * place steps up to it, and kills. The processes of a run share one CPU, and with it a fixed order. What counts steps
 * is not the same in each run (the time page is read until it is stable), so steps inside the vdso are not counted; a
 * run that meets another instruction than the pass did at its place has strayed, and is made again. What still strays
 * (mostly where a survivor has woken by itself while the victim was stepped) is a kill all the same, elsewhere. */
#include "run.h"

#include <signal.h>

#if defined(__x86_64__)

#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "arena/layout.h"

enum { STEPS_MAX = 200000, PLACES_MAX = 4096, TRIES = 3, STRAYED = 2, SHORT_KILLS = 12, VDSO_PAGES = 2 };

/* An arena as it was after the last step. */
struct shadow {
    const struct cheng_arena *arena;
    uint8_t *bytes;
};

struct pass {
    struct place places[PLACES_MAX];
    unsigned distinct, steps;
    struct shadow shadows[2];
};

static uintptr_t peek_register(const struct run *run, size_t offset)
{
    return (uintptr_t)ptrace(PTRACE_PEEKUSER, run->victim, (void *)offset, NULL);
}

#define REGISTER(run, name) peek_register((run), offsetof(struct user_regs_struct, name))

static void await_stop(const struct run *run)
{
    int status;
    assert_int_equal(waitpid(run->victim, &status, 0), run->victim);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
        run_victim_failed(status);
}

static void single_step(const struct run *run)
{
    ptrace(PTRACE_SINGLESTEP, run->victim, NULL, NULL);
    await_stop(run);
}

static bool in_vdso(uintptr_t address)
{
    return address - getauxval(AT_SYSINFO_EHDR) < VDSO_PAGES * 4096;
}

/* The victim's text is ours, since it was forked. */
static bool is_system_call(uintptr_t address)
{
    const uint8_t *text = (const uint8_t *)address; // NOLINT(performance-no-int-to-ptr)
    return text[0] == 0x0f && text[1] == 0x05;
}

static bool may_sleep(const struct run *run)
{
    unsigned operation = (unsigned)REGISTER(run, rsi) & FUTEX_CMD_MASK;
    uintptr_t number = REGISTER(run, rax);
    return number == 449 /* futex_waitv */ ||
           (number == SYS_futex && (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET));
}

static bool differs(struct pass *pass)
{
    bool differs = false;
    for (int i = 0; i < 2; i++) {
        struct shadow *shadow = &pass->shadows[i];
        if (shadow->arena == NULL || memcmp(shadow->bytes, shadow->arena->base, shadow->arena->size) == 0)
            continue;
        memcpy(shadow->bytes, shadow->arena->base, shadow->arena->size);
        differs = true;
    }
    return differs;
}

static void note(struct pass *pass, unsigned step, bool asleep, uintptr_t address)
{
    struct place place = { step, asleep, address };
    const struct place *last = pass->distinct > 0 ? &pass->places[pass->distinct - 1] : NULL;
    if (last != NULL && last->step == step && last->asleep == asleep)
        return;
    assert_true(pass->distinct < PLACES_MAX);
    pass->places[pass->distinct++] = place;
}

static bool has_stopped(const struct run *run)
{
    siginfo_t info = { 0 };
    return waitid(P_PID, (id_t)run->victim, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

/* Steps over a call in which it may sleep. True: it sleeps there, and is to die there. */
static bool sleep_in_kernel(struct run *run, struct pass *pass, unsigned step, uintptr_t address)
{
    ptrace(PTRACE_SINGLESTEP, run->victim, NULL, NULL);
    while (!has_stopped(run)) {
        if (!is_asleep(run->victim)) {
            between_looks();
            continue;
        }
        if (pass != NULL)
            note(pass, step, true, address);
        else if (run->target.asleep && run->target.step == step)
            return true;
        if (!run_victim_sleeps(run))
            break;
    }
    await_stop(run);
    return false;
}

/* Steps through the operation: to the target, or, with a pass, to the end. True: it is at its target. */
static bool step(struct run *run, struct pass *pass)
{
    uintptr_t begin = (uintptr_t)run->operation->victim, address;
    while (REGISTER(run, rip) != begin)
        single_step(run);
    uintptr_t stack = REGISTER(run, rsp);
    uintptr_t end = (uintptr_t)ptrace(PTRACE_PEEKDATA, run->victim, (void *)stack, NULL);
    if (pass != NULL)
        note(pass, 0, false, begin);
    for (unsigned step = 0; step < STEPS_MAX;) {
        address = REGISTER(run, rip);
        if (address == end && REGISTER(run, rsp) > stack) {
            if (pass != NULL)
                pass->steps = step;
            return false;
        }
        if (pass == NULL && step >= run->target.step && !run->target.asleep)
            return address == run->target.address;
        bool counted = !in_vdso(address), call = is_system_call(address);
        if (call && pass != NULL)
            note(pass, step, false, address);
        if (!call || !may_sleep(run))
            single_step(run);
        else if (sleep_in_kernel(run, pass, step, address))
            return true;
        step += counted;
        if (pass != NULL && (differs(pass) || call))
            note(pass, step, false, REGISTER(run, rip));
    }
    assert_true(false); /* too many steps */
    return false;
}

/* The pass, in which nobody is killed. Sleepers sleep until they are woken, so that only the victim changes the arena.
 * False: the survivors of this moment find nothing to sleep on, so they are of no use. */
static bool list(struct run *run, struct pass *pass)
{
    run->of = 0;
    run_begin(run, NO_BOUND);
    bool useful = run->moment != BEFORE || run->operation->wake != NULL || run_asleep(run) > 0;
    const struct cheng_arena *arenas[2] = { run->stage->arena, run->stage->other };
    pass->distinct = 0;
    for (int i = 0; i < 2; i++)
        if (arenas[i] != NULL)
            pass->shadows[i] = (struct shadow){ arenas[i], malloc(arenas[i]->size) };
    (void)differs(pass);
    if (useful)
        (void)step(run, pass);
    run_let_go(run);
    run_end(run);
    return useful;
}

/* False: the run strayed, and the victim was killed elsewhere. */
static bool kill_there(struct run *run, struct pass *pass)
{
    run->of = pass->distinct;
    run->target = pass->places[run->index - 1];
    run_begin(run, BOUND);
    bool there = step(run, NULL);
    run_kill(run);
    run_end(run);
    return there;
}

/* Each run is a process of its own, so that none finds anything that another has left, and all take the same steps. */
static bool apart(bool (*function)(struct run *, struct pass *), struct run *run, struct pass *pass)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(function(run, pass) ? 0 : STRAYED);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status == 0)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == STRAYED)
        return false;
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1); /* it has said why; or it was skipped */
}

static void choose_cpu(void)
{
    cpu_set_t usable, one;
    CPU_ZERO(&one);
    assert_int_equal(sched_getaffinity(0, sizeof usable, &usable), 0);
    unsigned which = (unsigned)getpid() % (unsigned)CPU_COUNT(&usable);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &usable) && which-- == 0)
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

void kill_at_every_state(const char *name, const struct operation *operation)
{
    unsigned stepped = 0, distinct = 0, killed = 0, strayed = 0;
    int64_t start = cheng_clock_ns();
    struct run run = { .name = name, .operation = operation, .unit = "step" };
    struct pass *pass = mmap(NULL, sizeof *pass, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pass, MAP_FAILED);
    choose_cpu();
    for (run.moment = AFTER; run.moment < MOMENTS; run.moment++) {
        if (!apart(list, &run, pass))
            continue;
        stepped = pass->steps > stepped ? pass->steps : stepped;
        distinct = pass->distinct > distinct ? pass->distinct : distinct;
        unsigned stride = test_long() ? 1 : 1 + pass->distinct / SHORT_KILLS;
        for (run.index = 1 + run.moment % stride; run.index <= pass->distinct;
             run.index += stride, killed++) {
            bool there = false;
            for (int tries = 0; tries < TRIES && !there; tries++)
                there = apart(kill_there, &run, pass);
            strayed += !there;
        }
    }
    printf("kill: %s: stepped %u, distinct %u, killed %u, strayed %u, %lld ms\n", name, stepped, distinct,
           killed, strayed, (long long)((cheng_clock_ns() - start) / CHENG_MILLISECOND));
}

#else

void kill_at_every_state(const char *name, const struct operation *operation)
{
    (void)name;
    (void)operation;
    test_skip("single steps are written for x86-64 only");
}

#endif
