/* The public clock: cheng/time.h over the host's. */
#include <cheng/time.h>

#include "host/host.h"

_Static_assert(sizeof(cheng_deadline) == 8, "passed in a register");

int64_t cheng_clock_ns(void)
{
    return chengi_host_now();
}

cheng_deadline cheng_after(cheng_duration duration)
{
    int64_t now = chengi_host_now(), at;
    if (__builtin_add_overflow(now, duration, &at))
        at = duration < 0 ? 1 : INT64_MAX;
    return cheng_deadline_at(at < 1 ? 1 : at); /* 0 would be for ever, negative now */
}
