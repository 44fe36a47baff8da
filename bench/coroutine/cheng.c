/* Cheng's coroutines. The rows `.mn` and coroutine.sleepers run on the default runtime, with a worker for
 * each CPU; all others under cheng_run, on the calling thread. */
#include "../bench.h"
#include <cheng.h>
#include <errno.h>
#include <sys/mman.h>

static void check(int rc)
{
    if (rc < 0)
        bench_fail(cheng_strerror(rc));
}

static void start(cheng_task **out, cheng_fn *function, const void *arg, size_t size)
{
    check(cheng_start(out, CHENG_COROUTINE, function, arg, size, NULL));
}

static int nothing(const void *arg, void *result)
{
    (void)arg;
    (void)result;
    return 0;
}

/* Two coroutines yield to each other. */
static int yielding(const void *arg, void *result)
{
    (void)result;
    for (long n = *(const long *)arg; n > 0; n--)
        cheng_yield();
    return 0;
}

static void yields(long n)
{
    cheng_task *other;
    start(&other, yielding, &n, sizeof n);
    yielding(&n, NULL);
    cheng_join(other, NULL);
    cheng_task_free(other);
}

/* One at a time, with a handle. */
static void spawn_and_joins(long n)
{
    for (long i = 0; i < n; i++) {
        cheng_task *task;
        start(&task, nothing, NULL, 0);
        cheng_join(task, NULL);
        cheng_task_free(task);
    }
}

/* Queues between two coroutines. A rendezvous is a round trip through two queues of one place. */
static cheng_queue *there, *back;

static void open_queues(size_t capacity)
{
    const cheng_queue_options options = { .capacity = capacity };
    check(cheng_queue_new(&there, sizeof(uint64_t), &options));
    check(cheng_queue_new(&back, sizeof(uint64_t), &options));
}

static int answer(const void *arg, void *result)
{
    (void)result;
    uint64_t item;
    for (long n = *(const long *)arg; n > 0; n--) {
        check(cheng_queue_get(there, &item));
        check(cheng_queue_put(back, &item));
    }
    return 0;
}

static void rendezvous(long n)
{
    cheng_task *other;
    uint64_t item = 1;
    start(&other, answer, &n, sizeof n);
    for (long i = 0; i < n; i++) {
        check(cheng_queue_put(there, &item));
        check(cheng_queue_get(back, &item));
    }
    cheng_join(other, NULL);
    cheng_task_free(other);
}

static int consume(const void *arg, void *result)
{
    (void)result;
    uint64_t item;
    for (long n = *(const long *)arg; n > 0; n--)
        check(cheng_queue_get(there, &item));
    return 0;
}

static void items(long n)
{
    cheng_task *other;
    uint64_t item = 1;
    start(&other, consume, &n, sizeof n);
    for (long i = 0; i < n; i++)
        check(cheng_queue_put(there, &item));
    cheng_join(other, NULL);
    cheng_task_free(other);
}

/* Many that wait for one event: the whole process's resident memory, shared among them. */
static cheng_event release;
static long parked;

static int parking(const void *arg, void *result)
{
    (void)arg;
    (void)result;
    parked++;
    check(cheng_event_wait(&release));
    return 0;
}

/* Linux 6.13 and later: guards in a mapping, instead of three mappings for each stack, of which the
 * system allows 65,530. */
static bool has_guards(void)
{
    enum { guard_install = 102 };
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool has = page != MAP_FAILED && madvise(page, 4096, guard_install) == 0;
    munmap(page, 4096);
    return has;
}

static void memory(long n)
{
    if (!has_guards()) {
        fprintf(stderr,
                "this kernel has no guard pages without mappings (Linux 6.13 has): too many mappings\n");
        exit(77);
    }
    for (long i = 0; i < n; i++)
        start(NULL, parking, NULL, 0);
    while (parked < n)
        cheng_yield();
    bench_print("", bench_status_kib("VmRSS:") / (double)n);
    cheng_event_set(&release);
}

static int single(const void *arg, void *result)
{
    (void)arg;
    (void)result;
    if (bench_is("coroutine.yield")) {
        bench_ns_each(yields, 2);
    } else if (bench_is("coroutine.spawnjoin.1")) {
        bench_ns_each(spawn_and_joins, 1);
    } else if (bench_is("queue.coroutine.rendezvous")) {
        open_queues(1);
        bench_ns_each(rendezvous, 1);
    } else if (bench_is("queue.coroutine.item")) {
        open_queues(1024);
        bench_ns_each(items, 1);
    } else if (bench_is("coroutine.memory.100k")) {
        memory(100000);
    } else if (bench_is("coroutine.memory.1m")) {
        memory(1000000);
    } else {
        bench_fail("no such row");
    }
    return 0;
}

static int many(const void *arg, void *result)
{
    (void)arg;
    (void)result;
    bench_ns_each(spawn_and_joins, 1);
    return 0;
}

/* A million whose deadlines lie spread over one second, in no order; a value is the time from the
 * beginning of that second to the last one's end. They are made first, which takes as long as the system
 * takes to find the memory, and sent to sleep together: all are asleep when the second begins. */
#define SLEEPERS 1000000

static int64_t begin;
static long asleep, awake; /* counted by all workers; the last one releases the main thread */
static cheng_semaphore all_asleep, all_awake;

static void count(long *counter, cheng_semaphore *all)
{
    if (__atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL) == SLEEPERS)
        cheng_semaphore_release(all, 1);
}

static int sleeping(const void *arg, void *result)
{
    (void)result;
    int64_t shuffled = *(const int64_t *)arg * 7919 % SLEEPERS; /* 7919 is prime to it */
    count(&asleep, &all_asleep);
    check(cheng_event_wait(&release));
    count(&asleep, &all_asleep);
    check(cheng_sleep_until(cheng_deadline_at(begin + shuffled * (CHENG_SECOND / SLEEPERS))));
    count(&awake, &all_awake);
    return 0;
}

static void sleepers(void)
{
    for (int64_t i = 0; i < SLEEPERS; i++)
        start(NULL, sleeping, &i, sizeof i);
    check(cheng_semaphore_acquire(&all_asleep)); /* as good as in their wait */
    asleep = 0;
    begin = bench_clock() + 4 * CHENG_SECOND;
    cheng_event_set(&release);
    check(cheng_semaphore_acquire(&all_asleep));
    bench_check(bench_clock() < begin, "it took too long to send them to sleep");
    check(cheng_semaphore_acquire(&all_awake));
    bench_print("", (double)(bench_clock() - begin) / 1e9);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    if (bench_is("coroutine.sleepers")) {
        sleepers();
    } else if (bench_is("coroutine.spawnjoin.mn")) {
        cheng_task *task;
        start(&task, many, NULL, 0);
        cheng_join(task, NULL);
        cheng_task_free(task);
    } else {
        check(cheng_run(NULL, single, NULL, 0));
    }
    return 0;
}
