/* The lock for readers and writers: who shares with whom, errors, fairness, dead writers, deadlocks. test_matrix.c has
 * its waits. */
#include "unit/actors.h"
#include "unit/processes.h"

static cheng_rwlock rwlock;

static int read_now(void *unused)
{
    (void)unused;
    int rc = cheng_rwlock_acquire_read_until(&rwlock, CHENG_NOW);
    if (rc == 0)
        assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
    return rc;
}

static int write_now(void *unused)
{
    (void)unused;
    int rc = cheng_rwlock_acquire_write_until(&rwlock, CHENG_NOW);
    if (rc == 0)
        assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
    return rc;
}

static int end_a_write(void *unused)
{
    (void)unused;
    return cheng_rwlock_release_write(&rwlock);
}

TEST(readers_share)
{
    cheng_rwlock_acquire_read(&rwlock);
    everybody_finds(read_now, 0);
    everybody_finds(write_now, -EAGAIN);
    everybody_finds(read_now, 0); /* an attempt to write bars nobody */
    assert_int_equal(cheng_rwlock_acquire_read_until(&rwlock, CHENG_NOW), 0);
    assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
    everybody_finds(write_now, -EAGAIN);
    assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
    everybody_finds(write_now, 0);
}

TEST(a_writer_is_alone)
{
    cheng_rwlock_acquire_write(&rwlock);
    everybody_finds(read_now, -EAGAIN);
    everybody_finds(write_now, -EAGAIN);
    assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
    everybody_finds(read_now, 0);
    everybody_finds(write_now, 0);
}

TEST(releases_of_what_is_not_held)
{
    assert_int_equal(cheng_rwlock_release_read(&rwlock), -EPERM);
    assert_int_equal(cheng_rwlock_release_write(&rwlock), -EPERM);
    cheng_rwlock_acquire_write(&rwlock);
    assert_int_equal(cheng_rwlock_release_read(&rwlock), -EPERM); /* nobody reads */
    everybody_finds(end_a_write, -EPERM);
    everybody_finds(read_now, -EAGAIN); /* and it is held still */
    assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
    cheng_rwlock_acquire_read(&rwlock);
    assert_int_equal(cheng_rwlock_release_write(&rwlock), -EPERM);
    assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
    assert_int_equal(cheng_rwlock_release_read(&rwlock), -EPERM);
}

TEST(functions_without_macros)
{
    void (*read)(cheng_rwlock *) = &cheng_rwlock_acquire_read;
    void (*write)(cheng_rwlock *) = &cheng_rwlock_acquire_write;
    int (*read_until)(cheng_rwlock *, cheng_deadline) = &cheng_rwlock_acquire_read_until;
    int (*write_until)(cheng_rwlock *, cheng_deadline) = &cheng_rwlock_acquire_write_until;
    int (*release_read)(cheng_rwlock *) = &cheng_rwlock_release_read;
    int (*release_write)(cheng_rwlock *) = &cheng_rwlock_release_write;
    read(&rwlock);
    assert_int_equal(read_until(&rwlock, CHENG_NOW), 0);
    assert_int_equal(write_until(&rwlock, CHENG_NOW), -EAGAIN);
    assert_int_equal(release_read(&rwlock), 0);
    assert_int_equal(release_read(&rwlock), 0);
    assert_int_equal(release_read(&rwlock), -EPERM);
    write(&rwlock);
    assert_int_equal(read_until(&rwlock, CHENG_NOW), -EAGAIN);
    assert_int_equal(release_write(&rwlock), 0);
    assert_int_equal(write_until(&rwlock, CHENG_NOW), 0);
    assert_int_equal(release_write(&rwlock), 0);
    assert_int_equal(release_write(&rwlock), -EPERM);
}

static int leave_by_return(void)
{
    CHENG_WITH_READ(&rwlock)
    return 1;
    return 0;
}

TEST(with)
{
    CHENG_WITH_WRITE(&rwlock)
    everybody_finds(read_now, -EAGAIN);
    CHENG_WITH_READ(&rwlock)
    everybody_finds(write_now, -EAGAIN);
    assert_int_equal(leave_by_return(), 1);
    everybody_finds(write_now, 0);
}

TEST(as_many_readers_as_fit)
{
    rwlock.readers = INT32_MAX;
    assert_int_equal(cheng_rwlock_acquire_read_until(&rwlock, CHENG_FOREVER), -EOVERFLOW);
    assert_int_equal(rwlock.readers, INT32_MAX);
    assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
    assert_int_equal(cheng_rwlock_acquire_read_until(&rwlock, CHENG_FOREVER), 0);
}

/* ---- fairness ---- */

static int write_once(void *unused)
{
    (void)unused;
    cheng_rwlock_acquire_write(&rwlock);
    return cheng_rwlock_release_write(&rwlock);
}

static int read_once(void *unused)
{
    (void)unused;
    cheng_rwlock_acquire_read(&rwlock);
    return cheng_rwlock_release_read(&rwlock);
}

/* From the moment that a writer waits, who comes to read waits too; its giving up lets them in. */
TEST(a_writer_that_waits_bars_readers)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor writer, reader;
        cheng_rwlock_acquire_read(&rwlock);
        actor_start(&writer, place, write_once, NULL);
        wait_until_blocked(writer.self, CHENGI_WAIT_READERS);
        everybody_finds(read_now, -EAGAIN);
        actor_start(&reader, place, read_once, NULL);
        wait_until_blocked(reader.self, CHENGI_WAIT_LOCK);
        assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
        assert_int_equal(actor_join(&writer), 0);
        assert_int_equal(actor_join(&reader), 0);
    }
}

static int write_for_a_moment(void *unused)
{
    (void)unused;
    return cheng_rwlock_acquire_write_until(&rwlock, cheng_after(200 * CHENG_MILLISECOND));
}

TEST(a_writer_that_gives_up_lets_readers_in)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor writer, reader;
        cheng_rwlock_acquire_read(&rwlock);
        actor_start(&writer, place, write_for_a_moment, NULL);
        while (!task_waits(writer.self, CHENGI_WAIT_READERS) && cheng_task_is_alive(writer.self))
            cheng_yield(); /* on a machine that has no time for us it may have given up already */
        actor_start(&reader, place, read_once, NULL);
        assert_int_equal(actor_join(&writer), -ETIMEDOUT);
        assert_int_equal(actor_join(&reader), 0); /* beside the first reader */
        everybody_finds(read_now, 0);
        assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
        everybody_finds(write_now, 0);
    }
}

static bool stop;

/* Two of these overlap: without a fair lock the count of readers would never be zero. */
static int read_always(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        cheng_rwlock_acquire_read(&rwlock);
        cheng_sleep(CHENG_MILLISECOND);
        assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
    }
    return 0;
}

static int write_always(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        cheng_rwlock_acquire_write(&rwlock);
        cheng_sleep(100 * CHENG_MICROSECOND);
        assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
    }
    return 0;
}

static void against(int (*others)(void *unused), int (*one)(void *unused))
{
    enum { OTHERS = 6 };
    struct actor actors[OTHERS];
    for (unsigned i = 0; i < OTHERS; i++)
        actor_start(&actors[i], (enum place)(i % PLACES), others, NULL);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(run_in((enum place)(i % PLACES), one), 0);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < OTHERS; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
}

TEST(readers_do_not_starve_a_writer)
{
    against(read_always, write_once);
}

TEST(writers_do_not_starve_a_reader)
{
    against(write_always, read_once);
}

/* ---- what it protects ---- */

static struct {
    unsigned a, b;
} pair;

static int read_or_write(void *context)
{
    uint64_t state = *(unsigned *)context;
    for (unsigned i = scaled(4000); i > 0; i--)
        if (random_below(&state, 4) == 0) {
            if (cheng_rwlock_acquire_write_until(
                    &rwlock, cheng_after(random_below(&state, 200) * CHENG_MICROSECOND)) != 0)
                continue;
            pair.a++;
            if (random_below(&state, 8) == 0)
                cheng_yield();
            pair.b++;
            assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
        } else if (cheng_rwlock_acquire_read_until(
                       &rwlock, cheng_after(random_below(&state, 200) * CHENG_MICROSECOND)) == 0) {
            assert_int_equal(pair.a, pair.b);
            if (random_below(&state, 8) == 0)
                cheng_yield();
            assert_int_equal(pair.a, pair.b);
            assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
        }
    return 0;
}

TEST(a_pair_is_never_seen_half_written)
{
    struct actor actors[6];
    unsigned seeds[6];
    for (unsigned i = 0; i < 6; i++) {
        seeds[i] = (unsigned)test_seed() + i;
        actor_start(&actors[i], (enum place)(i % PLACES), read_or_write, &seeds[i]);
    }
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    assert_int_equal(rwlock.readers, 0);
    everybody_finds(write_now, 0);
}

/* ---- dead writers and deadlocks ---- */

static int write_and_end(void *unused)
{
    (void)unused;
    return cheng_rwlock_acquire_write_until(&rwlock, CHENG_FOREVER);
}

TEST(a_writer_that_ended)
{
    for (enum place place = 0; place < PLACES; place++) {
        assert_int_equal(run_in(place, write_and_end), 0);
        assert_int_equal(cheng_rwlock_acquire_write_until(&rwlock, CHENG_NOW), -EOWNERDEAD);
        everybody_finds(read_now, -EAGAIN);
        assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
        assert_int_equal(run_in(place, write_and_end), 0);
        assert_int_equal(cheng_rwlock_acquire_read_until(&rwlock, CHENG_FOREVER), -EOWNERDEAD);
        everybody_finds(read_now, 0); /* told once */
        everybody_finds(write_now, -EAGAIN);
        assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
        everybody_finds(write_now, 0);
    }
}

/* The parent's writer waits for the child's reader, and has barred the way. Who only tries leaves it open. */
TEST(a_writer_that_a_fork_left_behind)
{
    struct actor writer;
    cheng_rwlock_acquire_read(&rwlock);
    actor_start(&writer, IN_THREAD, write_once, NULL);
    wait_until_blocked(writer.self, CHENGI_WAIT_READERS);
    pid_t pid = fork();
    if (pid == 0) {
        assert_int_equal(cheng_rwlock_acquire_write_until(&rwlock, CHENG_NOW), -EAGAIN);
        assert_int_equal(cheng_rwlock_acquire_read_until(&rwlock, CHENG_FOREVER), 0);
        _exit(0);
    }
    wait_for(pid);
    assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
    assert_int_equal(actor_join(&writer), 0);
}

TEST(who_writes_waits_for_itself)
{
    cheng_rwlock_acquire_write(&rwlock);
    assert_int_equal(cheng_rwlock_acquire_read_until(&rwlock, CHENG_FOREVER), -EDEADLK);
    assert_non_null(strstr(cheng_deadlock_report(), "waits for itself"));
    assert_int_equal(cheng_rwlock_acquire_write_until(&rwlock, CHENG_FOREVER), -EDEADLK);
    assert_int_equal(cheng_rwlock_acquire_read_until(&rwlock, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
}

static cheng_lock other;
static cheng_event other_held;

/* Whoever closes the circle is told; who seems to wait may not have looked yet. */
static int told(int rc)
{
    assert_int_equal(rc, -EDEADLK);
    assert_non_null(strstr(cheng_deadlock_report(), "2 tasks wait for one another"));
    return rc;
}

static int other_then_read(void *unused)
{
    int rc = 0;
    (void)unused;
    CHENG_WITH(&other) {
        cheng_event_set(&other_held);
        rc = cheng_rwlock_acquire_read_until(&rwlock, CHENG_FOREVER);
        if (rc == 0)
            assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
        else
            told(rc);
    }
    return rc;
}

TEST(a_deadlock_with_a_writer_is_reported)
{
    for (enum place place = 0; place < PLACES; place++) {
        struct actor actor;
        cheng_event_clear(&other_held);
        cheng_rwlock_acquire_write(&rwlock);
        actor_start(&actor, place, other_then_read, NULL);
        assert_int_equal(cheng_event_wait(&other_held), 0);
        wait_until_blocked(actor.self, CHENGI_WAIT_LOCK);
        int rc = cheng_lock_acquire_until(&other, CHENG_FOREVER);
        if (rc == 0)
            assert_int_equal(cheng_lock_release(&other), 0);
        else
            told(rc);
        assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
        assert_int_equal(actor_join(&actor), rc == 0 ? -EDEADLK : 0);
    }
}

TEST(inside_an_arena)
{
    cheng_arena *arena;
    assert_int_equal(cheng_arena_new(&arena, 1 << 16, NULL), 0);
    cheng_rwlock *odd = cheng_arena_alloc(arena, sizeof *odd);
    cheng_rwlock_acquire_read(odd); /* what need not wait does not look */
    assert_int_equal(cheng_rwlock_acquire_write_until(odd, CHENG_FOREVER), -EINVAL);
    assert_int_equal(cheng_rwlock_release_read(odd), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
}
