/* lock.h: the loops of the rows of locks, the same for every contender, which defines lock() and unlock()
 * before it includes this.
 *
 * *.uncontended: one thread takes, counts and releases, in a process that has a second, sleeping
 * thread (glibc and others take shortcuts while there is only one).
 * lock.contended.N: N threads, pinned alternately to the two cores, do the same at the same time. One
 * sample is a window of 250 ms: the rate of all, and as `.share` the least thread's part of its fair one. */
#include "../bench.h"

#define WINDOW_NS 250000000

static BENCH_LINE volatile long counter; /* what the lock protects; in a line of its own */

static void uncontended(long n)
{
    for (long i = 0; i < n; i++) {
        lock();
        counter = counter + 1;
        unlock();
    }
}

static void *sleeper(void *arg)
{
    for (;;)
        pause();
    return arg;
}

struct BENCH_LINE seat {
    long done;
    int core;
    pthread_t thread;
};

static struct seat seats[64];
static bool stop;

static void *contender(void *arg)
{
    struct seat *seat = (struct seat *)arg;
    bench_pin(seat->core);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        uncontended(1);
        __atomic_store_n(&seat->done, seat->done + 1, __ATOMIC_RELAXED); /* read once a window */
    }
    return NULL;
}

static void contended(int threads)
{
    long before[64] = { 0 }, now[64] = { 0 };
    for (int i = 0; i < threads; i++) {
        seats[i].core = i;
        seats[i].thread = bench_thread(contender, &seats[i]);
    }
    usleep(50000); /* until all run */
    int windows = 1 + (int)(bench_seconds * 1e9 / WINDOW_NS);
    int64_t start = 0;
    for (int w = 0; w < windows; w++) {
        int64_t end = bench_clock();
        long total = 0, least = -1;
        for (int i = 0; i < threads; i++) {
            now[i] = __atomic_load_n(&seats[i].done, __ATOMIC_RELAXED);
            long did = now[i] - before[i];
            total += did;
            least = least < 0 || did < least ? did : least;
        }
        if (w > 0) {
            bench_print("", (double)total * 1e3 / (double)(end - start));
            bench_print(".share", (double)least * threads / (double)total);
        }
        start = end;
        memcpy(before, now, sizeof before);
        usleep(WINDOW_NS / 1000);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < threads; i++)
        pthread_join(seats[i].thread, NULL);
}

int main(int argc, char **argv)
{
    int threads;
    bench_begin(argc, argv);
    const char *last = strrchr(bench_row, '.');
    if (last != NULL && strcmp(last, ".uncontended") == 0) {
        bench_thread(sleeper, NULL);
        bench_ns_each(uncontended, 1);
    } else if (sscanf(bench_row, "lock.contended.%d", &threads) == 1 && threads > 0 && threads <= 64) {
        contended(threads);
    } else {
        bench_fail("no such row");
    }
    return 0;
}
