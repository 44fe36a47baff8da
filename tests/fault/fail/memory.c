/* Scenarios: arenas and what lies in them. */
#include <cheng.h>

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

#define NEW_ERRORS                                                                                           \
    ENOMEM, EIO, EMFILE, ENFILE, ENOSPC, EACCES, EUSERS, ENOLCK, EFBIG, EPERM, ENOSYS, EOPNOTSUPP, EROFS,    \
        EEXIST, ENOENT

/* Also in the children of the process; the driver removes what one that died has left. */
static const char *name_of(void)
{
    static char name[64];
    if (name[0] == '\0')
        snprintf(name, sizeof name, "/cheng-fail-%d", (int)getpid());
    return name;
}

SCENARIO(arena, NEW_ERRORS)
{
    cheng_arena *arena;
    int rc = cheng_arena_new(&arena, 1 << 16, NULL);
    if (rc < 0)
        return rc;
    void *block = cheng_arena_alloc(arena, 100);
    expect(block != NULL && cheng_arena_release(arena, block) == 0);
    expect(cheng_arena_free(arena) == 0);
    return 0;
}

static int named(void)
{
    cheng_arena *arena;
    const char *name = name_of();
    int rc = cheng_arena_new(&arena, 1 << 16, &(cheng_arena_options){ .name = name });
    if (rc < 0)
        return expect(cheng_arena_unlink(name) < 0), rc;
    expect(cheng_arena_new(&arena, 1 << 16, &(cheng_arena_options){ .name = name }) < 0);
    expect(cheng_arena_free(arena) == 0);
    rc = cheng_arena_attach(&arena, name);
    if (rc == 0) {
        expect(cheng_arena_alloc(arena, 100) != NULL);
        expect(cheng_arena_free(arena) == 0);
    }
    int unlinked = cheng_arena_unlink(name);
    if (unlinked < 0) /* the failure has struck: now it works */
        expect(cheng_arena_unlink(name) == 0);
    return rc < 0 ? rc : unlinked;
}

SCENARIO_(named, arena_named, .promised = { NEW_ERRORS, EBADMSG, ELOOP })
HANDICAPPED(arena_named_old_kernel, named, "linkat", "chengi_sys_arena_publish", 0, ENOENT, NEW_ERRORS,
            EBADMSG, ELOOP)

/* ---- shared objects, used by two tasks ---- */

struct shared {
    cheng_lock lock;
    cheng_condition changed;
    cheng_event begun;
    cheng_semaphore units;
    uint32_t stage;
};

static int visitor(const void *arg, void *result)
{
    struct shared *m = *(struct shared *const *)arg;
    (void)result;
    cheng_event_set(&m->begun);
    int rc = cheng_lock_acquire_until(&m->lock, cheng_after(2 * CHENG_SECOND));
    if (rc < 0)
        return rc;
    while (rc == 0 && m->stage == 0)
        rc = cheng_condition_wait_until(&m->changed, &m->lock, cheng_after(2 * CHENG_SECOND));
    cheng_lock_release(&m->lock);
    cheng_semaphore_release(&m->units, 1);
    return rc;
}

static int meet(struct shared *m, enum cheng_kind kind)
{
    cheng_task *task;
    int status = 0, rc = cheng_lock_acquire_until(&m->lock, CHENG_FOREVER);
    expect(rc == 0);
    rc = cheng_start(&task, kind, visitor, &m, sizeof m, NULL);
    if (rc == 0)
        rc = cheng_event_wait_until(&m->begun, cheng_after(2 * CHENG_SECOND));
    int slept = cheng_sleep(2 * CHENG_MILLISECOND);
    cheng_lock_release(&m->lock);
    if (rc < 0)
        return rc;
    expect(slept == 0 && cheng_sleep(2 * CHENG_MILLISECOND) == 0);
    expect(cheng_lock_acquire_until(&m->lock, cheng_after(2 * CHENG_SECOND)) == 0);
    m->stage = 1;
    cheng_condition_notify(&m->changed, 1);
    cheng_lock_release(&m->lock);
    expect(cheng_semaphore_acquire_until(&m->units, cheng_after(2 * CHENG_SECOND)) == 0);
    expect(cheng_semaphore_acquire_until(&m->units, cheng_after(CHENG_MILLISECOND)) == -ETIMEDOUT);
    expect(cheng_join(task, &status) == 0);
    cheng_task_free(task);
    return status;
}

static int meet_in_arena(enum cheng_kind kind)
{
    cheng_arena *arena;
    int rc = cheng_arena_new(&arena, 1 << 16, NULL);
    if (rc < 0)
        return rc;
    struct shared *m = cheng_arena_alloc(arena, sizeof *m);
    expect(m != NULL && cheng_lock_share(arena, &m->lock) == 0 &&
           cheng_condition_share(arena, &m->changed) == 0);
    expect(cheng_event_share(arena, &m->begun) == 0 && cheng_semaphore_share(arena, &m->units, 0) == 0);
    rc = meet(m, kind);
    expect(cheng_arena_free(arena) == 0);
    return rc;
}

SCENARIO(shared_thread, NEW_ERRORS, EAGAIN)
{
    return meet_in_arena(CHENG_THREAD);
}

HANDICAPPED(shared_thread_no_waitv, shared_thread, "syscall", "chengi_host_wait_many", 0, ENOSYS, NEW_ERRORS,
            EAGAIN)

static int in_run(cheng_fn *function)
{
    int status = 0, rc = cheng_run(&status, function, NULL, 0);
    return rc < 0 ? rc : status;
}

static int shared_within(const void *arg, void *result)
{
    (void)arg, (void)result;
    return meet_in_arena(CHENG_COROUTINE);
}

SCENARIO(shared_coroutine, NEW_ERRORS)
{
    return in_run(shared_within);
}

HANDICAPPED(shared_coroutine_no_waitv, shared_coroutine, "syscall", "chengi_host_wait_many", 0, ENOSYS,
            NEW_ERRORS)

/* ---- a queue in an arena ---- */

static int take_one(const void *arg, void *result)
{
    int item = 0,
        rc = cheng_queue_get_until(*(cheng_queue *const *)arg, &item, cheng_after(2 * CHENG_SECOND));
    (void)result;
    return rc == 0 && item != 7 ? -EIO : rc;
}

SCENARIO(shared_queue, NEW_ERRORS, EAGAIN)
{
    cheng_arena *arena;
    cheng_queue *queue = NULL;
    cheng_task *task;
    int item = 7, status = 0, rc = cheng_arena_new(&arena, 1 << 16, NULL);
    if (rc < 0)
        return rc;
    rc = cheng_queue_new(&queue, sizeof item, &(cheng_queue_options){ .capacity = 1, .arena = arena });
    if (rc == 0)
        rc = cheng_start(&task, CHENG_THREAD, take_one, &queue, sizeof queue, NULL);
    if (rc == 0) {
        expect(cheng_sleep(2 * CHENG_MILLISECOND) == 0);
        expect(cheng_queue_put(queue, &item) == 0);
        expect(cheng_join(task, &status) == 0);
        cheng_task_free(task);
        expect(cheng_queue_put(queue, &item) == 0);
        expect(cheng_queue_put_until(queue, &item, cheng_after(CHENG_MILLISECOND)) == -ETIMEDOUT);
    }
    cheng_queue_free(queue);
    expect(cheng_arena_used(arena) == 0);
    expect(cheng_arena_free(arena) == 0);
    return rc < 0 ? rc : status;
}

/* ---- processes ---- */

/* A child takes the lock and dies with it. Without a row of its own it has no part in the arena, until it
 * attaches again. */
static int child_of(cheng_arena *arena, cheng_lock *lock)
{
    cheng_arena *again;
    int rc = cheng_lock_acquire_until(lock, cheng_after(CHENG_SECOND));
    if (rc == -EOPNOTSUPP) {
        expect(cheng_arena_attach(&again, name_of()) == 0 && again == arena);
        rc = cheng_lock_acquire_until(lock, cheng_after(CHENG_SECOND));
    }
    return rc;
}

SCENARIO(arena_fork, NEW_ERRORS, EBADMSG)
{
    cheng_arena *arena;
    const char *name = name_of();
    int status, rc = cheng_arena_new(&arena, 1 << 16, &(cheng_arena_options){ .name = name });
    if (rc < 0)
        return rc;
    cheng_lock *lock = cheng_arena_alloc(arena, sizeof *lock);
    expect(lock != NULL && cheng_lock_share(arena, lock) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(-child_of(arena, lock));
    expect(waitpid(child, &status, 0) == child && status == 0);
    expect(cheng_lock_acquire_until(lock, cheng_after(CHENG_SECOND)) == -EOWNERDEAD);
    expect(cheng_lock_release(lock) == 0);
    while (cheng_arena_unlink(name) < 0)
        ;
    expect(cheng_arena_free(arena) == 0);
    return 0;
}
