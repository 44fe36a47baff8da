/* libuv's timers: of one loop, which only its thread may touch. Milliseconds, from the loop's look at the clock. */
#include <stdlib.h>
#include <uv.h>

static uv_timer_t *timers[1000000];

static void nothing(uv_timer_t *timer)
{
    (void)timer;
}

static void make(long i)
{
    timers[i] = malloc(sizeof *timers[i]);
    if (timers[i] == NULL || uv_timer_init(uv_default_loop(), timers[i]) < 0)
        abort();
}

static void set(long i, int64_t after_ns)
{
    if (uv_timer_start(timers[i], nothing, (uint64_t)after_ns / 1000000, 0) < 0)
        abort();
}

static void cancel(long i)
{
    uv_timer_stop(timers[i]);
}

static void freed(uv_handle_t *handle)
{
    free(handle);
}

static void take_down(long i)
{
    uv_close((uv_handle_t *)timers[i], freed);
    if (i == 999999)
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

#include "timer.h"
