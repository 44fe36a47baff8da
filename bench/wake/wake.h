/* wake.h: wake.1core and wake.2cores, the same for every contender, which defines give(i) and take(i)
 * before it includes this: give lets side i go on, take(i) sleeps until side i may.
 *
 * Two threads hand one token to and fro; a value is the round trip: two sleeps and two wake-ups. */
#include "../bench.h"

static void *partner(void *arg)
{
    bench_pin(1);
    for (long n = *(const long *)arg; n > 0; n--) {
        take(1);
        give(0);
    }
    return NULL;
}

static void round_trips(long n)
{
    pthread_t thread = bench_thread(partner, &n);
    for (long i = 0; i < n; i++) {
        give(1);
        take(0);
    }
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_pin(0);
    bench_ns_each(round_trips, 1);
    return 0;
}
