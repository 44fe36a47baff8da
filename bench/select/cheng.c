/* cheng_select over eight queues, one of which has an item: put there before each time, each queue in turn. */
#include "../bench.h"

#include <cheng.h>

enum { QUEUES = 8 };
static cheng_queue *queues[QUEUES];

static void take(long n)
{
    for (long i = 0; i < n; i++) {
        uint64_t item = 0, put = (uint64_t)i + 1;
        if (cheng_queue_put(queues[i % QUEUES], &put) < 0)
            abort();
        cheng_case cases[QUEUES];
        for (int k = 0; k < QUEUES; k++)
            cases[k] = cheng_case_get(queues[k], &item);
        int which = cheng_select(cases, QUEUES);
        if (which != i % QUEUES || item != put)
            abort();
    }
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_check(bench_is("select.8"), "no such row");
    for (int i = 0; i < QUEUES; i++)
        bench_check(cheng_queue_new(&queues[i], sizeof(uint64_t), &(cheng_queue_options){ .capacity = 16 }) ==
                        0,
                    "no memory");
    bench_ns_each(take, 1);
    return 0;
}
