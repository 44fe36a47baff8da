/* The timing wheel, driven by an imagined clock. */
#include "run/wheel.h"
#include "unit/actors.h"

enum { TICK = 1 << 14, MOST = 5000 };

static struct wheel wheel;
static struct timer timers[MOST];

static unsigned expire_all(int64_t now_ns)
{
    unsigned count = 0;
    struct timer *timer;
    while ((timer = chengi_wheel_expire(&wheel, now_ns)) != NULL) {
        assert_false(chengi_timer_is_set(timer));
        assert_true(timer->deadline_ns <= now_ns); /* never early */
        count++;
    }
    return count;
}

TEST(empty)
{
    chengi_wheel_init(&wheel, 12345);
    assert_int_equal(chengi_wheel_next(&wheel), 0);
    assert_int_equal(expire_all(1000000000), 0);
    assert_int_equal(expire_all(INT64_MAX), 0);
    assert_int_equal(chengi_wheel_next(&wheel), 0);
}

/* A timer at every distance, from each of several points: it fires when its tick has come, neither early nor
 * late, and next() never promises more sleep than that. */
TEST(every_distance)
{
    static const int64_t starts[] = {
        0, 1, TICK - 1, 63 * TICK, 64 * TICK, 4095LL * TICK + 5, 123456789012345
    };
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++)
        for (int shift = 0; shift < 62; shift++)
            for (int64_t off = -1; off <= 1; off++) {
                int64_t distance = ((int64_t)1 << shift) + off, now = starts[s];
                if (distance < 1 || distance > INT64_MAX / 2 - now)
                    continue;
                int64_t deadline = now + distance, steps = 0;
                chengi_wheel_init(&wheel, now);
                memset(timers, 0, sizeof *timers);
                chengi_wheel_set(&wheel, &timers[0], deadline);
                assert_true(chengi_timer_is_set(&timers[0]));
                for (;;) {
                    int64_t next = chengi_wheel_next(&wheel);
                    assert_true(next > 0);
                    assert_true(next < deadline + TICK); /* rounded up to a tick at the most */
                    now = next > now ? next : now + TICK;
                    if (expire_all(now) == 1)
                        break;
                    assert_true(++steps <= CHENGI_WHEEL_LEVELS); /* one wake-up a level */
                }
                assert_true(now >= deadline && now < deadline + 2 * TICK);
                assert_int_equal(chengi_wheel_next(&wheel), 0);
            }
}

TEST(due_already)
{
    chengi_wheel_init(&wheel, 1000 * TICK);
    chengi_wheel_set(&wheel, &timers[0], 1);
    chengi_wheel_set(&wheel, &timers[1], -5);
    chengi_wheel_set(&wheel, &timers[2], 1000 * TICK);
    assert_int_equal(expire_all(1000 * TICK) + expire_all(1001 * TICK), 3);
}

TEST(the_end_of_the_clock)
{
    chengi_wheel_init(&wheel, 1000);
    chengi_wheel_set(&wheel, &timers[0], INT64_MAX);
    chengi_wheel_set(&wheel, &timers[1], INT64_MAX - 1);
    assert_true(chengi_wheel_next(&wheel) > 0);
    assert_int_equal(expire_all(INT64_MAX / 2), 0);
    assert_true(chengi_timer_is_set(&timers[0]));
    chengi_wheel_cancel(&wheel, &timers[0]);
    chengi_wheel_cancel(&wheel, &timers[1]);
    assert_false(chengi_timer_is_set(&timers[0]));
}

TEST(cancelled_timers_do_not_fire)
{
    chengi_wheel_init(&wheel, 0);
    for (int i = 0; i < 100; i++)
        chengi_wheel_set(&wheel, &timers[i], (int64_t)(i + 1) * 3 * TICK);
    for (int i = 0; i < 100; i += 2)
        chengi_wheel_cancel(&wheel, &timers[i]);
    assert_int_equal(expire_all(1000 * TICK), 50);
    for (int i = 0; i < 100; i++)
        assert_false(chengi_timer_is_set(&timers[i]));
}

/* Against a simple model: random sets, cancels and steps of time. */
TEST(model)
{
    uint64_t random = test_seed();
    bool set[MOST] = { false };
    int64_t now = 5000000000, due[MOST] = { 0 };
    memset(timers, 0, sizeof timers);
    chengi_wheel_init(&wheel, now);
    for (unsigned step = 0; step < scaled(200000); step++) {
        unsigned i = random_below(&random, MOST);
        if (set[i]) {
            chengi_wheel_cancel(&wheel, &timers[i]);
            set[i] = false;
        } else {
            due[i] = now + (int64_t)(next_random(&random) >> (20 + random_below(&random, 40)));
            chengi_wheel_set(&wheel, &timers[i], due[i]);
            set[i] = true;
        }
        if (random_below(&random, 50) != 0)
            continue;
        now += (int64_t)(next_random(&random) >> (24 + random_below(&random, 30)));
        struct timer *timer;
        while ((timer = chengi_wheel_expire(&wheel, now)) != NULL) {
            i = (unsigned)(timer - timers);
            assert_true(set[i]);
            assert_true(due[i] <= now);
            set[i] = false;
        }
        int64_t next = chengi_wheel_next(&wheel);
        for (i = 0; i < MOST; i++)
            if (set[i]) {
                assert_true(due[i] > now - 2 * TICK); /* nothing stays behind */
                assert_true(next != 0 && next < due[i] + 2 * TICK);
            }
    }
}
