/* Boost.Fiber with its default scheduler, round robin on one thread. */
#include "../bench.h"
#include <boost/fiber/all.hpp>

namespace fibers = boost::fibers;

/* Two fibers, the main one and another, yield to each other. */
static void yields(long n)
{
    fibers::fiber other([n] {
        for (long i = 0; i < n; i++)
            boost::this_fiber::yield();
    });
    for (long i = 0; i < n; i++)
        boost::this_fiber::yield();
    other.join();
}

static void spawn_and_joins(long n)
{
    for (long i = 0; i < n; i++)
        fibers::fiber([] {}).join();
}

static void rendezvous(long n)
{
    fibers::unbuffered_channel<std::uint64_t> there, back;
    fibers::fiber other([&] {
        std::uint64_t item;
        for (long i = 0; i < n; i++) {
            there.pop(item);
            back.push(item);
        }
    });
    for (long i = 0; i < n; i++) {
        std::uint64_t item;
        there.push(1);
        back.pop(item);
    }
    other.join();
}

static void items(long n)
{
    fibers::buffered_channel<std::uint64_t> channel(1024);
    fibers::fiber other([&] {
        std::uint64_t item;
        for (long i = 0; i < n; i++)
            channel.pop(item);
    });
    for (long i = 0; i < n; i++)
        channel.push(1);
    other.join();
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    if (bench_is("coroutine.yield"))
        bench_ns_each(yields, 2);
    else if (bench_is("coroutine.spawnjoin.1"))
        bench_ns_each(spawn_and_joins, 1);
    else if (bench_is("queue.coroutine.rendezvous"))
        bench_ns_each(rendezvous, 1);
    else if (bench_is("queue.coroutine.item"))
        bench_ns_each(items, 1);
    else
        bench_fail("no such row");
    return 0;
}
