/* The arena, as the layers above see it: from an object in shared memory to its arena, and who is alive.
 *
 * An object in an arena carries a kind word: how many pages back the arena's header lies, and what the object
 * is. So a pointer and the word beside it lead to the header without any table, at whatever address the
 * process has the arena; only then is the header looked for among this process's attachments, so that a
 * corrupted kind word is an error and never a wild access.
 *
 * A participant is an attached process. Its word, which it leaves in what it owns:
 *
 *   bits 0-1    0: room for two flags of the object
 *   bits 2-15   its row in the arena's table of participants; never 0
 *   bits 16-31  the row's generation, 1 to 0xfffe: a later user of the row is a stranger
 *
 * docs/design/shared.md has the layouts and the arguments. */
#ifndef CHENG_ARENA_ARENA_H
#define CHENG_ARENA_ARENA_H

#include <cheng/arena.h>

#include <stddef.h>

#include "base/compiler.h"

enum arena_tag {
    CHENGI_ARENA_LOCK = 1,
    CHENGI_ARENA_CONDITION = 2,
    CHENGI_ARENA_EVENT = 3,
    CHENGI_ARENA_SEMAPHORE = 4,
    CHENGI_ARENA_RING = 5,
    CHENGI_ARENA_WAIT_GROUP = 6,
    CHENGI_ARENA_TAGS = 7
};

enum { CHENGI_ARENA_SITE_MAX = 256 };

struct arena_header;

/* What a primitive needs of its arena. Valid until the process detaches. */
struct arena_view {
    cheng_arena *arena;
    struct arena_header *header;
    uint32_t word;    /* this process's participant word */
    int64_t bound_ns; /* no sleep on a word of this arena is longer */
};

/* The kind word of an object that lies in the arena; never 0. 0: it does not lie in its blocks. */
uint32_t chengi_arena_kind(cheng_arena *arena, const void *object, enum arena_tag tag);

static inline enum arena_tag chengi_arena_tag(uint32_t kind)
{
    return (enum arena_tag)(kind & 0xff);
}

/* From an object and its kind word to its arena. 0; -EBADMSG: the kind word or the header is corrupted;
 * -EOPNOTSUPP: no arena of this process. Lock-free, async-signal-safe; a few nanoseconds when a thread asks for
 * the same arena again. */
int chengi_arena_locate(const void *object, uint32_t kind, struct arena_view *view);

/* Whether an object lies in an arena of this process: the slow path's check of private objects (kind 0). */
bool chengi_arena_contains(const void *object);

/* Whether the participant that left this word (flags are ignored) is gone. Costs a system call. False when in
 * doubt. Once true for a word it stays true. */
bool chengi_arena_participant_dead(const struct arena_view *view, uint32_t word);

/* Whether a word could be a participant's at all; false means corruption. */
bool chengi_arena_participant_plausible(const struct arena_view *view, uint32_t word);

/* The pid behind a word, for reports; 0 when it is gone or unknown. */
uint32_t chengi_arena_participant_pid(const struct arena_view *view, uint32_t word);

/* The view of an attached arena: for who makes objects in it. 0 or -EOPNOTSUPP. */
int chengi_arena_view(cheng_arena *arena, struct arena_view *view);

/* Where an object of `size` bytes lies at `offset`, or NULL when that is not wholly inside the blocks. */
void *chengi_arena_at(const struct arena_view *view, uint64_t offset, size_t size);

/* Private handles that lie over an arena keep it attached: cheng_arena_free answers -EBUSY. */
void chengi_arena_hold(cheng_arena *arena);
void chengi_arena_unhold(cheng_arena *arena);

/* A call site, a string literal, as a number that every process of the arena can read, CHENGI_ARENA_SITE_MAX at
 * the most; 0 when the table is full. Text comes back cut to its last 55 characters. */
uint32_t chengi_arena_site(const struct arena_view *view, const char *site);
bool chengi_arena_site_text(const struct arena_view *view, uint32_t site, char *text, size_t room);

/* For tests: an arena whose table has `rows` rows, row 0 (nobody's) included. */
int chengi_arena_new_with_rows(cheng_arena **out, size_t size, const cheng_arena_options *options,
                               unsigned rows);

#endif
