/* thread.h: thread.startjoin, the same for every contender, which defines start_and_join() before it
 * includes this: a thread that does nothing is started and joined, one at a time. */
#include "../bench.h"

static void start_and_joins(long n)
{
    for (long i = 0; i < n; i++)
        start_and_join();
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_ns_each(start_and_joins, 1);
    return 0;
}
