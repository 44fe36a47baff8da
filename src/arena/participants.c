/* The table of participants: who is attached, and who of them is alive.
 *
 * A participant holds a record lock on its row's byte of the file for as long as it is attached. The kernel
 * drops it with the process, however that ends, and with an exec (the descriptor is close-on-exec). Pids would
 * not do: they are reused, and a zombie still answers.
 *
 *   takes a row                          asks about word w = (row, generation)
 *   1 locks the byte (fails: next row)   a reads the row: another generation: w is dead
 *   2 stores the row: generation + 1     b asks for the lock: free: w is dead
 *   3 uses its word
 *
 * Killed between 1 and 2, it leaves the old generation, whose owner is as dead as before. If (a) finds the
 * generation of w, then 2 was before it, so the byte was locked by w since before; if then (b) finds the lock
 * free, w has ended. (b) may find it held by a later taker: the answer is "alive" until that one's step 2, then
 * (a) finds the other generation. So dead is never said of the living, and soon of the dead. */
#include <errno.h>

#include "arena/layout.h"
#include "arena/sys_arena.h"

enum { GENERATIONS = 0xfffe, ROW_SHIFT = 2, ROW_MASK = 0x3fff, GENERATION_SHIFT = 16, FLAGS = 3 };

static uint32_t row_of(uint32_t word)
{
    return word >> ROW_SHIFT & ROW_MASK;
}

static int try_row(struct cheng_arena *arena, uint32_t row)
{
    int rc = chengi_sys_row_lock(arena->fd, row);
    if (rc < 0)
        return rc;
    uint64_t *entry = &chengi_rows(arena)[row];
    uint32_t generation = chengi_row_generation(load_relaxed(entry)) % GENERATIONS + 1;
    store_release(entry, chengi_row_make(generation, chengi_sys_pid())); /* partner: participant_dead */
    store_relaxed(&arena->word, generation << GENERATION_SHIFT | row << ROW_SHIFT);
    return 0;
}

/* Rows are taken in turn, so that a generation comes round only after a thousand million participants. First
 * those that were given back, then also those whose owner may be dead: that costs a system call each. */
int chengi_row_take(struct cheng_arena *arena)
{
    uint32_t rows = arena->rows - 1;
    uint32_t start = __atomic_fetch_add(&chengi_header(arena)->next_row, 1, __ATOMIC_RELAXED) % rows;
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < rows; i++) {
            uint32_t row = 1 + (start + i) % rows;
            if (round == 0 && chengi_row_pid(load_relaxed(&chengi_rows(arena)[row])) != 0)
                continue;
            int rc = try_row(arena, row);
            if (rc != -EAGAIN)
                return rc;
        }
    return -EUSERS;
}

/* The lock itself goes when the descriptor is closed, after this. */
void chengi_row_give_back(struct cheng_arena *arena)
{
    uint64_t *entry = &chengi_rows(arena)[row_of(arena->word)];
    if (arena->word != 0)
        store_release(entry, chengi_row_make(arena->word >> GENERATION_SHIFT, 0));
}

bool chengi_arena_participant_plausible(const struct arena_view *view, uint32_t word)
{
    uint32_t generation = word >> GENERATION_SHIFT;
    return row_of(word) != 0 && row_of(word) < view->arena->rows && generation != 0 &&
           generation <= GENERATIONS;
}

bool chengi_arena_participant_dead(const struct arena_view *view, uint32_t word)
{
    if ((word & ~FLAGS) == view->word)
        return false; /* F_GETLK does not tell of our own locks */
    if (!chengi_arena_participant_plausible(view, word))
        return true;
    uint64_t entry = load_acquire(&chengi_rows(view->arena)[row_of(word)]); /* partner: try_row */
    if (chengi_row_generation(entry) != word >> GENERATION_SHIFT)
        return true;
    return !chengi_sys_row_held(view->arena->fd, row_of(word));
}

uint32_t chengi_arena_participant_pid(const struct arena_view *view, uint32_t word)
{
    if (!chengi_arena_participant_plausible(view, word))
        return 0;
    uint64_t entry = load_acquire(&chengi_rows(view->arena)[row_of(word)]);
    return chengi_row_generation(entry) == word >> GENERATION_SHIFT ? chengi_row_pid(entry) : 0;
}
