/* coroutine.generator: a generator that counts; a value is one value, two switches. */
#include "../bench.h"
#include <cheng.h>

static cheng_coroutine *generator;

static int count(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    for (intptr_t i = 0; cheng_generator_yield((void *)i, NULL) == 0; i++)
        continue;
    return 0;
}

static void values(long n)
{
    void *value;
    for (long i = 0; i < n; i++)
        bench_check(cheng_generator_next(generator, NULL, &value) == 0, "next");
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_check(cheng_coroutine_new(&generator, count, NULL, NULL) == 0, "new");
    bench_ns_each(values, 1);
    return cheng_coroutine_free(generator) != 0;
}
