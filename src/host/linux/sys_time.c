/* The clock and random numbers. */
#include <sys/random.h>
#include <time.h>

#include "host/host.h"

int64_t chengi_host_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint64_t chengi_host_random(void)
{
    uint64_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value)
        value = (uint64_t)chengi_host_now() * 0x9E3779B97F4A7C15u; /* early boot: not for secrets */
    return value;
}
