/* The lock for readers and writers: a gate, which is a lock, and a count.
 *
 *   readers
 *   bit 31     WRITER  who holds the gate writes, or waits for the readers to leave: no others come in
 *   bits 0-30  how many read
 *
 *   from            to              by
 *   n               n + 1           a reader
 *   n [, WRITER]    n - 1 [, WRITER]  a reader that leaves; who leaves WRITER alone wakes the writer
 *   n               n, WRITER       the gate's holder; with n = 0 it writes
 *   WRITER          0               the writer, when it is done: nobody else may change it then
 *   n, WRITER       n               a writer that gives up; a reader that found the gate's owner dead
 *
 * WRITER is set and cleared by who holds the gate. Who finds it set and wants to read goes through the gate, where it
 * waits for the writer as for a lock: in turn, with a deadline, known to the graph of waits, told of its death. With
 * the gate in hand there is no writer; it counts itself and lets the gate go to the next. What need not wait is in
 * the header too, inlined.
 *
 *   writer (has the gate)                  last reader
 *   WRITER, n readers                      n - 1 = 0, and sees WRITER
 *   parks while the word is as it left it  wakes
 *
 * Both change one word, so either the writer sees 0 readers or the last of them sees WRITER. */
#include <cheng/rwlock.h>

#include <errno.h>

#include "arena/arena.h"
#include "base/compiler.h"
#include "base/deadline.h"
#include "park/park.h"
#include "sync/lock.h"

#undef cheng_lock_release
#undef cheng_rwlock_acquire_read
#undef cheng_rwlock_acquire_read_until
#undef cheng_rwlock_acquire_write
#undef cheng_rwlock_acquire_write_until
#undef cheng_rwlock_release_read
#undef cheng_rwlock_release_write

_Static_assert(sizeof(cheng_rwlock) == 24, "a lock and a count");

static const uint32_t WRITER = UINT32_C(1) << 31, MOST = (UINT32_C(1) << 31) - 1;

/* acquire: partner is the writer that left. False: one is there; or there are too many readers. */
static bool count_in(cheng_rwlock *rwlock)
{
    uint32_t readers = load_relaxed(&rwlock->readers);
    while (readers < MOST)
        if (cas_acquire(&rwlock->readers, &readers, readers + 1))
            return true;
    return false;
}

int chengi_rwlock_acquire_read_until_at(cheng_rwlock *rwlock, cheng_deadline deadline, const char *site)
{
    if (likely(count_in(rwlock)))
        return 0;
    int rc = chengi_lock_acquire_until_at(&rwlock->gate, deadline, site);
    if (rc < 0 && rc != -EOWNERDEAD)
        return rc;
    if (rc == -EOWNERDEAD)
        __atomic_fetch_and(&rwlock->readers, MOST, __ATOMIC_RELAXED); /* its WRITER; the gate orders */
    if (!count_in(rwlock))
        rc = -EOVERFLOW;
    cheng_lock_release(&rwlock->gate);
    return rc;
}

/* With the gate in hand: bars the way, and waits until nobody reads. */
static int wait_for_readers(cheng_rwlock *rwlock, cheng_deadline deadline, const char *site)
{
    const struct why why = { CHENGI_WAIT_READERS, rwlock, site };
    uint32_t readers = 0;
    if (likely(cas_acquire(&rwlock->readers, &readers, WRITER))) /* partner: the readers' release */
        return 0;
    if (chengi_arena_contains(rwlock))
        return -EINVAL;
    int rc = (readers & MOST) != 0 && chengi_is_now(deadline) ? -EAGAIN : 0;
    if (rc == 0)
        readers = __atomic_or_fetch(&rwlock->readers, WRITER, __ATOMIC_ACQUIRE);
    while (readers != WRITER && rc == 0) {
        rc = chengi_park(&rwlock->readers, readers, deadline.at_ns, &why, CHENGI_PARK_UNCANCELLABLE);
        readers = load_acquire(&rwlock->readers);
    }
    if (readers == WRITER)
        return 0; /* also with the deadline */
    /* nothing was written; nor is the way barred any more if a writer that a fork left behind had done so */
    __atomic_fetch_and(&rwlock->readers, MOST, __ATOMIC_RELAXED);
    return rc;
}

int chengi_rwlock_acquire_write_until_at(cheng_rwlock *rwlock, cheng_deadline deadline, const char *site)
{
    int rc = chengi_lock_acquire_until_at(&rwlock->gate, deadline, site);
    if (rc < 0 && rc != -EOWNERDEAD)
        return rc;
    int waited = wait_for_readers(rwlock, deadline, site);
    if (waited < 0)
        cheng_lock_release(&rwlock->gate);
    return waited < 0 ? waited : rc;
}

void chengi_rwlock_wait_for_readers_at(cheng_rwlock *rwlock, const char *site)
{
    chengi_lock_insist(&rwlock->gate, wait_for_readers(rwlock, CHENG_FOREVER, site), site);
}

void chengi_rwlock_acquire_read_at(cheng_rwlock *rwlock, const char *site)
{
    int rc = chengi_rwlock_acquire_read_until_at(rwlock, CHENG_FOREVER, site);
    chengi_lock_insist(&rwlock->gate, rc, site);
}

void chengi_rwlock_acquire_write_at(cheng_rwlock *rwlock, const char *site)
{
    chengi_lock_acquire_at(&rwlock->gate, site);
    chengi_rwlock_wait_for_readers_at(rwlock, site);
}

void cheng_rwlock_acquire_read(cheng_rwlock *rwlock)
{
    chengi_rwlock_acquire_read_at(rwlock, NULL);
}

int cheng_rwlock_acquire_read_until(cheng_rwlock *rwlock, cheng_deadline deadline)
{
    return chengi_rwlock_acquire_read_until_at(rwlock, deadline, NULL);
}

void cheng_rwlock_acquire_write(cheng_rwlock *rwlock)
{
    chengi_rwlock_acquire_write_at(rwlock, NULL);
}

int cheng_rwlock_acquire_write_until(cheng_rwlock *rwlock, cheng_deadline deadline)
{
    return chengi_rwlock_acquire_write_until_at(rwlock, deadline, NULL);
}

int cheng_rwlock_release_read(cheng_rwlock *rwlock)
{
    uint32_t readers = load_relaxed(&rwlock->readers);
    do
        if ((readers & MOST) == 0)
            return -EPERM;
    while (!cas_release(&rwlock->readers, &readers, readers - 1)); /* partner: the writer's acquire */
    if (readers - 1 == WRITER)
        chengi_unpark(&rwlock->readers, 1); /* only an address here: the writer may be through by now */
    return 0;
}

int cheng_rwlock_release_write(cheng_rwlock *rwlock)
{
    if (!chengi_lock_mine(&rwlock->gate))
        return -EPERM;
    store_release(&rwlock->readers, 0); /* partner: count_in */
    return cheng_lock_release(&rwlock->gate);
}
