/* How late a sleep ends on a thread that others use, whatever else the machine does. */
#ifndef CHENG_TEST_DELAYS_H
#define CHENG_TEST_DELAYS_H

#include "unit/actors.h"

/* For how long this thread could have run, but the kernel ran others; 0 where that is not told. */
static inline int64_t waited_for_processor(void)
{
    long long waited = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %lld", &waited) != 1)
        waited = 0;
    fclose(file);
    return waited;
}

/* Sleeps for a millisecond; by how many microseconds it was longer, less those in which the thread waited for a processor. */
static inline int late_by_us(void)
{
    int64_t waited = waited_for_processor(), due = cheng_clock_ns() + CHENG_MILLISECOND;
    assert_int_equal(cheng_sleep_until(cheng_deadline_at(due)), 0);
    int64_t late = cheng_clock_ns() - due - (waited_for_processor() - waited);
    return late < 0 ? 0 : (int)(late / CHENG_MICROSECOND);
}

#endif
