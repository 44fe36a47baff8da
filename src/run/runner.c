/* The table of runners. Chunks of slots are mapped as they are needed and never given back; each thread keeps
 * a few free slots for itself, so that starting and freeing a task takes no latch. The first chunk needs no memory
 * that could be refused: the first call of a thread that Cheng did not start must not fail. */
#include "run/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "host/host.h"
#include "host/latch.h"
#include "host/sanitize.h"
#include "run/upcalls.h"

enum { SLOTS_PER_CHUNK = 1024, CHUNKS = 4096, MAGAZINE = 64 };
enum { GENERATION_STEP = 4, GENERATION_MASK = 0xff << 2, SLOT_SHIFT = 10 };

_Static_assert(SLOTS_PER_CHUNK *CHUNKS == 1 << 22, "a word has 22 bits for the slot");
_Static_assert(sizeof(struct cheng_task) <= 320, "a million of them must fit beside their stacks");

__thread struct chengi_self *chengi_self __attribute__((tls_model("initial-exec")));

uint32_t chengi_forks;

static struct cheng_task *chunks[CHUNKS]; /* set once, with release; readers acquire */
static struct cheng_task first_chunk[SLOTS_PER_CHUNK] __attribute__((aligned(CHENGI_CACHE_LINE)));

static struct {
    struct latch latch;
    struct cheng_task *free; /* linked by `next` */
    uint32_t chunk_count;    /* mapped */
    uint32_t numbers[4];     /* default names given out, by kind; atomic */
    bool started;            /* the host's hooks are set */
    struct cheng_task *main; /* the main thread's record; atomic */
} table;

/* A thread's own free slots. Who frees much more than it starts passes half of them on. */
static __thread struct {
    struct cheng_task *free;
    unsigned count;
    uint32_t number, number_end; /* a block of coroutine numbers */
} magazine __attribute__((tls_model("initial-exec")));

static int map_chunk(void)
{
    if (table.chunk_count == CHUNKS)
        return -ENOMEM;
    struct cheng_task *chunk =
        table.chunk_count == 0 ? first_chunk : chengi_host_map(SLOTS_PER_CHUNK * sizeof *chunk);
    if (chunk == NULL)
        return -ENOMEM;
    chengi_sanitize_pages(chunk, SLOTS_PER_CHUNK * sizeof *chunk); /* reports, large arguments and results */
    for (uint32_t i = SLOTS_PER_CHUNK; i-- > 0;) {
        uint32_t slot = table.chunk_count * SLOTS_PER_CHUNK + i;
        chunk[i].self.word = slot << SLOT_SHIFT | GENERATION_STEP;
        chunk[i].ident = slot + 1;
        chunk[i].wake = CHENGI_WOKEN; /* it does not wait */
        chunk[i].next = table.free;
        table.free = &chunk[i];
    }
    store_release(&chunks[table.chunk_count], chunk); /* partner: chengi_runner_of */
    table.chunk_count++;
    return 0;
}

/* A thread that only starts or frees tasks has a magazine but no runner: its end must be told too. */
static void keep_magazine(void)
{
    if (chengi_self == NULL)
        chengi_host_set_thread_value(&magazine);
}

static void thread_ended(void *value)
{
    if (value == load_relaxed(&table.main)) /* nobody else changes it while the main thread lives */
        store_relaxed(&table.main, NULL);
    if (value != &magazine)
        chengi_task_thread_ended(value);
    /* the magazine goes with the thread */
    chengi_latch_acquire(&table.latch);
    while (magazine.free != NULL) {
        struct cheng_task *slot = magazine.free;
        magazine.free = slot->next;
        slot->next = table.free;
        table.free = slot;
    }
    chengi_latch_release(&table.latch);
    magazine.count = 0;
}

/* In a fork's child: the tasks that did not come along are gone, so their words become stale and their
 * slots stay unused; the caller's thread and its magazine are as they were. */
static void in_child(void)
{
    struct cheng_task *self = (struct cheng_task *)(void *)chengi_self;
    uint32_t mine = self == NULL ? 0 : self->self.word;
    chengi_forks++;
    chengi_host_restore_signals();
    table.latch = (struct latch){ 0 };
    table.free = NULL;                /* another thread may have been changing the list */
    store_relaxed(&table.main, self); /* the child's main thread now */
    if (self != NULL)
        store_relaxed(&self->thread_id, chengi_host_thread_id());
    for (uint32_t c = 0; c < table.chunk_count; c++)
        for (uint32_t i = 0; chunks[c] != NULL && i < SLOTS_PER_CHUNK; i++) { /* NULL: it was being mapped */
            struct cheng_task *runner = &chunks[c][i];
            if (runner->self.word != mine && runner->kind != 0) {
                chengi_runner_retire(runner);
                if (!(runner->life & CHENGI_ENDED))
                    runner->status = -EOWNERDEAD; /* for who joins it here */
                runner->life |= CHENGI_ENDED | CHENGI_JOINED;
                /* it waits no more: nothing for a cancel to end, or the graph to follow */
                runner->wake |= CHENGI_WOKEN;
            }
            /* The parent's wake-ups are not ours to take. 0 is written only where it was set: else the child would copy
             * every page of the table. */
            if (runner->wake_fd > 0) {
                chengi_host_wake_fd_close(runner->wake_fd - 1);
                runner->wake_fd = 0;
            }
        }
    chengi_task_in_child();
    chengi_sockets_after_fork();
}

static int refill(void)
{
    int rc = 0;
    chengi_latch_acquire(&table.latch);
    if (!table.started) {
        rc = chengi_host_set_hooks(thread_ended, in_child, chengi_task_at_exit);
        table.started = rc == 0;
    }
    if (rc == 0 && table.free == NULL)
        rc = map_chunk();
    while (rc == 0 && magazine.count < MAGAZINE / 2 && table.free != NULL) {
        struct cheng_task *slot = table.free;
        table.free = slot->next;
        slot->next = magazine.free;
        magazine.free = slot;
        magazine.count++;
    }
    chengi_latch_release(&table.latch);
    if (rc == 0)
        keep_magazine();
    return rc;
}

static uint32_t next_number(unsigned kind)
{
    /* relaxed: only uniqueness matters */
    if (kind != CHENG_COROUTINE)
        return __atomic_add_fetch(&table.numbers[kind], 1, __ATOMIC_RELAXED);
    if (magazine.number == magazine.number_end) {
        magazine.number = __atomic_fetch_add(&table.numbers[kind], 64, __ATOMIC_RELAXED);
        magazine.number_end = magazine.number + 64;
    }
    return ++magazine.number;
}

struct cheng_task *chengi_runner_new(enum cheng_kind kind, bool adopted)
{
    if (unlikely(magazine.free == NULL) && refill() < 0)
        return NULL;
    struct cheng_task *runner = magazine.free;
    magazine.free = runner->next;
    magazine.count--;
    runner->next = NULL;
    runner->kind = (uint8_t)kind;
    store_relaxed(&runner->number, next_number(adopted ? 0 : kind)); /* who walks the table may look */
    return runner;
}

void chengi_runner_retire(struct cheng_task *runner)
{
    uint32_t word = runner->self.word, generation = (word + GENERATION_STEP) & GENERATION_MASK;
    if (generation == 0)
        generation = GENERATION_STEP;
    /* release: who finds the word stale sees all that the runner did */
    store_release(&runner->self.word, (word & ~(uint32_t)GENERATION_MASK) | generation);
}

void chengi_runner_recycle(struct cheng_task *runner)
{
    if (unlikely(runner->report != NULL)) {
        free(runner->report);
        runner->report = NULL;
    }
    /* `wake` goes on counting, so that who comes late for an earlier wait finds another number */
    store_relaxed(&runner->life, 0);
    store_relaxed(&runner->polling, 0);
    store_relaxed(&runner->worker, NULL);
    store_relaxed(&runner->cancelled, 0);
    const size_t from = offsetof(struct cheng_task, shields), to = offsetof(struct cheng_task, context);
    memset((char *)runner + from, 0, to - from);
    runner->timeouts = NULL; /* of one that it forgot to end */
    store_relaxed(&runner->name.text[0], '\0');
    store_relaxed(&runner->ident, runner->ident + ((uint64_t)1 << 22)); /* who walks the table may look */
    if (unlikely(magazine.free == NULL))
        keep_magazine();
    runner->next = magazine.free;
    magazine.free = runner;
    if (unlikely(++magazine.count >= MAGAZINE)) {
        chengi_latch_acquire(&table.latch);
        for (struct cheng_task *slot; magazine.count > MAGAZINE / 2 && (slot = magazine.free) != NULL;) {
            magazine.free = slot->next;
            slot->next = table.free;
            table.free = slot;
            magazine.count--;
        }
        chengi_latch_release(&table.latch);
    }
}

struct cheng_task *chengi_runner_of(uint32_t word)
{
    uint32_t slot = word >> SLOT_SHIFT;
    struct cheng_task *chunk = load_acquire(&chunks[slot / SLOTS_PER_CHUNK]);
    if (chunk == NULL)
        return NULL;
    struct cheng_task *runner = &chunk[slot % SLOTS_PER_CHUNK];
    /* acquire: partner is retire */
    return load_acquire(&runner->self.word) == (word & (uint32_t)CHENGI_OWNER) ? runner : NULL;
}

struct cheng_task *chengi_runner_at(uint32_t slot)
{
    uint32_t c = slot / SLOTS_PER_CHUNK;
    struct cheng_task *chunk = c < CHUNKS ? load_acquire(&chunks[c]) : NULL;
    return chunk == NULL ? NULL : &chunk[slot % SLOTS_PER_CHUNK];
}

struct cheng_task *chengi_runner_main(void)
{
    return load_acquire(&table.main); /* partner: record_enter */
}

int chengi_runner_enter_thread(struct cheng_task *runner)
{
    chengi_runner_become(runner);
    return chengi_host_set_thread_value(runner);
}

/* The record of a thread that is no task of anybody's. */
static struct cheng_task *record_new(void)
{
    struct cheng_task *runner = chengi_runner_new(CHENG_THREAD, true);
    if (runner == NULL)
        return NULL;
    /* what a task that used the slot before has left, and has freed */
    runner->result = NULL;
    runner->argument_size = runner->result_size = runner->stack_size = 0;
    store_relaxed(&runner->thread_id, 0);
    /* nobody has a handle: the slot is recycled when the thread ends */
    store_relaxed(&runner->life, CHENGI_DROPPED);
    return runner;
}

/* Without memory for the thread's value the slot is lost when the thread ends. */
static void record_enter(struct cheng_task *runner)
{
    store_relaxed(&runner->thread_id, chengi_host_thread_id());
    if (chengi_host_is_main_thread(runner->thread_id))
        store_release(&table.main, runner);
    (void)chengi_runner_enter_thread(runner);
}

struct cheng_task *chengi_runner_adopt(void)
{
    struct cheng_task *runner = record_new();
    if (runner == NULL) { /* whoever called us, a lock's release say, has no way to tell */
        chengi_host_say("cheng: no memory for a record of the calling thread\n");
        abort();
    }
    record_enter(runner);
    store_release(&runner->life, CHENGI_DROPPED | CHENGI_ADOPTED | CHENG_THREAD << CHENGI_KIND_SHIFT);
    return runner;
}

static void *own_thread(void *argument)
{
    struct cheng_task *runner = argument;
    record_enter(runner);
    runner->function(runner->argument, NULL);
    return NULL;
}

int chengi_runner_start_thread(cheng_fn *function, const void *argument)
{
    struct cheng_task *runner = record_new();
    if (runner == NULL)
        return -ENOMEM;
    runner->function = function;
    runner->argument = argument;
    int rc = chengi_host_start(own_thread, runner, 0);
    if (rc < 0)
        chengi_runner_recycle(runner);
    return rc;
}

/* The first bytes come last: who sees them has the rest. */
static void store_name(struct cheng_task *runner, const char *name)
{
    union {
        char text[CHENG_NAME_SIZE];
        uint64_t words[CHENG_NAME_SIZE / 8];
    } copy = { .words = { 0 } };
    snprintf(copy.text, sizeof copy.text, "%s", name);
    for (unsigned i = CHENG_NAME_SIZE / 8 - 1; i > 0; i--)
        store_relaxed(&runner->name.words[i], copy.words[i]);
    store_release(&runner->name.words[0], copy.words[0]); /* partner: chengi_runner_name */
}

/* Of what others may look at, too: its slot may be another task's meanwhile. */
static void default_name(struct cheng_task *runner, uint32_t life, char out[CHENG_NAME_SIZE])
{
    if (life >> CHENGI_KIND_SHIFT == 0 || (life & CHENGI_ADOPTED)) {
        if (chengi_host_is_main_thread(load_relaxed(&runner->thread_id)))
            snprintf(out, CHENG_NAME_SIZE, "MainThread");
        else
            snprintf(out, CHENG_NAME_SIZE, "Foreign-%u", load_relaxed(&runner->number));
    } else {
        snprintf(out, CHENG_NAME_SIZE, "%s-%u",
                 life >> CHENGI_KIND_SHIFT == CHENG_THREAD ? "Thread" : "Coroutine",
                 load_relaxed(&runner->number));
    }
}

/* With the table latched. */
static void give_default_name(struct cheng_task *runner)
{
    char name[CHENG_NAME_SIZE];
    default_name(runner, load_relaxed(&runner->life), name);
    store_name(runner, name);
}

const char *chengi_runner_name(struct cheng_task *runner)
{
    if (load_acquire(&runner->name.text[0]) == '\0') {
        chengi_latch_acquire(&table.latch);
        if (load_relaxed(&runner->name.text[0]) == '\0')
            give_default_name(runner);
        chengi_latch_release(&table.latch);
    }
    return runner->name.text;
}

void chengi_runner_copy_name(struct cheng_task *runner, char out[CHENG_NAME_SIZE])
{
    uint64_t words[CHENG_NAME_SIZE / 8];
    chengi_latch_acquire(&table.latch); /* against renames */
    for (unsigned i = 0; i < CHENG_NAME_SIZE / 8; i++)
        words[i] = load_relaxed(&runner->name.words[i]);
    chengi_latch_release(&table.latch);
    memcpy(out, words, sizeof words);
    out[CHENG_NAME_SIZE - 1] = '\0';
    if (out[0] == '\0')
        default_name(runner, load_relaxed(&runner->life), out);
}

void chengi_runner_give_name(struct cheng_task *runner, const char *name)
{
    store_name(runner, name);
}

void chengi_runner_rename(struct cheng_task *runner, const char *name)
{
    chengi_latch_acquire(&table.latch);
    if (name != NULL && name[0] != '\0')
        store_name(runner, name);
    else
        give_default_name(runner);
    chengi_latch_release(&table.latch);
}
