/* What the tests of the arena begin with. */
#ifndef CHENG_TEST_ARENAS_H
#define CHENG_TEST_ARENAS_H

#include "arena/arena.h"
#include "arena/layout.h"
#include "unit/actors.h"
#include "unit/processes.h"

enum { SIZE = 1 << 20 };

static inline cheng_arena *make(size_t size)
{
    cheng_arena *arena = NULL;
    cheng_arena_options options = { .bound = 5 * CHENG_MILLISECOND };
    assert_int_equal(cheng_arena_new(&arena, size, &options), 0);
    assert_non_null(arena);
    return arena;
}

#endif
