/* priority.h: queue.priority and queue.priority.2x2, the same for every contender, which defines open_queue(),
 * put(item) and get(), which returns the item's key, before it includes this.
 *
 * Items of 16 bytes that begin with their key, an int64_t. queue.priority: one thread puts a million with keys by lot,
 * then gets them; a value is ns for each put and get. queue.priority.2x2: two threads put and two get, producers on
 * one core and consumers on the other, through a queue that holds 1,000 items at the beginning and may hold 1,024 more; a
 * value is millions of items that went through in a second. */
#include "../bench.h"

#define CAPACITY 2024
#define MILLION 1000000

static int64_t next_key(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(*state >> 20);
}

static void in_and_out(long n)
{
    uint64_t state = 1;
    int64_t last = 0;
    for (; n > 0; n--) {
        for (long i = 0; i < MILLION; i++)
            put((struct item){ next_key(&state), i });
        last = 0;
        for (long i = 0; i < MILLION; i++) {
            int64_t key = get();
            if (key < last)
                bench_fail("out of order");
            last = key;
        }
    }
}

static void *produce(void *arg)
{
    uint64_t state = (uintptr_t)arg;
    bench_pin(0);
    for (uintptr_t i = *(const uintptr_t *)arg; i > 0; i--)
        put((struct item){ next_key(&state), 1 });
    return NULL;
}

static void *consume(void *arg)
{
    bench_pin(1);
    for (uintptr_t n = *(const uintptr_t *)arg; n > 0; n--)
        get();
    return NULL;
}

static void pass(long n)
{
    pthread_t threads[4];
    uintptr_t each = (uintptr_t)n / 2 + 1;
    for (int i = 0; i < 4; i++)
        threads[i] = bench_thread(i % 2 ? produce : consume, &each);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    if (bench_is("queue.priority")) {
        open_queue(0);
        long n = (long)(bench_seconds * 1e9 / (200.0 * MILLION)) + 1;
        for (int i = 0; i < BENCH_SAMPLES; i++)
            bench_print("", bench_elapsed(in_and_out, n) / (double)n / MILLION);
        return 0;
    }
    bench_check(bench_is("queue.priority.2x2"), "no such row");
    uint64_t state = 1;
    open_queue(CAPACITY);
    for (int i = 0; i < 1000; i++)
        put((struct item){ next_key(&state), i });
    bench_millions_per_second(pass);
    return 0;
}
