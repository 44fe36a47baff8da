/* timer.h: timer.set and timer.cancel, the same for every contender, which defines, before it includes this,
 *
 *     static void make(long i), set(long i, int64_t after_ns), cancel(long i), take_down(long i)
 *
 * A million new timers are set, their times spread over an hour in no order, and then cancelled in another order. None of
 * them ever runs. `after_ns` counts from a look at the clock that is taken once, as a loop over events takes it. */
#include "../bench.h"

#define TIMERS 1000000

static void for_all(void (*act)(long i))
{
    for (long i = 0; i < TIMERS; i++)
        act(i);
}

static void set_all(long n)
{
    for (long i = 0; i < n; i++) { /* a prime stride meets each once */
        long which = i * 15485863 % n;
        set(which, 3600000000000 + which * 7919 % n * 3600000);
    }
}

static void cancel_all(long n)
{
    for (long i = 0; i < n; i++)
        cancel(i * 32452843 % n);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bool setting = bench_is("timer.set");
    bench_check(setting || bench_is("timer.cancel"), "no such row");
    for (int sample = 0; sample <= BENCH_SAMPLES; sample++) {
        for_all(make);
        double set_ns = bench_elapsed(set_all, TIMERS), cancel_ns = bench_elapsed(cancel_all, TIMERS);
        if (sample > 0) /* the first finds the memory */
            bench_print("", (setting ? set_ns : cancel_ns) / TIMERS);
        for_all(take_down);
    }
    return 0;
}
