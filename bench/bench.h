/* bench.h: what the measured programs share; C11 and C++17.
 *
 * bench/run calls each as `program ROW SECONDS`, after it has warmed the CPUs, with the process's CPU
 * affinity set to the one or two cores of the row. The program calibrates itself, takes a few samples of
 * about SECONDS each, and prints a line `ROW VALUE` for each. Anything else (no such row, an error) goes
 * to stderr with exit status 1; 77 says that the row cannot be measured here, and stderr why. */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Two cache lines: what is measured never shares one with anything else, nor with its prefetched twin. */
#define BENCH_LINE __attribute__((aligned(128)))
#define BENCH_SAMPLES 3

static const char *bench_row;
static double bench_seconds;
static cpu_set_t bench_cpus;

__attribute__((noreturn)) static inline void bench_fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", bench_row, what);
    exit(1);
}

static inline void bench_check(bool ok, const char *what)
{
    if (!ok)
        bench_fail(what);
}

static inline int64_t bench_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void bench_begin(int argc, char **argv)
{
    bench_row = argc > 1 ? argv[1] : "(no row)";
    bench_seconds = argc > 2 ? atof(argv[2]) : 0.1;
    bench_check(argc > 1, "usage: program ROW [SECONDS]");
    sched_getaffinity(0, sizeof bench_cpus, &bench_cpus);
}

static inline bool bench_is(const char *row)
{
    return strcmp(bench_row, row) == 0;
}

/* Pins the calling thread to the i-th of the row's CPUs, counted around: with one CPU, always that one. */
static inline void bench_pin(int i)
{
    int skip = i % CPU_COUNT(&bench_cpus);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &bench_cpus) && skip-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
}

static inline void bench_print(const char *suffix, double value)
{
    printf("%s%s %.6g\n", bench_row, suffix, value);
    fflush(stdout);
}

/* The work, `n` times over. */
typedef void bench_fn(long n);

static inline double bench_elapsed(bench_fn *work, long n)
{
    int64_t start = bench_clock();
    work(n);
    return (double)(bench_clock() - start);
}

/* Doubles the count until it fills a fifth of a sample, then scales it to a whole one. */
static inline long bench_calibrate(bench_fn *work)
{
    double want = bench_seconds * 1e9;
    for (long n = 100;; n *= 2) {
        double ns = bench_elapsed(work, n);
        if (ns >= want / 5)
            return (long)((double)n * want / ns) + 1;
    }
}

/* Nanoseconds for each of `each` operations that one unit of work consists of. */
static inline void bench_ns_each(bench_fn *work, int each)
{
    long n = bench_calibrate(work);
    for (int i = 0; i < BENCH_SAMPLES; i++)
        bench_print("", bench_elapsed(work, n) / (double)n / each);
}

static inline void bench_millions_per_second(bench_fn *work)
{
    long n = bench_calibrate(work);
    for (int i = 0; i < BENCH_SAMPLES; i++)
        bench_print("", (double)n * 1e3 / bench_elapsed(work, n));
}

static inline pthread_t bench_thread(void *(*function)(void *), void *arg)
{
    pthread_t thread;
    bench_check(pthread_create(&thread, NULL, function, arg) == 0, "no more threads");
    return thread;
}

/* A field of /proc/self/status, in KiB. */
static inline double bench_status_kib(const char *field)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = atof(line + strlen(field) + 1);
    if (f)
        fclose(f);
    return kib;
}

#endif
