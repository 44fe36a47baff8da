/* cheng/arena.h: memory that processes share (Python: multiprocessing.shared_memory, and what its
 * Manager does with a server).
 *
 * An arena is one mapping with an allocator and a table of the processes that attach it. Objects that
 * lie in one (locks, semaphores, events, conditions: cheng_..._share; queues: their .arena option) work
 * between all of them. A process that is killed loses at most what it held: locks answer -EOWNERDEAD,
 * queues repair themselves, memory that was being allocated goes back.
 *
 * @code
 * cheng_arena *arena;
 * if (cheng_arena_new(&arena, 1 << 20, NULL) == 0) {
 *     cheng_lock *lock = (cheng_lock *)cheng_arena_alloc(arena, sizeof *lock);
 *     if (lock != NULL && cheng_lock_share(arena, lock) == 0) {
 *         CHENG_WITH(lock) {
 *         }
 *     }
 *     cheng_arena_free(arena);
 * }
 * @endcode
 *
 * A child made by fork inherits the arena at the same address and takes a row of its own; if it gets none, its
 * calls answer -EOPNOTSUPP until it attaches the arena by name. Unrelated processes attach by name, at an address
 * of their own: keep offsets, not pointers, in shared memory.
 *
 * No thread of a process can be told dead from here: a shared lock whose owner ended without releasing
 * it is recovered by the next waiter of the same process, or once the process ends.
 *
 *   error      from               meaning
 *   -EINVAL    new, free, unlink  size too small or too large, bad name, not an arena
 *   -EEXIST    new                the name is taken
 *   -ENOENT    attach, unlink     no arena of that name
 *   -EACCES    attach             it belongs to another user
 *   -EBADMSG   attach             not an arena, another version, or corrupted
 *   -EUSERS    attach             the table of participants is full
 *   -EMFILE    new, attach        no more descriptors, or 256 arenas are attached
 *   -EBUSY     free               objects of the caller's process still use it
 *   -ENOLCK    new, attach        the system has no more record locks
 *   -ENOMEM, -ENFILE, -ENOSPC, -EACCES, -EPERM, -EIO, ... as the system means them */
#ifndef CHENG_ARENA_H
#define CHENG_ARENA_H

#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cheng_arena cheng_arena;

typedef struct cheng_arena_options {
    const char *name;     /* other processes may attach by it ("/jobs"); NULL: only children by fork */
    cheng_duration bound; /* how long a wait in it sleeps before it looks for deaths; 0: 250 ms */
} cheng_arena_options;

/* Makes an arena of `size` bytes of usable memory at the least (a page at the least; memory is used
 * only as it is touched) and attaches the caller. Does not block. */
CHENG_API CHENG_NODISCARD int cheng_arena_new(cheng_arena **out, size_t size,
                                              const cheng_arena_options *options);

/* Attaches the arena of that name. Attaching again shares the first attachment: each attach and new is
 * undone by a free of its own. */
CHENG_API CHENG_NODISCARD int cheng_arena_attach(cheng_arena **out, const char *name);

/* Detaches the calling process. The memory goes with the last process that has it. The name does not:
 * cheng_arena_unlink. NULL is allowed. */
CHENG_API int cheng_arena_free(cheng_arena *arena);

/* Removes the name; whoever is attached stays so. 0 or -ENOENT. */
CHENG_API int cheng_arena_unlink(const char *name);

/* `size` bytes, zeroed, aligned to 16; NULL when the arena is full or corrupted. Blocks only while
 * another allocates; recovers from one that was killed at it. Any thread, any process. */
CHENG_API void *cheng_arena_alloc(cheng_arena *arena, size_t size);

/* Gives a block back. 0, or -EINVAL for what is not an allocated block of this arena (also: freed
 * already). NULL is allowed. */
CHENG_API int cheng_arena_release(cheng_arena *arena, void *block);

/* Bytes in allocated blocks: exact while nobody allocates. */
CHENG_API size_t cheng_arena_used(const cheng_arena *arena);

/* One offset that the processes agree on: where to find the first object. 0 until it is set. */
CHENG_API void cheng_arena_set_root(cheng_arena *arena, const void *object);
CHENG_API void *cheng_arena_root(const cheng_arena *arena);

#ifdef __cplusplus
}
#endif
#endif
