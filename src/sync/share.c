/* Making the objects of this folder shared: they get the state that means "at rest", and then their kind word, so that
 * who finds an object shared finds it at rest, also if whoever shared it was killed in between. */
#include <cheng/condition.h>
#include <cheng/event.h>
#include <cheng/lock.h>
#include <cheng/once.h>
#include <cheng/rlock.h>
#include <cheng/semaphore.h>
#include <cheng/wait_group.h>

#include <errno.h>
#include <limits.h>

#include "arena/arena.h"
#include "sync/shared_lock.h"

/* The kind word of an object that lies in the arena with all its bytes; 0: it does not. */
static uint32_t kind_of(cheng_arena *arena, const void *object, size_t size, size_t align, enum arena_tag tag)
{
    const char *last = (const char *)object + size - 1;
    if ((uintptr_t)object % align != 0 || chengi_arena_kind(arena, last, tag) == 0)
        return 0;
    return chengi_arena_kind(arena, object, tag);
}

int cheng_lock_share(cheng_arena *arena, cheng_lock *lock)
{
    uint32_t kind = kind_of(arena, lock, sizeof *lock, _Alignof(cheng_lock), CHENGI_ARENA_LOCK);
    if (kind == 0)
        return -EINVAL;
    lock->holder = 0;
    lock->word = CHENGI_SHARED_FREE;
    store_release(&lock->kind, kind);
    return 0;
}

/* Its depth is written by each who acquires it. */
int cheng_rlock_share(cheng_arena *arena, cheng_rlock *rlock)
{
    if (kind_of(arena, rlock, sizeof *rlock, _Alignof(cheng_rlock), CHENGI_ARENA_LOCK) == 0)
        return -EINVAL;
    return cheng_lock_share(arena, &rlock->lock);
}

int cheng_once_share(cheng_arena *arena, cheng_once *once)
{
    if (kind_of(arena, once, sizeof *once, _Alignof(cheng_once), CHENGI_ARENA_LOCK) == 0)
        return -EINVAL;
    once->completed = 0;
    return cheng_lock_share(arena, &once->lock);
}

int cheng_wait_group_share(cheng_arena *arena, cheng_wait_group *group)
{
    uint32_t kind = kind_of(arena, group, sizeof *group, _Alignof(cheng_wait_group), CHENGI_ARENA_WAIT_GROUP);
    if (kind == 0)
        return -EINVAL;
    group->word = 0;
    store_release(&group->kind, kind);
    return 0;
}

int cheng_event_share(cheng_arena *arena, cheng_event *event)
{
    uint32_t kind = kind_of(arena, event, sizeof *event, _Alignof(cheng_event), CHENGI_ARENA_EVENT);
    if (kind == 0)
        return -EINVAL;
    event->word = 0;
    store_release(&event->kind, kind);
    return 0;
}

int cheng_semaphore_share(cheng_arena *arena, cheng_semaphore *semaphore, unsigned value)
{
    uint32_t kind =
        kind_of(arena, semaphore, sizeof *semaphore, _Alignof(cheng_semaphore), CHENGI_ARENA_SEMAPHORE);
    if (kind == 0 || value > INT_MAX)
        return -EINVAL;
    semaphore->value = value;
    semaphore->waiters = 0;
    semaphore->most = 0;
    store_release(&semaphore->kind, kind);
    return 0;
}

int cheng_condition_share(cheng_arena *arena, cheng_condition *condition)
{
    uint32_t kind =
        kind_of(arena, condition, sizeof *condition, _Alignof(cheng_condition), CHENGI_ARENA_CONDITION);
    if (kind == 0)
        return -EINVAL;
    condition->word = 0;
    store_release(&condition->kind, kind);
    return 0;
}
