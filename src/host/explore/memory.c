/* The world: all memory that a schedule may change and that the next one must find as it was.
 *
 *   heap      a gigabyte for each thread, so that what one allocates does not depend on the others; freed memory is
 *             given out again in some schedules only
 *   pages     what chengi_host_map gives
 *   globals   .data and .bss of the program
 *
 * The hooks tell of each write before it happens. The first write to each 8 bytes logs what was there, and after the
 * schedule that is put back. What code without instrumentation writes is not seen, and stays. */
#include "host/explore/engine.h"

#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define E chengi_engine

static const uintptr_t world = UINT64_C(0x100000000000);
static const size_t heap_size = (size_t)THREADS << 30, pages_size = (size_t)32 << 30;
#define WORLD_SIZE (heap_size + pages_size)

enum { GRAIN = 16, CLASSES = 64, LOG = 1 << 22 };
enum { NEVER, LIVE = GRAIN, FREED }; /* of each grain of the heap; below LIVE: so many bytes of it */

/* Before each block of the heap. */
struct header {
    uint32_t size, magic;
    struct header *next; /* free, of the same class */
};
enum { MAGIC = 0x43e47b1d };
_Static_assert(sizeof(struct header) == GRAIN, "keeps blocks aligned");

/* A range that is put back. */
struct range {
    uintptr_t low;
    size_t size;
    bool *logged; /* each 8 bytes */
};

/* What was there. */
struct undo {
    uintptr_t address;
    uint64_t value;
};

static struct {
    struct range ranges[2]; /* the world, the globals */
    struct undo *log;
    size_t log_count;
    uint8_t *grains;
    uintptr_t next[THREADS], first[THREADS]; /* of the heap: next free; as the schedule begins */
    struct header *free[THREADS][CLASSES];
    uintptr_t next_page, first_page;
    uintptr_t freed[4096]; /* blocks from before the schedule: alive again after it */
    size_t freed_count;

    uintptr_t load, image, image_end; /* where the program was loaded; where it lies */
    uintptr_t tls_offset;             /* of the program's thread-locals, below the thread pointer */
    size_t tls_size, tls_image_size;
    const char *tls_image;
    char *tls_main; /* as the schedule begins */
} w;

static void *reserve(uintptr_t at, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at != 0 ? MAP_FIXED_NOREPLACE : 0);
    void *base = mmap((void *)at, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return base == MAP_FAILED ? NULL : base;
}

static bool add_range(struct range *range, uintptr_t low, size_t size)
{
    size += low % 8;
    *range = (struct range){ low - low % 8, size, reserve(0, size / 8 + 1) };
    return range->logged != NULL;
}

/* The program itself comes first; the others are left as they are. */
static int on_object(struct dl_phdr_info *info, size_t size, void *tls)
{
    uintptr_t low = UINTPTR_MAX, high = 0;
    (void)size;
    w.load = info->dlpi_addr;
    w.image = UINTPTR_MAX;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_TLS) {
            w.tls_size = p->p_memsz;
            w.tls_image = (const char *)at;
            w.tls_image_size = p->p_filesz;
            w.tls_offset = (uintptr_t)info->dlpi_tls_data - (uintptr_t)tls;
        }
        if (p->p_type != PT_LOAD)
            continue;
        w.image = at < w.image ? at : w.image;
        w.image_end = at + p->p_memsz > w.image_end ? at + p->p_memsz : w.image_end;
        if (!(p->p_flags & PF_W))
            continue;
        low = at < low ? at : low;
        high = at + p->p_memsz > high ? at + p->p_memsz : high;
    }
    return add_range(&w.ranges[1], low, high - low) ? 1 : -1;
}

int chengi_world_prepare(void)
{
    w.log = reserve(0, LOG * sizeof *w.log);
    w.grains = reserve(0, heap_size / GRAIN);
    if (w.log == NULL || w.grains == NULL || reserve(world, WORLD_SIZE) == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < THREADS; i++)
        w.next[i] = world + ((uintptr_t)i << 30);
    w.next_page = world + heap_size;
    if (!add_range(&w.ranges[0], world, WORLD_SIZE) ||
        dl_iterate_phdr(on_object, (void *)chengi_explore_tls()) != 1)
        return -ENOMEM;
    return 0;
}

uintptr_t chengi_world_load_address(void)
{
    return w.load;
}

uintptr_t chengi_world_image(void)
{
    return w.image;
}

bool chengi_world_is_program(uintptr_t pc)
{
    return pc - w.image < w.image_end - w.image;
}

/* ---- putting back ---- */

void chengi_world_dirty(uintptr_t address, size_t size)
{
    struct range *range = &w.ranges[address - w.ranges[0].low >= w.ranges[0].size];
    if (address - range->low >= range->size)
        return; /* a stack */
    for (size_t i = (address - range->low) / 8; i <= (address + size - 1 - range->low) / 8; i++) {
        if (range->logged[i])
            continue;
        if (w.log_count == LOG)
            chengi_explore_fail(CHENG_EXPLORE_ERROR, 0, 0, "one schedule writes more than %d bytes", LOG * 8);
        const uint64_t *at = (const uint64_t *)(range->low + i * 8);
        range->logged[i] = true;
        w.log[w.log_count++] = (struct undo){ (uintptr_t)at, *at };
    }
}

void chengi_world_begin(void)
{
    memcpy(w.first, w.next, sizeof w.first);
    w.first_page = w.next_page;
    if (w.tls_main == NULL)
        w.tls_main = malloc(w.tls_size + 1);
    if (w.tls_main != NULL)
        chengi_copy(w.tls_main, (const void *)(E.controller_tls + w.tls_offset), w.tls_size);
    memset(w.free, 0, sizeof w.free);
}

static void set_live(uintptr_t block, size_t size)
{
    uint8_t *grains = w.grains + (block - world) / GRAIN;
    memset(grains, LIVE, size / GRAIN);
    if (size % GRAIN != 0)
        grains[size / GRAIN] = size % GRAIN;
}

void chengi_world_restore(void)
{
    while (w.log_count > 0) {
        const struct undo *undo = &w.log[--w.log_count];
        const struct range *range = &w.ranges[undo->address - w.ranges[0].low >= w.ranges[0].size];
        *(uint64_t *)undo->address = undo->value;
        range->logged[(undo->address - range->low) / 8] = false;
    }
    for (unsigned i = 0; i < E.thread_count; i++) {
        if (w.next[i] != w.first[i])
            memset(w.grains + (w.first[i] - world) / GRAIN, NEVER, (w.next[i] - w.first[i]) / GRAIN + 1);
        w.next[i] = w.first[i];
        memset(w.free[i], 0, sizeof w.free[i]);
    }
    w.next_page = w.first_page;
    while (w.freed_count > 0) {
        const struct header *header = (const struct header *)w.freed[--w.freed_count] - 1;
        set_live(w.freed[w.freed_count], header->size);
    }
}

void chengi_world_main(uintptr_t tls)
{
    if (w.tls_main != NULL)
        chengi_copy((void *)(tls + w.tls_offset), w.tls_main, w.tls_size);
}

void chengi_world_thread(uintptr_t tls)
{
    char *to = (char *)(tls + w.tls_offset);
    chengi_copy(to, w.tls_image, w.tls_image_size);
    for (size_t i = w.tls_image_size; i < w.tls_size; i++)
        ((volatile char *)to)[i] = 0;
}

/* ---- the heap ---- */

static bool in_heap(uintptr_t address)
{
    return address - world < heap_size;
}

bool chengi_world_is_heap(const void *block)
{
    return in_heap((uintptr_t)block);
}

void chengi_world_check(uintptr_t address, size_t size, bool write, uintptr_t pc)
{
    if (likely(!in_heap(address)))
        return;
    for (uintptr_t grain = (address - world) / GRAIN; grain <= (address + size - 1 - world) / GRAIN;
         grain++) {
        if (w.grains[grain] == FREED)
            chengi_explore_fail(CHENG_FOUND_USE_AFTER_FREE, pc, address, "a %s of freed memory by %s",
                                write ? "write" : "read", chengi_explore_name(E.current));
        uintptr_t begins = world + grain * GRAIN, end = address + size - begins;
        if (w.grains[grain] < (end < GRAIN ? end : GRAIN))
            chengi_explore_fail(CHENG_FOUND_OUT_OF_BOUNDS, pc, address,
                                "a %s outside of every allocated block by %s", write ? "write" : "read",
                                chengi_explore_name(E.current));
    }
}

static unsigned class_of(size_t size)
{
    return size > (CLASSES - 1) * GRAIN ? 0 : (unsigned)((size + GRAIN - 1) / GRAIN);
}

static void *give(struct header *header, size_t size)
{
    uintptr_t block = (uintptr_t)(header + 1);
    header->size = (uint32_t)size;
    header->magic = MAGIC;
    set_live(block, size);
    if (E.running)
        chengi_race_forget(block, size);
    return (void *)block;
}

/* A grain of nothing lies between any two blocks. */
void *chengi_world_allocate(size_t size, size_t align)
{
    unsigned self = E.running ? E.current->id : 0, class = class_of(size);
    struct header *header;
    if (size == 0)
        size = 1;
    if (size >= (size_t)1 << 29 || align > 1 << 20)
        return NULL;
    if (E.running && E.failures_left > 0 && chengi_explore_choose(2, 10)) {
        E.failures_left--;
        return NULL;
    }
    if (E.reuse && class != 0 && align <= GRAIN && (header = w.free[self][class]) != NULL) {
        w.free[self][class] = header->next;
        return give(header, size);
    }
    uintptr_t block = w.next[self] + sizeof(struct header);
    block = (block + align - 1) & ~(uintptr_t)(align - 1);
    uintptr_t end = (block + size + 2 * GRAIN - 1) & ~(uintptr_t)(GRAIN - 1);
    if (end > world + ((uintptr_t)(self + 1) << 30))
        return NULL;
    w.next[self] = end;
    return give((struct header *)block - 1, size);
}

size_t chengi_world_block_size(const void *block)
{
    return ((const struct header *)block - 1)->size;
}

void chengi_world_free(void *block, uintptr_t pc)
{
    struct header *header = (struct header *)block - 1;
    uint8_t *grains = &w.grains[((uintptr_t)block - world) / GRAIN];
    if (*grains == NEVER || header->magic != MAGIC || ((uintptr_t)block & (GRAIN - 1)) != 0) {
        if (E.running)
            chengi_explore_fail(CHENG_FOUND_BAD_FREE, pc, (uintptr_t)block,
                                "%s frees what was never allocated", chengi_explore_name(E.current));
        abort();
    }
    if (*grains == FREED) {
        if (E.running)
            chengi_explore_fail(CHENG_FOUND_BAD_FREE, pc, (uintptr_t)block,
                                "%s frees a block that has been freed already",
                                chengi_explore_name(E.current));
        abort();
    }
    if (E.running) {
        chengi_race_free((uintptr_t)block, header->size, pc);
        chengi_explore_record(E_FREE, (uintptr_t)block, 0, 0, pc, 0);
    }
    unsigned class = class_of(header->size);
    bool before = E.running && (uintptr_t)block < w.first[(((uintptr_t)block - world) >> 30)];
    if (before && w.freed_count == sizeof w.freed / sizeof *w.freed)
        chengi_explore_fail(CHENG_EXPLORE_ERROR, pc, 0,
                            "one schedule frees more than %zu blocks from before it", w.freed_count);
    memset(grains, FREED, (header->size + GRAIN - 1) / GRAIN);
    if (before) {
        w.freed[w.freed_count++] = (uintptr_t)block;
    } else if (E.running && E.reuse && class != 0) {
        header->next = w.free[E.current->id][class];
        w.free[E.current->id][class] = header;
    }
}

/* ---- pages ---- */

void *chengi_host_map(size_t size)
{
    uintptr_t base = w.next_page;
    size = (size + 4095) & ~(size_t)4095;
    if (base + size > world + WORLD_SIZE)
        return NULL;
    w.next_page = base + size;
    return (void *)base;
}

void chengi_host_unmap(void *base, size_t size)
{
    (void)base, (void)size; /* comes back with the end of the schedule */
}

int chengi_host_guard(void *base, size_t size)
{
    (void)base, (void)size; /* the next schedule may have something else here */
    return 0;
}

void chengi_host_discard(void *base, size_t size)
{
    (void)base, (void)size; /* stacks: nobody reads what they held */
}

size_t chengi_host_page_size(void)
{
    return 4096;
}
