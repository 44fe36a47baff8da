/* The arenas that this process has attached, and how an object finds its own.
 *
 * The handles lie in a static table: nothing is allocated, and a reader needs no lock. Attaching and detaching
 * are serialised by one latch for all arenas of the process, across their system calls too: two threads that
 * attach one file at once would end up with two descriptors of it, and closing one of them would drop the record
 * locks of both. Whoever finds the latch held sleeps (latch.h); attaching is rare. */
#include <cheng/time.h>

#include <errno.h>
#include <string.h>

#include "arena/layout.h"
#include "arena/sys_arena.h"
#include "host/host.h"
#include "host/latch.h"

enum { HANDLES = 256 };

static struct {
    struct latch latch;
    uint32_t high;  /* handles ever used: where readers stop; atomic */
    uint32_t forks; /* forks under way in this process; atomic */
    bool watching;  /* the hooks of fork are set */
    struct cheng_arena handles[HANDLES];
} registry;

/* The handle that this thread used last. Only a pointer, checked against the handle at each use: a signal
 * handler may change it under the thread that it interrupts. */
static __thread struct cheng_arena *recent __attribute__((tls_model("initial-exec")));

static const cheng_duration BOUND = 250 * CHENG_MILLISECOND, BOUND_MAX = 3600 * CHENG_SECOND;

static uint64_t check_of(const struct arena_header *header)
{
    uint64_t check = 0;
    uint64_t fixed[] = { header->magic, header->version | (uint64_t)header->rows << 32, header->size,
                         (uint64_t)header->bound_ns, header->seed };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        check = chengi_mix(check + fixed[i] + 1);
    return check;
}

static bool attached(const cheng_arena *arena)
{
    return arena != NULL && load_acquire(&arena->base) != NULL; /* partner: enter */
}

static struct cheng_arena *claim(const struct arena_file *file)
{
    for (uint32_t i = 0; i < HANDLES; i++) {
        struct cheng_arena *arena = &registry.handles[i];
        if (arena->taken)
            continue;
        arena->fd = file->fd;
        arena->device = file->device;
        arena->inode = file->inode;
        arena->references = 1;
        arena->holds = 0;
        arena->epoch++;
        store_relaxed(&arena->word, 0);
        store_relaxed(&arena->size, file->size);
        /* last: a fork's child closes the descriptor of what is half attached */
        store_release(&arena->taken, true);
        return arena;
    }
    return NULL;
}

/* Undoes claim and enter. The descriptor's number is forgotten before it is closed: a fork in between must not
 * make the child close what may be another file by then. */
static void withdraw(struct cheng_arena *arena)
{
    uint8_t *base = arena->base;
    int fd = arena->fd;
    store_release(&arena->base, NULL);
    if (base != NULL)
        chengi_sys_arena_unmap(base, arena->size);
    arena->fd = -1;
    chengi_sys_arena_close(fd); /* drops the row's lock */
    arena->taken = false;
}

/* Maps and takes a row. On failure the handle is free again and the descriptor closed. */
static int enter(struct cheng_arena *arena, const struct arena_header *fixed, bool fresh)
{
    uint32_t index = (uint32_t)(arena - registry.handles);
    void *base = chengi_sys_arena_map(arena->fd, arena->size);
    if (base == NULL) {
        withdraw(arena);
        return -ENOMEM;
    }
    arena->rows = fixed->rows;
    arena->seed = fixed->seed;
    arena->bound_ns = fixed->bound_ns;
    if (fresh)
        memcpy(base, fixed, sizeof *fixed);
    store_release(&arena->base, base); /* partner: attached, chengi_arena_locate, find */
    if (index >= load_relaxed(&registry.high))
        store_release(&registry.high, index + 1); /* partner: find */
    if (fresh)
        chengi_heap_format(arena);
    int rc = chengi_row_take(arena);
    if (rc < 0)
        withdraw(arena);
    return rc;
}

/* ---- forks ---- */

static void before_fork(void)
{
    __atomic_fetch_add(&registry.forks, 1, __ATOMIC_RELAXED);
}

static void after_fork_in_parent(void)
{
    __atomic_fetch_sub(&registry.forks, 1, __ATOMIC_RELAXED);
}

/* The child has the mappings and the descriptors, but no record locks: they belong to the parent. Only the
 * thread that forked came along; another may have held the latch, in the middle of attaching or detaching.
 * `forks`, which the child finds above 0 just once, lets more than one hook call this. */
static void after_fork_in_child(void)
{
    if (load_relaxed(&registry.forks) == 0)
        return;
    store_relaxed(&registry.forks, 0);
    registry.latch = (struct latch){ 0 };
    for (uint32_t i = 0; i < HANDLES; i++) {
        struct cheng_arena *arena = &registry.handles[i];
        if (!arena->taken)
            continue;
        if (arena->base == NULL) { /* half attached or detached; if it is mapped, it stays so */
            if (arena->fd >= 0)
                chengi_sys_arena_close(arena->fd);
            arena->taken = false;
            continue;
        }
        store_relaxed(&arena->word, 0);
        (void)chengi_row_take(arena); /* without a row it answers -EOPNOTSUPP */
    }
}

/* A hook of our own: the program may fork before anything of the layers below, which have theirs, was used. */
static int watch_forks(void)
{
    int rc = registry.watching
                 ? 0
                 : chengi_sys_watch_forks(before_fork, after_fork_in_parent, after_fork_in_child);
    registry.watching = rc == 0;
    return rc;
}

/* ---- making, attaching, detaching ---- */

static int create(cheng_arena **out, const char *name, const struct arena_header *fixed)
{
    struct arena_file file = { .fd = -1 }; /* GCC, with -flto, does not see that what follows sets it */
    int rc = name == NULL ? chengi_sys_arena_create(fixed->size, &file)
                          : chengi_sys_arena_create_named(name, fixed->size, &file);
    if (rc < 0)
        return rc;
    struct cheng_arena *arena = claim(&file);
    if (arena == NULL) {
        chengi_sys_arena_close(file.fd);
        return -EMFILE;
    }
    rc = enter(arena, fixed, true);
    if (rc < 0)
        return rc;
    if (name != NULL)
        rc = chengi_sys_arena_publish(name, &file);
    if (rc < 0)
        withdraw(arena);
    else
        *out = arena;
    return rc;
}

int chengi_arena_new_with_rows(cheng_arena **out, size_t size, const cheng_arena_options *options,
                               unsigned rows)
{
    cheng_duration bound = options == NULL || options->bound == 0 ? BOUND : options->bound;
    if (out == NULL || size < ARENA_PAGE || size >= ARENA_SIZE_MAX || rows < 2 || rows > ARENA_ROWS)
        return -EINVAL;
    if (bound < CHENG_MICROSECOND || bound > BOUND_MAX)
        return -EINVAL;
    uint64_t total = chengi_blocks_at(rows) + chengi_round_up(size + 2 * ARENA_UNIT, ARENA_PAGE);
    if (total > ARENA_SIZE_MAX)
        return -EINVAL;
    struct arena_header fixed = { .magic = ARENA_MAGIC,
                                  .version = ARENA_VERSION,
                                  .rows = rows,
                                  .size = total,
                                  .bound_ns = bound,
                                  .seed = chengi_host_random() };
    fixed.check = check_of(&fixed);
    chengi_latch_acquire(&registry.latch);
    int rc = watch_forks();
    if (rc == 0)
        rc = create(out, options == NULL ? NULL : options->name, &fixed);
    chengi_latch_release(&registry.latch);
    return rc;
}

int cheng_arena_new(cheng_arena **out, size_t size, const cheng_arena_options *options)
{
    return chengi_arena_new_with_rows(out, size, options, ARENA_ROWS);
}

static bool acceptable(const struct arena_header *header, uint64_t size)
{
    return header->magic == ARENA_MAGIC && header->version == ARENA_VERSION &&
           header->check == check_of(header) && header->size == size && size <= ARENA_SIZE_MAX &&
           size % ARENA_PAGE == 0 && header->rows >= 2 && header->rows <= ARENA_ROWS &&
           size > chengi_blocks_at(header->rows) && header->bound_ns >= CHENG_MICROSECOND &&
           header->bound_ns <= BOUND_MAX;
}

static struct cheng_arena *find_file(const struct arena_file *file)
{
    for (uint32_t i = 0; i < registry.high; i++) {
        struct cheng_arena *arena = &registry.handles[i];
        if (arena->taken && arena->device == file->device && arena->inode == file->inode)
            return arena;
    }
    return NULL;
}

/* Takes over the descriptor. */
static int attach_opened(cheng_arena **out, const struct arena_file *file)
{
    struct arena_header header;
    struct cheng_arena *arena = NULL;
    int rc = file->size < sizeof header ? -EBADMSG : chengi_sys_arena_read(file, &header, sizeof header);
    if (rc == 0 && !acceptable(&header, file->size))
        rc = -EBADMSG;
    if (rc == 0) {
        arena = claim(file);
        rc = arena == NULL ? -EMFILE : 0;
    }
    if (arena == NULL) {
        chengi_sys_arena_close(file->fd);
        return rc;
    }
    rc = enter(arena, &header, false);
    if (rc == 0)
        *out = arena;
    return rc;
}

static int attach(cheng_arena **out, const char *name)
{
    struct arena_file file;
    int rc = chengi_sys_arena_identify(name, &file);
    if (rc < 0)
        return rc;
    struct cheng_arena *arena = find_file(&file);
    if (arena == NULL) {
        rc = chengi_sys_arena_open(name, &file);
        if (rc < 0)
            return rc;
        /* Between the two looks the name may have gone to another file, even to one that is attached. Then the
         * new descriptor has to stay open, for good: closing it would drop that arena's row. */
        arena = find_file(&file);
    }
    if (arena == NULL)
        return attach_opened(out, &file);
    if (arena->word == 0) { /* a fork's child that got no row when it began */
        rc = chengi_row_take(arena);
        if (rc < 0)
            return rc;
    }
    arena->references++;
    *out = arena;
    return 0;
}

int cheng_arena_attach(cheng_arena **out, const char *name)
{
    if (out == NULL || name == NULL)
        return -EINVAL;
    chengi_latch_acquire(&registry.latch);
    int rc = watch_forks();
    if (rc == 0)
        rc = attach(out, name);
    chengi_latch_release(&registry.latch);
    return rc;
}

int cheng_arena_free(cheng_arena *arena)
{
    if (arena == NULL)
        return 0;
    chengi_latch_acquire(&registry.latch);
    int rc = 0;
    if (!attached(arena))
        rc = -EINVAL;
    else if (arena->references > 1)
        arena->references--;
    else if (load_relaxed(&arena->holds) != 0)
        rc = -EBUSY;
    else {
        chengi_row_give_back(arena);
        withdraw(arena);
    }
    chengi_latch_release(&registry.latch);
    return rc;
}

int cheng_arena_unlink(const char *name)
{
    return name == NULL ? -EINVAL : chengi_sys_arena_unlink(name);
}

void chengi_arena_hold(cheng_arena *arena)
{
    __atomic_fetch_add(&arena->holds, 1, __ATOMIC_RELAXED);
}

void chengi_arena_unhold(cheng_arena *arena)
{
    __atomic_fetch_sub(&arena->holds, 1, __ATOMIC_RELAXED);
}

/* ---- from objects to arenas ---- */

static struct cheng_arena *find(const void *object)
{
    uint32_t high = load_acquire(&registry.high);
    for (uint32_t i = 0; i < high; i++) {
        struct cheng_arena *arena = &registry.handles[i];
        uintptr_t base = (uintptr_t)load_acquire(&arena->base);
        uint64_t size = load_relaxed(&arena->size);
        if (base != 0 && (uintptr_t)object - base < size)
            return arena;
    }
    return NULL;
}

bool chengi_arena_contains(const void *object)
{
    return find(object) != NULL;
}

static int view_of(struct cheng_arena *arena, struct arena_view *view)
{
    view->arena = arena;
    view->header = chengi_header(arena);
    view->word = load_relaxed(&arena->word); /* stale is harmless: it changes in fork's child only */
    view->bound_ns = arena->bound_ns;
    return view->word != 0 ? 0 : -EOPNOTSUPP;
}

int chengi_arena_view(cheng_arena *arena, struct arena_view *view)
{
    return attached(arena) ? view_of(arena, view) : -EOPNOTSUPP;
}

int chengi_arena_locate(const void *object, uint32_t kind, struct arena_view *view)
{
    uintptr_t header =
        ((uintptr_t)object & ~(uintptr_t)(ARENA_PAGE - 1)) - (uintptr_t)(kind >> 8) * ARENA_PAGE;
    struct cheng_arena *arena = recent;
    if (unlikely(arena == NULL || (uintptr_t)load_acquire(&arena->base) != header)) {
        arena = find(object);
        if (arena == NULL)
            return -EOPNOTSUPP;
        if ((uintptr_t)arena->base != header)
            return -EBADMSG;
        recent = arena;
    }
    if (unlikely(chengi_arena_tag(kind) == 0 || chengi_arena_tag(kind) >= CHENGI_ARENA_TAGS ||
                 (uintptr_t)object - header >= arena->size || chengi_header(arena)->magic != ARENA_MAGIC))
        return -EBADMSG;
    return view_of(arena, view);
}

uint32_t chengi_arena_kind(cheng_arena *arena, const void *object, enum arena_tag tag)
{
    if (!attached(arena))
        return 0;
    uintptr_t offset = (uintptr_t)object - (uintptr_t)arena->base;
    if (offset < chengi_blocks_at(arena->rows) || offset >= arena->size)
        return 0;
    return (uint32_t)(offset / ARENA_PAGE) << 8 | (uint32_t)tag;
}

void *chengi_arena_at(const struct arena_view *view, uint64_t offset, size_t size)
{
    const struct cheng_arena *arena = view->arena;
    if (offset < chengi_blocks_at(arena->rows) || offset > arena->size || size > arena->size - offset)
        return NULL;
    return arena->base + offset;
}

void cheng_arena_set_root(cheng_arena *arena, const void *object)
{
    if (!attached(arena))
        return;
    bool inside = chengi_arena_kind(arena, object, CHENGI_ARENA_LOCK) != 0;
    uint64_t offset = inside ? (uint64_t)((uintptr_t)object - (uintptr_t)arena->base) : 0;
    store_release(&chengi_header(arena)->root, offset); /* partner: cheng_arena_root */
}

void *cheng_arena_root(const cheng_arena *arena)
{
    if (!attached(arena))
        return NULL;
    uint64_t offset = load_acquire(&chengi_header(arena)->root);
    return offset < chengi_blocks_at(arena->rows) || offset >= arena->size ? NULL : arena->base + offset;
}
