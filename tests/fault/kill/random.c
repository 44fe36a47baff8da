/* Kills at random instants, while victim and survivors work all at once. CHENG_SEED replays them. */
#include "run.h"

#include "arena/layout.h"

enum { INSTANTS = 100, INSTANTS_LONG = 1000, DELAY_MAX_NS = 300000 };

void kill_at_random_instants(const char *name, const struct operation *operation)
{
    uint64_t random = test_seed();
    unsigned instants = test_long() ? INSTANTS_LONG : INSTANTS;
    struct run run = { .name = name, .operation = operation, .unit = "ns", .of = instants };
    for (run.index = 1; run.index <= instants; run.index++) {
        random += UINT64_C(0x9e3779b97f4a7c15);
        run.target.step = (unsigned)(chengi_mix(random) % DELAY_MAX_NS);
        run_begin(&run, BOUND);
        while (READ(run.stage->rounds) == 0)
            ;
        int64_t until = cheng_clock_ns() + run.target.step;
        while (cheng_clock_ns() < until)
            ;
        run_kill(&run);
        run_end(&run);
    }
    printf("kill: %s: %u killed at random instants\n", name, instants);
}
