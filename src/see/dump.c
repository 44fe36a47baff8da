/* What every task does. Reads the table of runners while all goes on: slots are never freed, and who looks at a wait compares
 * `wake` before and after. The latches that it would like to have it only tries for a while, since a debugger may have stopped
 * their holder. */
#include <cheng/dump.h>

#include <stdarg.h>
#include <stdio.h>

#include "base/compiler.h"
#include "host/host.h"
#include "park/lot.h"
#include "run/runner.h"
#include "run/watchdog.h"
#include "run/worker.h"
#include "see/dump.h"
#include "task/coroutine.h"

enum { TRIES = 1000, RUNNING_MOST = 256 };

struct dump {
    void (*line)(const char *text, void *context);
    void *context;
    struct cheng_task *running[RUNNING_MOST]; /* on workers */
    unsigned running_count;
};

/* What a task does, as it was at one moment. */
struct view {
    uint64_t ident;
    enum cheng_kind kind;
    char name[CHENG_NAME_SIZE];
    bool begun;
    bool waits;
    uint32_t wake;
    struct why why;
    int64_t deadline_ns;
    char owner[CHENG_NAME_SIZE]; /* of the lock that it waits for, or whom it joins; "" */
    const char *held_since;      /* NULL: not known */
};

static bool still(const struct cheng_task *task, const struct view *view)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE); /* this look comes after all others */
    return load_relaxed(&task->wake) == view->wake && load_relaxed(&task->ident) == view->ident;
}

/* The lock is there as long as the waiter waits with the bucket latched: as in park/graph.c. */
static void look_at_owner(struct cheng_task *task, struct view *view)
{
    cheng_lock *lock = (cheng_lock *)(uintptr_t)view->why.object;
    struct table *table = load_acquire(&chengi_lot);
    struct bucket *bucket = &table->buckets[chengi_lot_index(&lock->word, table)];
    unsigned tries = TRIES;
    while (!chengi_latch_try(&bucket->latch)) {
        if (--tries == 0)
            return;
        chengi_host_relax();
    }
    if (table == load_relaxed(&chengi_lot) && load_acquire(&task->wake) == view->wake) {
        struct cheng_task *owner = chengi_runner_of(load_relaxed(&lock->word) & (uint32_t)CHENGI_OWNER);
        if (owner != NULL) {
            chengi_runner_copy_name(owner, view->owner);
            view->held_since = (const char *)(uintptr_t)load_relaxed(&lock->holder);
        }
    }
    chengi_latch_release(&bucket->latch);
}

/* False: nobody lives in the slot. */
static bool look(struct cheng_task *task, struct view *view)
{
    for (unsigned tries = TRIES; tries > 0; tries--) {
        uint32_t life = load_acquire(&task->life); /* partner: cheng_start */
        if (life >> CHENGI_KIND_SHIFT == 0 || (life & CHENGI_ENDED))
            return false;
        *view = (struct view){ .ident = load_relaxed(&task->ident), .kind = life >> CHENGI_KIND_SHIFT };
        chengi_runner_copy_name(task, view->name);
        view->begun = view->kind == CHENG_THREAD || load_relaxed(&task->worker) != NULL;
        view->wake = load_acquire(&task->wake); /* partner: begin_wait in park/park.c */
        view->why.kind = load_relaxed(&task->why.kind);
        view->why.object = load_relaxed(&task->why.object);
        view->why.site = load_relaxed(&task->why.site);
        view->deadline_ns = load_relaxed(&task->wait_deadline_ns);
        view->waits = (view->wake & CHENGI_OUTCOME) == CHENGI_WAITING;
        if (!still(task, view))
            continue;
        if (view->waits && view->why.kind == CHENGI_WAIT_JOIN)
            chengi_runner_copy_name((struct cheng_task *)(uintptr_t)view->why.object, view->owner);
        else if (view->waits && view->why.kind == CHENGI_WAIT_LOCK)
            look_at_owner(task, view);
        if (still(task, view))
            break;
    }
    return true;
}

struct text {
    char bytes[512];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text->bytes + text->length, sizeof text->bytes - text->length, format, arguments);
    va_end(arguments);
    if (n > 0)
        text->length += (size_t)n;
    if (text->length > sizeof text->bytes - 2)
        text->length = sizeof text->bytes - 2; /* room for the newline */
}

static void tell(const struct dump *dump, struct text *text)
{
    text->bytes[text->length] = '\n';
    text->bytes[text->length + 1] = '\0';
    if (dump->line == NULL)
        chengi_host_say(text->bytes);
    else
        dump->line(text->bytes, dump->context);
}

static const char *const waits[] = {
    [CHENGI_WAIT_LOCK] = "waits for lock",
    [CHENGI_WAIT_JOIN] = "joins",
    [CHENGI_WAIT_CONDITION] = "waits for condition",
    [CHENGI_WAIT_EVENT] = "waits for event",
    [CHENGI_WAIT_SEMAPHORE] = "waits for semaphore",
    [CHENGI_WAIT_PUT] = "waits to put into queue",
    [CHENGI_WAIT_GET] = "waits to get from queue",
    [CHENGI_WAIT_READ] = "waits to read from",
    [CHENGI_WAIT_WRITE] = "waits to write to",
    [CHENGI_WAIT_SLEEP] = "sleeps",
    [CHENGI_WAIT_SHARED_LOCK] = "waits for shared lock",
    [CHENGI_WAIT_OFFLOAD] = "waits for a helper thread",
    [CHENGI_WAIT_READERS] = "waits for the readers of",
    [CHENGI_WAIT_BARRIER] = "waits at barrier",
    [CHENGI_WAIT_GROUP] = "waits for group",
    [CHENGI_WAIT_DONE] = "waits until all is done of queue",
    [CHENGI_WAIT_SELECT] = "waits in select",
};

static void describe_wait(struct text *text, const struct view *view)
{
    const char *verb = (unsigned)view->why.kind < sizeof waits / sizeof *waits ? waits[view->why.kind] : NULL;
    add(text, "%s", verb == NULL ? "waits" : verb);
    if (view->why.kind == CHENGI_WAIT_JOIN)
        add(text, " %s", view->owner);
    else if (view->why.kind == CHENGI_WAIT_READ || view->why.kind == CHENGI_WAIT_WRITE)
        add(text, view->why.object == NULL ? " a descriptor" : " socket %p", view->why.object);
    else if (view->why.object != NULL && view->why.kind != CHENGI_WAIT_SLEEP &&
             view->why.kind != CHENGI_WAIT_OFFLOAD)
        add(text, " %p", view->why.object);
    if (view->why.site != NULL)
        add(text, " at %s", view->why.site);
    if (view->why.kind == CHENGI_WAIT_LOCK && view->owner[0] != '\0')
        add(text, ", which %s holds since %s", view->owner,
            view->held_since == NULL ? "an unknown line" : view->held_since);
    if (view->deadline_ns != 0) {
        int64_t left = view->deadline_ns - chengi_host_now();
        add(text, ", for %lld ms more at the most", left < 0 ? 0LL : (long long)(left / 1000000));
    }
}

static const struct cheng_task *caller(void)
{
    return (const struct cheng_task *)(const void *)chengi_self;
}

static bool runs(const struct dump *dump, const struct cheng_task *task, const struct view *view)
{
    bool found = view->kind == CHENG_THREAD || task == caller();
    for (unsigned i = 0; i < dump->running_count && !found; i++)
        found = dump->running[i] == task;
    return found;
}

/* Only the task itself changes them: so they stay as they are where it cannot run while we look. */
static bool stands_still(const struct cheng_task *task)
{
    return task == caller() || (chengi_worker != NULL && load_relaxed(&task->worker) == chengi_worker);
}

/* Who is told of one may let the task go on, and so change them, or end it: so each is looked for anew. */
static void tell_suspended(const struct dump *dump, const struct cheng_task *task, const struct view *view)
{
    const char *site;
    for (unsigned n = 0; stands_still(task) && load_relaxed(&task->ident) == view->ident &&
                         chengi_coroutines_suspended(task, n, &site);
         n++) {
        struct text text = { .length = 0 };
        add(&text, "  has a coroutine that is suspended at %s", site == NULL ? "an unknown line" : site);
        tell(dump, &text);
    }
}

void cheng_dump(void (*line)(const char *text, void *context), void *context)
{
    chengi_runner_self(); /* the caller is among them */
    chengi_dump(line, context);
}

void chengi_dump(void (*line)(const char *text, void *context), void *context)
{
    struct dump dump = { .line = line, .context = context };
    struct cheng_task *task;
    struct view view;
    dump.running_count = chengi_watchdog_running(dump.running, RUNNING_MOST);
    for (uint32_t slot = 0; (task = chengi_runner_at(slot)) != NULL; slot++) {
        struct text text = { .length = 0 };
        if (!look(task, &view))
            continue;
        add(&text, "%s, %s %llu: ", view.name, view.kind == CHENG_THREAD ? "thread" : "coroutine",
            (unsigned long long)view.ident);
        if (view.waits)
            describe_wait(&text, &view);
        else
            add(&text, "%s", runs(&dump, task, &view) ? "runs" : view.begun ? "can go on" : "has not begun");
        tell(&dump, &text);
        tell_suspended(&dump, task, &view);
    }
}
