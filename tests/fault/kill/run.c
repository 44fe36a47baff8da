#include "run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "arena/layout.h"

enum {
    PATIENCE_S = 10, /* after the death */
    STEPS_S = 40,    /* before it: two thousand steps on a busy machine */
    ROWS = 16,
    ARENA_BYTES = 32 << 10,
    ARENA_BYTES_CROWD = 1 << 20,
    USED = 0xa7,
    FREE = 0x5a
};

static const char *const moments[] = { "survivors come after", "survivors sleep since before",
                                       "survivors come upon it" };

/* The run that is under way, for who reports a failure: the driver, and every child, which inherits it. */
static struct run *current;
static const char *awaited = "the driver";

/* ---- failures ---- */

static void print_source_line(uintptr_t address)
{
    extern const char __executable_start[];
    char command[128], line[256];
    snprintf(command, sizeof command, "addr2line -fpe /proc/%d/exe %#lx 2>/dev/null", (int)getpid(),
             (unsigned long)(address - (uintptr_t)__executable_start));
    FILE *output = popen(command, "r");
    if (output != NULL && fgets(line, sizeof line, output) != NULL)
        printf("    %s", line);
    if (output != NULL)
        pclose(output);
}

static void print_context(const char *what)
{
    if (current->of == 0)
        printf("%s, %s, nobody is killed: %s\n", current->name, moments[current->moment], what);
    else
        printf("%s, %s, killed %sat %s %u (%u of %u): %s\n", current->name, moments[current->moment],
               current->target.asleep ? "asleep " : "", current->unit, current->target.step, current->index,
               current->of, what);
    if (current->of != 0 && current->target.address != 0)
        print_source_line(current->target.address);
    fflush(stdout);
}

/* A failed assertion of whatever process. */
static void on_abort(int signal)
{
    (void)signal;
    print_context("an assertion failed");
}

static void on_alarm(int signal)
{
    (void)signal;
    char text[64];
    snprintf(text, sizeof text, "%s hangs", awaited);
    print_context(text);
    for (int i = 0; i < current->started; i++)
        kill(current->survivors[i], SIGKILL);
    _exit(1);
}

static void expect_success(pid_t pid, const char *who)
{
    int status;
    char text[64];
    awaited = who;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    awaited = "the driver";
    if (status == 0)
        return;
    snprintf(text, sizeof text, "%s failed, status %#x", who, (unsigned)status);
    print_context(text);
    exit(1);
}

void run_victim_failed(int status)
{
    char text[64];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        test_skip("ptrace is not allowed here");
    snprintf(text, sizeof text, "the victim failed, status %#x", (unsigned)status);
    print_context(text);
    exit(1);
}

/* ---- processes ---- */

static pid_t fork_child(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

struct part {
    void (*survivor)(struct stage *, int who);
    struct stage *stage;
    int who;
};

static int play(const void *arg, void *result)
{
    const struct part *part = arg;
    (void)result;
    part->survivor(part->stage, part->who);
    return 0;
}

void as_coroutine(void (*survivor)(struct stage *, int who), struct stage *stage, int who)
{
    struct part part = { survivor, stage, who };
    int status;
    assert_int_equal(cheng_run(&status, play, &part, sizeof part), 0);
    assert_int_equal(status, 0);
}

void in_a_child_that_dies(void (*function)(struct stage *), struct stage *stage)
{
    int status;
    pid_t pid = fork_child();
    if (pid == 0) {
        function(stage);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = { 0 };
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

int run_asleep(const struct run *run)
{
    int asleep = 0;
    for (int i = 0; i < run->started; i++)
        asleep += !has_ended(run->survivors[i]) && is_asleep(run->survivors[i]);
    return asleep;
}

/* Until every survivor sleeps or has ended. */
static void await_quiet(const struct run *run)
{
    awaited = "a survivor";
    for (int i = 0; i < run->started; i++)
        while (!has_ended(run->survivors[i]) && !is_asleep(run->survivors[i]))
            between_looks();
    awaited = "the driver";
}

static void start_survivors(struct run *run, int until)
{
    for (; run->started < until; run->started++) {
        pid_t pid = fork_child();
        if (pid == 0) {
            run->operation->survivor(run->stage, run->started);
            _exit(0);
        }
        run->survivors[run->started] = pid;
    }
}

/* So that it takes the same path in each run: a first call into the library takes ten thousand steps, a first use of an
 * arena a few; and whoever is to wake it may be slow. */
static void make_steady(struct stage *stage)
{
    cheng_lock_acquire(&stage->unrelated);
    assert_int_equal(cheng_lock_release(&stage->unrelated), 0);
    stage->arena->bound_ns =
        NO_BOUND; /* of this process's handle: nobody has died yet, so no wake-up is lost */
}

static void start_victim(struct run *run)
{
    const struct operation *operation = run->operation;
    run->victim = fork_child();
    if (run->victim == 0) {
        if (!operation->endless)
            make_steady(run->stage);
        if (operation->ready != NULL)
            operation->ready(run->stage);
        if (!operation->endless) {
            if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
                _exit(77);
            kill(getpid(), SIGSTOP);
        }
        do {
            WRITE(run->stage->rounds, run->stage->rounds + 1);
            operation->victim(run->stage);
        } while (operation->endless);
        run->stage->finished = 1;
        _exit(0);
    }
    if (operation->endless)
        return;
    int status;
    waitpid(run->victim, &status, 0);
    if (!WIFSTOPPED(status))
        run_victim_failed(status);
    ptrace(PTRACE_SETOPTIONS, run->victim, NULL,
           (void *)(uintptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
}

/* ---- the heap, read from its block headers alone ---- */

/* The places of the blocks in use; two free ones side by side, or a hole, fail. */
static uint32_t walk(struct cheng_arena *arena, uint32_t blocks[BLOCKS_MAX])
{
    uint32_t place = (uint32_t)(chengi_blocks_at(arena->rows) / ARENA_UNIT), used = 0;
    uint32_t end = (uint32_t)(arena->size / ARENA_UNIT - 1);
    uint64_t bytes = 0;
    bool free_before = false;
    while (place < end) {
        uint64_t word = *(uint64_t *)(void *)(arena->base + (uint64_t)place * ARENA_UNIT);
        uint32_t units = (uint32_t)(word >> 32);
        bool is_free = (word & 0xff) == FREE;
        assert_true(units >= 2 && units <= end - place);
        assert_true(is_free || (word & 0xff) == USED);
        assert_false(is_free && free_before);
        if (!is_free) {
            assert_true(used < BLOCKS_MAX);
            blocks[used++] = place;
            bytes += (uint64_t)(units - 1) * ARENA_UNIT;
        }
        free_before = is_free;
        place += units;
    }
    assert_int_equal(place, end);
    assert_int_equal(bytes, cheng_arena_used(arena));
    return used;
}

/* The first caller after a death repairs the heap. Then what is in use is what was; and perhaps the one block that
 * the victim had been given, which was its own to lose. */
static void check_heap(const struct run *run)
{
    cheng_arena *arena = run->stage->arena;
    uint32_t blocks[BLOCKS_MAX];
    assert_int_equal(cheng_arena_release(arena, cheng_arena_alloc(arena, 1)), 0);
    uint32_t used = walk(arena, blocks), extra = 0;
    for (uint32_t i = 0, old = 0; i < used; i++) {
        while (old < run->used && run->blocks[old] < blocks[i])
            old++;
        if (old < run->used && run->blocks[old] == blocks[i])
            continue;
        extra++;
        assert_int_equal(cheng_arena_release(arena, arena->base + (uint64_t)(blocks[i] + 1) * ARENA_UNIT), 0);
    }
    enum keeps keeps = run->operation->keeps;
    assert_true(extra <= (keeps == OWN_BLOCK || (keeps == GIVEN_BLOCK && !run->heap_held) ? 1 : 0));
    assert_int_equal(walk(arena, blocks), run->used); /* and none of the old ones is gone */
}

/* ---- a run ---- */

void run_begin(struct run *run, cheng_duration bound)
{
    const struct operation *operation = run->operation;
    cheng_arena_options options = { .bound = bound };
    cheng_arena *arena;
    signal(SIGABRT, on_abort);
    signal(SIGALRM, on_alarm);
    current = run;
    alarm(STEPS_S);
    run->started = 0;
    run->woken = 0;
    run->heap_held = false;
    size_t size = operation->endless ? ARENA_BYTES_CROWD : ARENA_BYTES;
    assert_int_equal(chengi_arena_new_with_rows(&arena, size, &options, ROWS), 0);
    struct stage *stage = run->stage = cheng_arena_alloc(arena, sizeof *stage);
    assert_non_null(stage);
    stage->arena = arena;
    snprintf(stage->name, sizeof stage->name, "/cheng-kill-%d", (int)getpid());
    assert_int_equal(cheng_lock_share(arena, &stage->unrelated), 0);
    operation->prepare(stage);
    run->used = walk(arena, run->blocks);
    if (operation->endless)
        start_survivors(run, operation->survivors);
    start_victim(run);
    if (run->moment == BEFORE && !operation->endless) {
        start_survivors(run, operation->survivors - (operation->wake != NULL));
        await_quiet(run);
    }
}

/* False: that has been done, as often as the operation wants it. */
static bool wake(struct run *run)
{
    const struct operation *operation = run->operation;
    if (operation->wake == NULL || (run->woken > 0 && run->woken >= operation->wakes))
        return false;
    run->woken++;
    operation->wake(run->stage);
    return true;
}

bool run_victim_sleeps(struct run *run)
{
    if (run->moment == BEFORE && run->started < run->operation->survivors) {
        start_survivors(run, run->operation->survivors);
        await_quiet(run);
    }
    bool woke = wake(run);
    if (woke)
        await_quiet(run);
    return woke;
}

void run_kill(struct run *run)
{
    int status;
    if (run->moment == DURING) {
        start_survivors(run, run->operation->survivors);
        await_quiet(run);
    }
    uint32_t word = (uint32_t)READ(chengi_header(run->stage->arena)->heap) & ~3u;
    kill(run->victim, SIGKILL);
    awaited = "the victim";
    do
        waitpid(run->victim, &status, 0);
    while (WIFSTOPPED(status));
    awaited = "the driver";
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        run_victim_failed(status);
    struct arena_view view;
    assert_int_equal(chengi_arena_view(run->stage->arena, &view), 0);
    run->heap_held = !run->operation->endless && word != 0 && chengi_arena_participant_dead(&view, word);
}

void run_let_go(struct run *run)
{
    ptrace(PTRACE_DETACH, run->victim, NULL, NULL);
    expect_success(run->victim, "the victim");
}

void run_end(struct run *run)
{
    const struct operation *operation = run->operation;
    struct stage *stage = run->stage;
    alarm(PATIENCE_S);
    WRITE(stage->dead, 1);
    start_survivors(run, operation->survivors);
    while (wake(run))
        ;
    if (operation->settle != NULL)
        operation->settle(stage);
    for (int i = 0; i < run->started; i++)
        expect_success(run->survivors[i], "a survivor");
    if (operation->check != NULL)
        operation->check(stage);
    check_heap(run);
    cheng_queue_free(stage->queue);
    assert_int_equal(cheng_arena_free(stage->arena), 0);
    alarm(0);
}

/* ---- items ---- */

struct item item_of(uint32_t number)
{
    struct item item = { number, { 0 } };
    for (uint32_t i = 0; i < ITEM_FILLING; i++)
        item.filling[i] = number * 7 + i;
    return item;
}

bool item_is_whole(const struct item *item)
{
    struct item whole = item_of(item->number);
    return memcmp(item, &whole, sizeof whole) == 0;
}
