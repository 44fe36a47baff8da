/* The lock: ownership, errors, CHENG_WITH, dead owners, fairness. test_matrix.c has its waits. */
#include "unit/actors.h"

#include <pthread.h>

static cheng_lock lock;
static cheng_event may_release;

/* What another thinks of the lock. */
static int probe_now(void *unused)
{
    (void)unused;
    int rc = cheng_lock_acquire_until(&lock, CHENG_NOW);
    if (rc == 0)
        assert_int_equal(cheng_lock_release(&lock), 0);
    return rc;
}

static int release_it(void *unused)
{
    (void)unused;
    return cheng_lock_release(&lock);
}

TEST(zero_is_a_free_lock)
{
    cheng_lock zero = { 0 };
    assert_int_equal(sizeof zero, 16);
    assert_false(cheng_lock_locked(&zero));
    cheng_lock_acquire(&zero);
    assert_true(cheng_lock_locked(&zero));
    assert_int_equal(cheng_lock_release(&zero), 0);
    assert_false(cheng_lock_locked(&zero));
}

TEST(only_the_owner_releases)
{
    assert_int_equal(cheng_lock_release(&lock), -EPERM); /* free */
    cheng_lock_acquire(&lock);
    everybody_finds(release_it, -EPERM);
    assert_true(cheng_lock_locked(&lock));
    assert_int_equal(cheng_lock_release(&lock), 0);
    assert_int_equal(cheng_lock_release(&lock), -EPERM);
}

TEST(held_and_not_asked_to_block)
{
    cheng_lock_acquire(&lock);
    everybody_finds(probe_now, -EAGAIN);
    assert_int_equal(cheng_lock_acquire_until(&lock, CHENG_NOW), -EAGAIN); /* also by its holder */
    assert_int_equal(cheng_lock_release(&lock), 0);
    everybody_finds(probe_now, 0);
}

TEST(deadline_in_the_past_tries_once)
{
    assert_int_equal(cheng_lock_acquire_until(&lock, cheng_after(-CHENG_SECOND)), 0);
    assert_int_equal(cheng_lock_release(&lock), 0);
}

static int probe_past(void *unused)
{
    (void)unused;
    return cheng_lock_acquire_until(&lock, cheng_after(-CHENG_SECOND));
}

TEST(deadline_in_the_past_of_a_held_lock)
{
    cheng_lock_acquire(&lock);
    everybody_finds(probe_past, -ETIMEDOUT);
    assert_int_equal(cheng_lock_release(&lock), 0);
}

/* ---- CHENG_WITH ---- */

static int leave_by_return(void)
{
    CHENG_WITH(&lock) {
        assert_true(cheng_lock_locked(&lock));
        return 4;
    }
    return 0;
}

TEST(with_releases_on_every_way_out)
{
    int rounds = 0;
    CHENG_WITH(&lock)
        rounds++;
    assert_false(cheng_lock_locked(&lock));
    for (int i = 0; i < 3; i++) {
        CHENG_WITH(&lock) {
            rounds++;
            break; /* leaves the block, not the loop */
        }
        assert_false(cheng_lock_locked(&lock));
    }
    assert_int_equal(rounds, 4);
    CHENG_WITH(&lock) {
        if (rounds == 4)
            continue; /* ends the block too */
        rounds = 0;
    }
    assert_false(cheng_lock_locked(&lock));
    assert_int_equal(leave_by_return(), 4);
    assert_false(cheng_lock_locked(&lock));
    CHENG_WITH(&lock)
        goto out;
    rounds = 0;
out:
    assert_false(cheng_lock_locked(&lock));
    assert_int_equal(rounds, 4);
}

TEST(with_nests)
{
    cheng_lock other = { 0 };
    CHENG_WITH(&lock)
        CHENG_WITH(&other) {
            assert_true(cheng_lock_locked(&lock));
            assert_true(cheng_lock_locked(&other));
        }
    assert_false(cheng_lock_locked(&lock));
    assert_false(cheng_lock_locked(&other));
}

/* The functions behind the macros, as other languages bind them. */
TEST(functions_without_macros)
{
    void (*acquire)(cheng_lock *) = &cheng_lock_acquire;
    int (*acquire_until)(cheng_lock *, cheng_deadline) = &cheng_lock_acquire_until;
    int (*release)(cheng_lock *) = &cheng_lock_release;
    acquire(&lock);
    assert_int_equal(acquire_until(&lock, CHENG_NOW), -EAGAIN);
    assert_int_equal(release(&lock), 0);
    assert_int_equal(acquire_until(&lock, CHENG_FOREVER), 0);
    assert_int_equal(release(&lock), 0);
    assert_int_equal(release(&lock), -EPERM);
}

/* ---- dead owners ---- */

static int acquire_and_end(void *unused)
{
    (void)unused;
    return cheng_lock_acquire_until(&lock, CHENG_FOREVER);
}

TEST(owner_that_ended)
{
    for (enum place holds = 0; holds < PLACES; holds++)
        for (enum place takes = 0; takes < PLACES; takes++) {
            assert_int_equal(run_in(holds, acquire_and_end), 0);
            assert_true(cheng_lock_locked(&lock));
            assert_int_equal(run_in(takes, acquire_and_end), -EOWNERDEAD); /* as the holder, and ends too */
            assert_int_equal(cheng_lock_acquire_until(&lock, CHENG_NOW), -EOWNERDEAD);
            assert_int_equal(cheng_lock_release(&lock), 0);
            assert_int_equal(cheng_lock_acquire_until(&lock, CHENG_NOW), 0);
            assert_int_equal(cheng_lock_release(&lock), 0);
        }
}

/* Threads that Cheng did not start are owners like others. */
static void *acquire_in_a_foreign_thread(void *unused)
{
    cheng_lock_acquire(&lock);
    assert_non_null(strstr(cheng_name(), "Foreign-"));
    return unused;
}

TEST(foreign_owner_that_ended)
{
    for (unsigned i = 0; i < 10; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, acquire_in_a_foreign_thread, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(cheng_lock_release(&lock), -EPERM);
        assert_int_equal(cheng_lock_acquire_until(&lock, CHENG_FOREVER), -EOWNERDEAD);
        assert_int_equal(cheng_lock_release(&lock), 0);
    }
}

static cheng_event may_end;

static int hold_until_told(void *unused)
{
    (void)unused;
    cheng_lock_acquire(&lock);
    return cheng_event_wait(&may_end);
}

static int acquire_release(void *unused)
{
    (void)unused;
    int rc = cheng_lock_acquire_until(&lock, CHENG_FOREVER);
    assert_int_equal(cheng_lock_release(&lock), 0);
    return rc;
}

static void wait_until_held(void)
{
    while (!cheng_lock_locked(&lock))
        cheng_yield();
}

TEST(owner_that_ends_while_others_wait)
{
    enum { COUNT = 6 };
    struct actor holder, waiters[COUNT];
    for (enum place holds = 0; holds < PLACES; holds++) {
        int dead = 0;
        cheng_event_clear(&may_end);
        actor_start(&holder, holds, hold_until_told, NULL);
        wait_until_held();
        for (unsigned i = 0; i < COUNT; i++)
            actor_start(&waiters[i], (enum place)(i % PLACES), acquire_release, NULL);
        for (unsigned i = 0; i < COUNT; i++)
            wait_until_blocked(waiters[i].self, CHENGI_WAIT_LOCK);
        cheng_event_set(&may_end);
        assert_int_equal(actor_join(&holder), 0);
        for (unsigned i = 0; i < COUNT; i++) {
            int rc = actor_join(&waiters[i]);
            dead += rc == -EOWNERDEAD;
            assert_true(rc == 0 || rc == -EOWNERDEAD);
        }
        assert_int_equal(dead, 1); /* the first to get it is told, nobody else */
    }
}

/* They had told the owner before it. */
TEST(next_owner_that_ends_while_others_wait)
{
    for (enum place ends = 0; ends < PLACES; ends++)
        for (enum place waits = 0; waits < PLACES; waits++) {
            struct actor next, waiter;
            cheng_lock_acquire(&lock);
            actor_start(&next, ends, acquire_and_end, NULL);
            wait_until_blocked(next.self, CHENGI_WAIT_LOCK);
            actor_start(&waiter, waits, acquire_release, NULL);
            wait_until_blocked(waiter.self, CHENGI_WAIT_LOCK);
            assert_int_equal(cheng_lock_release(&lock), 0);
            assert_int_equal(actor_join(&next), 0);
            assert_int_equal(actor_join(&waiter), -EOWNERDEAD);
        }
}

static unsigned died;

static void count_deaths(const cheng_incident *incident)
{
    assert_int_equal(incident->kind, CHENG_OWNER_DIED);
    assert_int_equal(incident->error, -EOWNERDEAD);
    assert_ptr_equal(incident->object, &lock);
    assert_non_null(strstr(incident->report, "test_lock.c:"));
    assert_true(cheng_lock_locked(&lock)); /* the hook may repair */
    died++;
}

TEST(plain_acquire_tells_the_hook)
{
    cheng_set_incident_hook(count_deaths);
    assert_int_equal(run_in(IN_THREAD, acquire_and_end), 0);
    cheng_lock_acquire(&lock);
    assert_int_equal(died, 1);
    assert_int_equal(cheng_lock_release(&lock), 0);
    assert_int_equal(run_in(IN_COROUTINE, acquire_and_end), 0);
    CHENG_WITH(&lock)
        assert_int_equal(died, 2);
    assert_false(cheng_lock_locked(&lock));
}

/* A slot is used again by later tasks: they are strangers to the lock. */
TEST(owner_word_is_not_inherited)
{
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(run_in(i % 2 ? IN_THREAD : IN_COROUTINE, acquire_and_end), i == 0 ? 0 : -EOWNERDEAD);
        assert_int_equal(run_in(IN_COROUTINE, release_it), -EPERM);
    }
    assert_int_equal(cheng_lock_acquire_until(&lock, CHENG_NOW), -EOWNERDEAD);
    assert_int_equal(cheng_lock_release(&lock), 0);
}

/* ---- waits ---- */

static int time_out_soon(void *unused)
{
    (void)unused;
    return cheng_lock_acquire_until(&lock, cheng_after(CHENG_MILLISECOND));
}

/* Those who gave up leave nothing behind that others would wait for. */
TEST(waiters_that_time_out)
{
    struct actor waiters[9];
    cheng_lock_acquire(&lock);
    for (unsigned i = 0; i < 9; i++)
        actor_start(&waiters[i], (enum place)(i % PLACES), time_out_soon, NULL);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(actor_join(&waiters[i]), -ETIMEDOUT);
    assert_int_equal(cheng_lock_release(&lock), 0);
    assert_int_equal(lock.word, 0);
    assert_int_equal(run_in(IN_THREAD, acquire_release), 0);
}

enum { ATTEMPTS = 10 }; /* at a measurement: a machine may have stopped as a whole, and counts that as ours */

static bool stop;
static uint64_t held_count;

/* Takes the lock again and again, and hardly ever leaves it free. */
static int hammer(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        cheng_lock_acquire(&lock);
        held_count++;
        for (int i = 0; i < 100; i++)
            __asm__ __volatile__("" ::: "memory");
        assert_int_equal(cheng_lock_release(&lock), 0);
    }
    return 0;
}

static int64_t worst_wait(void)
{
    int64_t worst = 0;
    for (unsigned i = 0; i < 50; i++) {
        int64_t begun = cheng_clock_ns();
        assert_int_equal(cheng_lock_acquire_until(&lock, cheng_after(5 * CHENG_SECOND)), 0);
        int64_t took = cheng_clock_ns() - begun;
        worst = took > worst ? took : worst;
        assert_int_equal(cheng_lock_release(&lock), 0);
    }
    return worst;
}

TEST(hammered_lock_is_to_be_had) // serial: bounds how long a waiter starves
{
    struct actor hammers[2];
    int64_t worst = INT64_MAX;
    actor_start(&hammers[0], IN_THREAD, hammer, NULL);
    actor_start(&hammers[1], IN_THREAD, hammer, NULL);
    for (int attempt = 0; attempt < ATTEMPTS && worst >= 100 * CHENG_MILLISECOND; attempt++)
        worst = worst_wait();
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    assert_int_equal(actor_join(&hammers[0]), 0);
    assert_int_equal(actor_join(&hammers[1]), 0);
    printf("worst wait: %.3f ms, %llu acquisitions by the others\n", (double)worst / 1e6,
           (unsigned long long)held_count);
    /* 1 ms until it starves, then the next release; and time slices of three threads on perhaps one processor */
    assert_true(worst < 100 * CHENG_MILLISECOND || slowed_down());
}

/* ---- holders that stand still ---- */

enum { COLLISIONS = 2000 };

/* What the calling thread has used. */
static int64_t processor_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * CHENG_SECOND + t.tv_nsec;
}

static int hold_over_a_yield(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < COLLISIONS; i++) {
        cheng_lock_acquire(&lock);
        cheng_yield();
        assert_int_equal(cheng_lock_release(&lock), 0);
    }
    return 0;
}

static int collide(const void *arg, void *result)
{
    cheng_task *tasks[2];
    (void)arg, (void)result;
    for (int i = 0; i < 2; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, hold_over_a_yield, NULL, 0, NULL), 0);
    for (int i = 0; i < 2; i++) {
        cheng_join(tasks[i], NULL);
        cheng_task_free(tasks[i]);
    }
    return 0;
}

/* Two coroutines of one worker: while one looks at the lock the other cannot get on, so it must not look for long. */
TEST(no_spinning_for_a_coroutine_of_the_same_worker)
{
    const int64_t most = 2 * COLLISIONS * 3 * CHENG_MICROSECOND;
    int64_t ns = INT64_MAX;
    for (int attempt = 0; attempt < ATTEMPTS && ns >= most; attempt++) {
        int64_t begun = processor_ns();
        assert_int_equal(cheng_run(NULL, collide, NULL, 0), 0);
        ns = processor_ns() - begun;
    }
    printf("%lld ns for each collision\n", (long long)ns / (2 * COLLISIONS));
    assert_true(ns < most || slowed_down());
}

static int hold_over_a_sleep(void *unused)
{
    (void)unused;
    cheng_lock_acquire(&lock);
    cheng_event_wait(&may_release);
    return cheng_lock_release(&lock);
}

/* Whose holder waits, in whatever kind of task, is waited for at once. */
TEST(no_spinning_for_a_holder_that_waits)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor holder;
        cheng_event_clear(&may_release);
        actor_start(&holder, place, hold_over_a_sleep, NULL);
        wait_until_blocked(holder.self, CHENGI_WAIT_EVENT);
        const int64_t most = 100 * 6 * CHENG_MICROSECOND;
        int64_t ns = INT64_MAX;
        for (int attempt = 0; attempt < ATTEMPTS && ns >= most; attempt++) {
            int64_t begun = processor_ns();
            for (int i = 0; i < 100; i++)
                assert_int_equal(cheng_lock_acquire_until(&lock, cheng_after(1)), -ETIMEDOUT);
            ns = processor_ns() - begun;
        }
        printf("%lld ns of processor for each wait in vain\n", (long long)ns / 100);
        assert_true(ns < most || slowed_down());
        cheng_event_set(&may_release);
        assert_int_equal(actor_join(&holder), 0);
    }
}

/* Three wait; each release lets one go on, and none is forgotten. */
TEST(each_release_wakes_one)
{
    enum { COUNT = 12 };
    struct actor waiters[COUNT];
    cheng_lock_acquire(&lock);
    for (unsigned i = 0; i < COUNT; i++) {
        actor_start(&waiters[i], (enum place)(i % PLACES), acquire_release, NULL);
        wait_until_blocked(waiters[i].self, CHENGI_WAIT_LOCK);
    }
    assert_int_equal(cheng_lock_release(&lock), 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(actor_join(&waiters[i]), 0);
    assert_int_equal(lock.word, 0);
}

TEST(not_a_lock)
{
    cheng_lock other = { .kind = 5 << 24 | 77 };
    int rc = cheng_lock_acquire_until(&other, CHENG_NOW);
    assert_true(rc == -EINVAL || rc == -EOPNOTSUPP || rc == -EBADMSG);
    assert_true(cheng_lock_release(&other) < 0);
}
