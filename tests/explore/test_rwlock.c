/* The lock for readers and writers, from within. */
#include "explore/explored.h"

#include <errno.h>

static cheng_rwlock rwlock;
static int readers, writers; /* inside; atomic, for readers share */
static int value;            /* not atomic: the lock orders who reads and who writes it */

static void look_around(void)
{
    assert_int_equal(__atomic_add_fetch(&readers, 1, __ATOMIC_RELAXED) > 0, 1);
    assert_int_equal(__atomic_load_n(&writers, __ATOMIC_RELAXED), 0);
    assert_true(value >= 0);
    __atomic_sub_fetch(&readers, 1, __ATOMIC_RELAXED);
}

static void change_it(void)
{
    assert_int_equal(__atomic_add_fetch(&writers, 1, __ATOMIC_RELAXED), 1);
    assert_int_equal(__atomic_load_n(&readers, __ATOMIC_RELAXED), 0);
    value++;
    __atomic_sub_fetch(&writers, 1, __ATOMIC_RELAXED);
}

static int reads(const void *arg, void *result)
{
    (void)result;
    for (long i = *(const long *)arg; i > 0; i--)
        CHENG_WITH_READ(&rwlock)
    look_around();
    return 0;
}

static int writes(const void *arg, void *result)
{
    (void)result;
    for (long i = *(const long *)arg; i > 0; i--)
        CHENG_WITH_WRITE(&rwlock)
    change_it();
    return 0;
}

static int reads_until(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_rwlock_acquire_read_until(&rwlock, cheng_after(*(const long *)arg));
    if (rc == -ETIMEDOUT)
        return 0;
    assert_int_equal(rc, 0);
    look_around();
    return cheng_rwlock_release_read(&rwlock);
}

static int writes_until(const void *arg, void *result)
{
    (void)result;
    int rc = cheng_rwlock_acquire_write_until(&rwlock, cheng_after(*(const long *)arg));
    if (rc == -ETIMEDOUT)
        return 0;
    assert_int_equal(rc, 0);
    change_it();
    return cheng_rwlock_release_write(&rwlock);
}

static void is_free(void)
{
    assert_int_equal(rwlock.readers, 0);
    assert_int_equal(cheng_rwlock_acquire_write_until(&rwlock, CHENG_NOW), 0);
    assert_int_equal(cheng_rwlock_release_write(&rwlock), 0);
}

EXPLORED(a_reader_and_a_writer)
{
    cheng_task *a = start(CHENG_THREAD, reads, 2), *b = start(CHENG_THREAD, writes, 1);
    finish(a);
    finish(b);
    is_free();
}

EXPLORED(two_readers_and_a_writer)
{
    cheng_task *a = start(CHENG_THREAD, reads, 1), *b = start(CHENG_COROUTINE, reads, 1),
               *c = start(CHENG_THREAD, writes, 1);
    finish(a);
    finish(b);
    finish(c);
    is_free();
}

EXPLORED(a_reader_and_two_writers)
{
    cheng_task *a = start(CHENG_THREAD, writes, 1), *b = start(CHENG_COROUTINE, writes, 1),
               *c = start(CHENG_THREAD, reads, 1);
    finish(a);
    finish(b);
    finish(c);
    is_free();
}

/* The writer waits for the last of them, whatever wakes it before. */
EXPLORED_WITH(readers_leave_one_by_one, .inside = true, .spurious = 1)
{
    for (int i = 0; i < 2; i++)
        cheng_rwlock_acquire_read(&rwlock);
    __atomic_store_n(&readers, 2, __ATOMIC_RELAXED);
    cheng_task *a = start(CHENG_THREAD, writes, 1);
    for (int i = 0; i < 2; i++) {
        __atomic_sub_fetch(&readers, 1, __ATOMIC_RELAXED);
        assert_int_equal(cheng_rwlock_release_read(&rwlock), 0);
    }
    finish(a);
    is_free();
}

/* A writer that gives up lets readers in again. */
EXPLORED(a_writer_with_a_deadline)
{
    cheng_task *a = start(CHENG_THREAD, reads, 2), *b = start(CHENG_THREAD, writes_until, 1000000);
    finish(a);
    assert_int_equal(finish(b), 0);
    is_free();
}

EXPLORED(a_reader_with_a_deadline)
{
    cheng_task *a = start(CHENG_THREAD, writes, 2), *b = start(CHENG_THREAD, reads_until, 1000000);
    finish(a);
    assert_int_equal(finish(b), 0);
    is_free();
}

EXPLORED(deadlines_and_a_reader)
{
    cheng_task *a = start(CHENG_THREAD, writes_until, 1000000),
               *b = start(CHENG_COROUTINE, reads_until, 1000000), *c = start(CHENG_THREAD, reads, 1);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    finish(c);
    is_free();
}

/* A cancel does not reach who acquires. */
EXPLORED(a_cancel)
{
    cheng_task *a = start(CHENG_THREAD, writes, 1), *b = start(CHENG_COROUTINE, reads, 1);
    cheng_cancel(a);
    cheng_cancel(b);
    finish(a);
    finish(b);
    is_free();
}
