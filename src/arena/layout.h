/* The layout of an arena's file, and this process's handle on it.
 *
 *   offset          what
 *   0               header: what is fixed at creation, then what changes
 *   4096            table of participants: a word for each row
 *   table + rows*8  table of call sites, at the next multiple of 4096
 *   blocks          blocks back to back, then an end mark; alloc.c
 *
 * What is fixed is validated once, at attach, and copied into the handle: nobody trusts it in the file again. */
#ifndef CHENG_ARENA_LAYOUT_H
#define CHENG_ARENA_LAYOUT_H

#include "arena/arena.h"
#include "base/mix.h"

#include <assert.h>

#define ARENA_MAGIC UINT64_C(0x31676e656843e7a8) /* 程, "Cheng1" */

enum {
    ARENA_VERSION = 1,
    ARENA_PAGE = 4096, /* of the layout and of kind words, whatever the machine's pages are */
    ARENA_UNIT = 16,   /* of blocks */
    ARENA_ROWS = 16384,
    ARENA_BINS = 32,
    ARENA_SITES = CHENGI_ARENA_SITE_MAX,
    ARENA_SITE_WORDS = 7
};
#define ARENA_SIZE_MAX (UINT64_C(1) << 36) /* 24 bits of pages */

struct arena_header {
    /* Fixed at creation. */
    uint64_t magic;
    uint32_t version;
    uint32_t rows;
    uint64_t size; /* of the file */
    int64_t bound_ns;
    uint64_t seed;  /* of the checks in block headers */
    uint64_t check; /* of all above */
    uint64_t unused[2];

    /* Anybody attached, at any time. */
    uint64_t root;     /* offset of the root object; 0: none */
    uint32_t next_row; /* where the next participant looks first; a hint */
    uint32_t unused2[13];

    /* The allocator's: its lock, and what only the lock's owner writes: a cache, but for `virgin`, which only
     * grows. */
    uint64_t heap __attribute__((aligned(CHENGI_CACHE_LINE))); /* state table in heap_lock.h */
    uint64_t used;                                             /* bytes in allocated blocks */
    uint64_t virgin;                                           /* all zero from here to the end mark */
    uint32_t bins[ARENA_BINS]; /* free blocks by the logarithm of their size */
    uint64_t unused3[5];
};
static_assert(sizeof(struct arena_header) <= ARENA_PAGE, "the header is one page");
static_assert(offsetof(struct arena_header, root) == CHENGI_CACHE_LINE,
              "what is fixed has a line of its own");

/* A row, in one word so that taking it is one store:
 *
 *   bits 0-15    generation of the last who took it
 *   bits 32-63   its pid, for reports; 0: given back
 *
 * May be written only by who holds the record lock on the row's byte of the file. */
static inline uint64_t chengi_row_make(uint32_t generation, uint32_t pid)
{
    return generation | (uint64_t)pid << 32;
}

static inline uint32_t chengi_row_generation(uint64_t row)
{
    return row & 0xffff;
}

static inline uint32_t chengi_row_pid(uint64_t row)
{
    return (uint32_t)(row >> 32);
}

/* A call site: its hash, which claims the slot, and its text. Who finds the hash without the text (its writer
 * was killed, or is at it) writes the same text again. */
struct arena_site {
    uint64_t hash;
    uint64_t text[ARENA_SITE_WORDS];
};

/* This process's handle. They lie in a static table and are recycled, never freed, so that lock-free readers
 * may look at one that is being detached.
 *
 *   base   meaning                         may set it
 *   0      not attached                    registry.c with its latch
 *   else   attached; the rest is valid     registry.c with its latch, as the last step (release) */
struct cheng_arena {
    uint8_t *base;
    uint64_t size;
    uint64_t seed;
    int64_t bound_ns;
    uint32_t rows;
    uint32_t word;  /* ours; 0: no row could be had after a fork */
    uint32_t epoch; /* tells users of this handle apart */
    int fd;         /* the one descriptor of the file in this process; -1: none */
    uint64_t device, inode;
    uint32_t references; /* of new and attach */
    uint32_t holds;      /* private handles over it */
    bool taken;
};

static inline struct arena_header *chengi_header(const struct cheng_arena *arena)
{
    return (struct arena_header *)(void *)arena->base;
}

static inline uint64_t *chengi_rows(const struct cheng_arena *arena)
{
    return (uint64_t *)(void *)(arena->base + ARENA_PAGE);
}

static inline uint64_t chengi_round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) / to * to;
}

static inline uint64_t chengi_sites_at(uint32_t rows)
{
    return ARENA_PAGE + chengi_round_up((uint64_t)rows * sizeof(uint64_t), ARENA_PAGE);
}

static inline uint64_t chengi_blocks_at(uint32_t rows)
{
    return chengi_sites_at(rows) + chengi_round_up(ARENA_SITES * sizeof(struct arena_site), ARENA_PAGE);
}

/* participants.c: 0, -EUSERS, or what the system says. The caller sees to it that no other thread of this
 * process does the same to this arena: record locks do not keep threads apart. */
int chengi_row_take(struct cheng_arena *arena);
void chengi_row_give_back(struct cheng_arena *arena);

/* alloc.c: writes the first block and the end mark into a fresh file. */
void chengi_heap_format(struct cheng_arena *arena);

#endif
