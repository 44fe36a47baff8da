/* queue.h: queue.thread.PxC.1core and .2cores, the same for every contender, which defines open_queue(),
 * put(item) and get() before it includes this.
 *
 * P threads put and C threads get 8-byte items that are never 0, through one blocking queue of 1,024
 * places (unbounded where the peer knows no bound; its file says so). On two cores all producers are on
 * one and all consumers on the other. A value is millions of items that went through in a second. */
#include "../bench.h"

#define CAPACITY 1024

static int producers, consumers;

static void *produce(void *arg)
{
    bench_pin(0);
    for (uintptr_t i = 1, n = *(const uintptr_t *)arg; i <= n; i++)
        put(i);
    return NULL;
}

static void *consume(void *arg)
{
    bench_pin(1);
    for (uintptr_t n = *(const uintptr_t *)arg; n > 0; n--)
        if (get() == 0)
            bench_fail("an item that nobody put");
    return NULL;
}

static void pass(long n)
{
    pthread_t threads[32];
    int count = 0;
    n = (n / (producers * consumers) + 1) * producers * consumers; /* the same for each */
    uintptr_t puts = (uintptr_t)(n / producers), gets = (uintptr_t)(n / consumers);
    for (int i = 0; i < producers || i < consumers; i++) {
        if (i < producers)
            threads[count++] = bench_thread(produce, &puts);
        if (i < consumers)
            threads[count++] = bench_thread(consume, &gets);
    }
    while (count > 0)
        pthread_join(threads[--count], NULL);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_check(sscanf(bench_row, "queue.thread.%dx%d", &producers, &consumers) == 2, "no such row");
    open_queue();
    bench_millions_per_second(pass);
    return 0;
}
