/* Data races by happens-before. Each thread has a vector of clocks; each atomic word carries what its last release
 * knew; each 8 bytes of memory remember their last accesses. Two accesses to a byte of which one is a write, not both
 * atomic, race if neither's clock is known to the other's thread. (Sources: L. Lamport, 1978; Pozniansky, Schuster,
 * 2003; the C11 rules for release sequences and fences.) */
#include "host/explore/engine.h"

#include <string.h>

#define E chengi_engine

enum {
    GRANULES = 1 << 16, /* of 8 bytes, each with its accesses */
    CELLS = 6,
    WORDS = 1 << 12, /* atomic ones */
    WRITE = 1,
    ATOMIC = 2,
    FREE = 4 /* a write, by who frees */
};

/* An access, as long as it may still race with one to come. */
struct cell {
    uint32_t clock, pc; /* pc: from the program's image on */
    uint16_t who;
    uint8_t thread, mask, flags;
};

struct granule {
    uintptr_t key;
    uint32_t schedule; /* an entry of another is empty */
    uint32_t count;
    struct cell cells[CELLS];
};

/* What is known to who acquires from this word. */
struct word {
    uintptr_t key;
    uint32_t schedule;
    struct clock clock;
};

static struct granule granules[GRANULES];
static struct word words[WORDS];
static uint32_t schedule, granules_used, words_used;

void chengi_race_begin(void)
{
    if (++schedule == 0) { /* after four thousand million schedules */
        memset(granules, 0, sizeof granules);
        memset(words, 0, sizeof words);
        schedule = 1;
    }
    granules_used = words_used = 0;
}

static size_t hash(uintptr_t key, size_t size)
{
    return (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (size - 1);
}

/* NULL: there is none, and none is to be made. */
static struct granule *granule_of(uintptr_t key, bool make)
{
    for (size_t i = hash(key, GRANULES);; i = (i + 1) & (GRANULES - 1)) {
        struct granule *g = &granules[i];
        if (g->schedule != schedule) {
            if (!make)
                return NULL;
            if (++granules_used > GRANULES / 4 * 3)
                chengi_explore_fail(CHENG_EXPLORE_ERROR, 0, 0, "one schedule touches more than %d bytes",
                                    GRANULES / 4 * 3 * 8);
            g->schedule = schedule;
            g->key = key;
            g->count = 0;
            return g;
        }
        if (g->key == key)
            return g;
    }
}

static struct word *word_of(uintptr_t key, bool make)
{
    for (size_t i = hash(key >> 2, WORDS);; i = (i + 1) & (WORDS - 1)) {
        struct word *w = &words[i];
        if (w->schedule != schedule) {
            if (!make)
                return NULL;
            if (++words_used > WORDS / 4 * 3)
                chengi_explore_fail(CHENG_EXPLORE_ERROR, 0, 0, "one schedule has more than %d atomic words",
                                    WORDS / 4 * 3);
            w->schedule = schedule;
            w->key = key;
            memset(&w->clock, 0, sizeof w->clock);
            return w;
        }
        if (w->key == key)
            return w;
    }
}

/* ---- clocks ---- */

/* Clocks of threads that do not exist yet are never looked at, or are zero. */
static void join(struct clock *to, const struct clock *from)
{
    for (unsigned i = 0; i < E.thread_count; i++)
        if (to->at[i] < from->at[i])
            to->at[i] = from->at[i];
}

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

void chengi_race_load(uintptr_t address, int order)
{
    struct thread *self = E.current;
    const struct word *word = word_of(address, false);
    if (word == NULL)
        return;
    if (acquires(order)) {
        join(&self->clock, &word->clock);
    } else {
        join(&self->acquired, &word->clock);
        self->has_acquired = true;
    }
}

/* A store replaces what the word carries; an update continues the release sequence that it stands in. */
void chengi_race_store(uintptr_t address, int order, bool update)
{
    struct thread *self = E.current;
    const struct clock *carried = self->has_released ? &self->released : NULL;
    if (releases(order))
        carried = &self->clock;
    struct word *word = word_of(address, carried != NULL);
    if (word == NULL)
        return;
    if (!update)
        memset(&word->clock, 0, sizeof word->clock);
    if (carried != NULL)
        join(&word->clock, carried);
    if (releases(order))
        self->clock.at[self->id]++;
}

void chengi_race_fence(int order)
{
    struct thread *self = E.current;
    if (acquires(order) && self->has_acquired)
        join(&self->clock, &self->acquired);
    if (releases(order)) {
        self->released = self->clock;
        self->has_released = true;
        self->clock.at[self->id]++;
    }
}

void chengi_race_start(struct thread *parent, struct thread *child)
{
    join(&child->clock, &parent->clock);
    parent->clock.at[parent->id]++;
}

/* ---- accesses ---- */

static const char *name_of(unsigned flags)
{
    return flags & FREE                ? "a free"
           : flags == WRITE            ? "a write"
           : flags == (WRITE | ATOMIC) ? "an atomic write"
           : flags == ATOMIC           ? "an atomic read"
                                       : "a read";
}

static _Noreturn void race(const struct cell *cell, uintptr_t address, unsigned flags, uintptr_t pc)
{
    E.finding.other_pc = chengi_world_image() + cell->pc;
    bool freed = (cell->flags | flags) & FREE;
    chengi_explore_fail(freed ? CHENG_FOUND_USE_AFTER_FREE : CHENG_FOUND_RACE, pc, address,
                        "%s by %s and %s by %s, which nothing orders", name_of(cell->flags),
                        E.names[cell->who], name_of(flags), chengi_explore_name(E.current));
}

static void access_granule(uintptr_t key, unsigned mask, unsigned flags, uintptr_t address, uintptr_t pc)
{
    struct thread *self = E.current;
    struct granule *g = granule_of(key, !(flags & FREE)); /* freed memory is known without */
    const struct cell now = { self->clock.at[self->id],
                              (uint32_t)(pc - chengi_world_image()),
                              chengi_explore_fiber(self)->name,
                              self->id,
                              (uint8_t)mask,
                              (uint8_t)flags };
    struct cell *place = NULL;
    if (g == NULL)
        return;
    for (unsigned i = 0; i < g->count; i++) {
        struct cell *c = &g->cells[i];
        bool ordered = c->clock <= self->clock.at[c->thread];
        if (!ordered && (c->mask & mask) && ((c->flags | flags) & WRITE) && !(c->flags & flags & ATOMIC))
            race(c, address, flags, pc);
        /* superseded: whatever races with it races with the new one as well */
        if (ordered && !(c->mask & ~mask) && ((flags & WRITE) || !(c->flags & WRITE)) &&
            (!(flags & ATOMIC) || (c->flags & ATOMIC))) {
            if (place == NULL) {
                place = c;
            } else {
                *c = g->cells[--g->count];
                i--;
            }
        }
    }
    if (place == NULL && g->count < CELLS)
        place = &g->cells[g->count++];
    for (unsigned i = 0; place == NULL && i < CELLS; i++) /* no room: one cell for several bytes */
        if (g->cells[i].thread == now.thread && g->cells[i].clock == now.clock &&
            g->cells[i].flags == flags) {
            g->cells[i].mask |= (uint8_t)mask;
            return;
        }
    if (place == NULL) {
        place = &g->cells[self->step % CELLS];
        E.forgotten = true;
    }
    *place = now;
}

static void access_bytes(uintptr_t address, size_t size, unsigned flags, uintptr_t pc)
{
    while (size != 0 && !E.options.races) {
        unsigned offset = address & 7, n = 8 - offset < size ? 8 - offset : (unsigned)size;
        access_granule(address >> 3, ((1u << n) - 1) << offset, flags, address, pc);
        address += n;
        size -= n;
    }
}

void chengi_race_access(uintptr_t address, size_t size, bool write, bool atomic, uintptr_t pc)
{
    access_bytes(address, size, (write ? WRITE : 0) | (atomic ? ATOMIC : 0), pc);
}

void chengi_race_free(uintptr_t address, size_t size, uintptr_t pc)
{
    access_bytes(address, size, WRITE | FREE, pc);
}

void chengi_race_forget(uintptr_t address, size_t size)
{
    struct granule *g;
    for (uintptr_t key = address >> 3; key <= (address + size - 1) >> 3; key++)
        if ((g = granule_of(key, false)) != NULL)
            g->count = 0;
}
