/* Call sites that every process of an arena can read: a table of texts, found by their hash.
 *
 *   hash    text      meaning
 *   0       -         free; claimed by compare-and-swap with the hash
 *   h       other     its writer is at it, or was killed at it; whoever wants h writes the text again
 *   h       hash is h valid
 *
 * All who write a slot write the same bytes, so writing needs no owner; nothing is ever removed. When the slots
 * where a text may lie are taken, it is 0: reports then say nothing about the line. */
#include <string.h>

#include "arena/layout.h"

enum { PROBES = 8, TEXT_SIZE = ARENA_SITE_WORDS * 8, REMEMBERED = 8 };

union text {
    uint64_t words[ARENA_SITE_WORDS];
    char bytes[TEXT_SIZE];
};

/* What this thread asked for last: locks are taken at the same places again and again. */
static __thread struct remembered {
    const char *site;
    const struct cheng_arena *arena;
    uint32_t epoch, number;
} remembered[REMEMBERED] __attribute__((tls_model("initial-exec")));

static struct arena_site *table_of(const struct cheng_arena *arena)
{
    return (struct arena_site *)(void *)(arena->base + chengi_sites_at(arena->rows));
}

static uint64_t hash_of(const union text *text)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < ARENA_SITE_WORDS; i++)
        hash = chengi_mix(hash + text->words[i] + 1);
    return hash != 0 ? hash : 1;
}

/* Word by word with relaxed order: a torn text is noticed by its hash. */
static void read_text(const struct arena_site *slot, union text *text)
{
    for (unsigned i = 0; i < ARENA_SITE_WORDS; i++)
        text->words[i] = load_relaxed(&slot->text[i]);
}

static void write_text(struct arena_site *slot, const union text *text)
{
    for (unsigned i = 0; i < ARENA_SITE_WORDS; i++)
        store_relaxed(&slot->text[i], text->words[i]);
}

static uint32_t intern(const struct cheng_arena *arena, const char *site)
{
    union text text = { .words = { 0 } }, there;
    size_t length = strlen(site); /* a literal of ours */
    if (length > TEXT_SIZE - 1)
        site += length - (TEXT_SIZE - 1); /* the end has the line */
    strncpy(text.bytes, site, TEXT_SIZE - 1);
    uint64_t hash = hash_of(&text);
    for (uint32_t i = 0; i < PROBES; i++) {
        uint32_t index = (uint32_t)(hash + i) % ARENA_SITES;
        struct arena_site *slot = &table_of(arena)[index];
        uint64_t found = load_relaxed(&slot->hash);
        if (found == 0 && cas_relaxed(&slot->hash, &found, hash))
            found = hash;
        if (found != hash)
            continue;
        read_text(slot, &there);
        if (hash_of(&there) != hash)
            write_text(slot, &text);
        return index + 1;
    }
    return 0;
}

uint32_t chengi_arena_site(const struct arena_view *view, const char *site)
{
    if (site == NULL)
        return 0;
    struct remembered *slot = &remembered[chengi_mix((uintptr_t)site) % REMEMBERED];
    if (slot->site != site || slot->arena != view->arena || slot->epoch != view->arena->epoch)
        *slot = (struct remembered){ site, view->arena, view->arena->epoch, intern(view->arena, site) };
    return slot->number;
}

bool chengi_arena_site_text(const struct arena_view *view, uint32_t site, char *text, size_t room)
{
    union text there;
    if (site == 0 || site > ARENA_SITES || room == 0)
        return false;
    const struct arena_site *slot = &table_of(view->arena)[site - 1];
    read_text(slot, &there);
    if (hash_of(&there) != load_relaxed(&slot->hash) || there.bytes[TEXT_SIZE - 1] != '\0')
        return false;
    size_t length = strnlen(there.bytes, TEXT_SIZE);
    length = length < room ? length : room - 1;
    memcpy(text, there.bytes, length);
    text[length] = '\0';
    return true;
}
