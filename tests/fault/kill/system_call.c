/* Kills at every system call: when it is entered, inside those in which the victim sleeps, and when it returns. Unlike
 * those of step.c, the processes run on all CPUs. */
#include "run.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum {
    STOPS_MAX = 2000,
    LOOKS = 10
}; /* that many before the first look at whether it sleeps, which costs more */

/* In which stops of the pass, in which nobody is killed, it fell asleep. */
static bool sleeps[STOPS_MAX];

/* Lets the victim run to its next stop. True: it sleeps on the way, and is to die there. */
static bool go_on(struct run *run, unsigned stop, bool *ended)
{
    int status;
    ptrace(PTRACE_SYSCALL, run->victim, NULL, NULL);
    for (unsigned looks = 0; waitpid(run->victim, &status, WNOHANG) == 0; looks++) {
        between_looks();
        if (looks < LOOKS || !is_asleep(run->victim))
            continue;
        if (run->of == 0)
            sleeps[stop] = true;
        else if (run->target.asleep && run->target.step == stop)
            return true;
        looks = 0;
        if (!run_victim_sleeps(run)) {
            waitpid(run->victim, &status, 0);
            break;
        }
    }
    *ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!*ended && (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80)))
        run_victim_failed(status);
    return false;
}

/* To the target, or to the end. Returns the stops that were made; `*there`: it is at its target. */
static unsigned run_to_stop(struct run *run, bool *there)
{
    bool ended = false;
    for (unsigned stop = 0; stop < STOPS_MAX; stop++) {
        *there = run->of != 0 && stop == run->target.step && !run->target.asleep;
        if (*there)
            return stop;
        *there = go_on(run, stop, &ended);
        if (*there || ended)
            return stop;
    }
    assert_true(false); /* too many stops */
    return 0;
}

static unsigned one_run(struct run *run, bool *killed)
{
    run_begin(run, BOUND);
    unsigned stops = run_to_stop(run, killed);
    if (*killed)
        run_kill(run);
    run_end(run);
    return stops;
}

void kill_at_every_system_call(const char *name, const struct operation *operation)
{
    unsigned killed = 0, most = 0;
    bool there;
    struct run run = { .name = name, .operation = operation, .unit = "stop" };
    for (run.moment = AFTER; run.moment < MOMENTS; run.moment++) {
        run.of = 0;
        memset(sleeps, 0, sizeof sleeps);
        unsigned stops = one_run(&run, &there);
        most = stops > most ? stops : most;
        run.of = stops;
        for (run.index = 1; run.index <= stops; run.index++)
            for (int asleep = 0; asleep <= sleeps[run.index]; asleep++) {
                run.target = (struct place){ .step = run.index, .asleep = asleep != 0 };
                (void)one_run(&run, &there);
                killed += there;
            }
    }
    printf("kill: %s: stops at system calls %u, killed %u\n", name, most, killed);
}
