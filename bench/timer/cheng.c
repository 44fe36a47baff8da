/* Cheng's timers, which any thread may set; here the main one does. */
#include <cheng.h>
#include <stdlib.h>

static cheng_timer *timers[1000000];
static int64_t now;

static int nothing(const void *arg, void *result)
{
    (void)arg;
    (void)result;
    return 0;
}

static void make(long i)
{
    now = i == 0 ? cheng_clock_ns() : now;
    if (cheng_timer_new(&timers[i], CHENG_COROUTINE, nothing, NULL, 0, NULL) < 0)
        abort();
}

static void set(long i, int64_t after_ns)
{
    if (cheng_timer_start(timers[i], cheng_deadline_at(now + after_ns)) < 0)
        abort();
}

static void cancel(long i)
{
    cheng_timer_cancel(timers[i]);
}

static void take_down(long i)
{
    cheng_timer_free(timers[i]);
}

#include "timer.h"
