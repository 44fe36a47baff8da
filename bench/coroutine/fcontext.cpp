/* Boost.Context's fcontext: the bare switch of one stack for another, which the coroutine rows are
 * measured in multiples of (`coroutine.switch`, and under the other rows the same switch again, as their
 * unit). Two contexts jump to and fro; a value is one jump. */
#include "../bench.h"
#include <boost/context/detail/fcontext.hpp>

using namespace boost::context::detail;

static transfer_t other;

[[noreturn]] static void bounce(transfer_t from)
{
    for (;;)
        from = jump_fcontext(from.fctx, nullptr);
}

static void switches(long n)
{
    for (long i = 0; i < n; i++)
        other = jump_fcontext(other.fctx, nullptr);
}

int main(int argc, char **argv)
{
    static const std::size_t size = 65536;
    bench_begin(argc, argv);
    bench_pin(0);
    char *stack = static_cast<char *>(aligned_alloc(4096, size));
    other.fctx = make_fcontext(stack + size, size, bounce);
    bench_ns_each(switches, 2);
    return 0;
}
