/* A process is SIGKILLed while it works on shared objects; the survivors go on, and a checker proves that nothing
 * is torn, lost or doubled.
 *
 * An operation is a row of the table: what a victim does in each round, what the survivors do meanwhile and after,
 * and what must hold in the end. Each is killed in two ways: at every system call that the victim makes (stopped
 * by ptrace on entry and on exit of each), and at random instants (CHENG_SEED replays them; CHENG_LONG=1: more).
 * The arena's bound is 5 ms; survivors that are not done 10 s after the death hang, and fail the case. */
#include "unit/harness.h"

#include <cheng.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/layout.h"

enum {
    VICTIM_ROUNDS = 8, /* when its system calls are counted; else it goes on until it is killed */
    PASSES = 3,        /* over its system calls: each meets the survivors elsewhere */
    STOPS_MAX = 3000,
    AFTER = 20, /* rounds that the survivors do after the death, at the least */
    INSTANTS = 200,
    INSTANTS_LONG = 2000,
    DELAY_MAX_NS = 300000,
    SURVIVORS_MAX = 2,
    ITEMS_MAX = 1 << 16,
    BLOCK_MAX = 512
};
static const cheng_duration PATIENCE = 10 * CHENG_SECOND;

/* What the processes of a run share; zeroed at its start. */
struct stage {
    cheng_arena *arena;
    char name[64];
    cheng_lock lock;
    cheng_condition changed;
    cheng_event to_survivor, to_victim;
    cheng_semaphore for_survivor, for_victim;
    cheng_queue *queue;

    uint32_t dead;   /* set by the driver, once the victim is no more */
    uint32_t stop;   /* set by the driver: the survivors may end */
    uint32_t rounds; /* of the victim that were begun */

    /* the operations' own */
    uint32_t inside, deaths, turn;
    uint64_t a, b;
    uint32_t given, taken, returned; /* counted before, after, or by whom the operation says */
    uint32_t produced;
    uint32_t in_hand; /* the victim's buffer */
    uint32_t survivors_blocks;
    void *block;
    size_t used;
    uint8_t seen[2][ITEMS_MAX];
    uint32_t next[2];
};

struct operation {
    const char *name;
    int survivors;
    void (*prepare)(struct stage *);
    void (*victim)(struct stage *);            /* one round */
    void (*survivor)(struct stage *, int who); /* until the death, and AFTER rounds more, or `stop` */
    void (*settle)(struct stage *); /* driver, after the death: what must happen without help; then stop */
    void (*check)(struct stage *);  /* driver, when all have ended */
};

#define READ(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define WRITE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)

static void spin(unsigned rounds)
{
    while (rounds-- > 0)
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* A system call where the victim may be killed, between two of the library's. */
static void killable(void)
{
    (void)getppid();
}

static void become_true(bool (*condition)(struct stage *), struct stage *stage)
{
    cheng_deadline deadline = cheng_after(PATIENCE);
    while (!condition(stage)) {
        assert_true(cheng_clock_ns() < deadline.at_ns); /* somebody sleeps on what is there */
        usleep(200);
    }
}

/* ---- lock: two counters that are equal whenever nobody is inside ---- */

static void share_lock(struct stage *stage)
{
    assert_int_equal(cheng_lock_share(stage->arena, &stage->lock), 0);
}

static void lock_victim(struct stage *stage)
{
    cheng_lock_acquire(&stage->lock);
    assert_int_equal(READ(stage->inside), 0);
    WRITE(stage->inside, 1);
    stage->a++;
    killable();
    stage->b++;
    WRITE(stage->inside, 0);
    assert_int_equal(cheng_lock_release(&stage->lock), 0);
}

static void lock_survivor(struct stage *stage, int who)
{
    for (int after = 0; after < AFTER; after += READ(stage->dead) != 0) {
        int rc = cheng_lock_acquire_until(&stage->lock, CHENG_FOREVER);
        if (rc == -EOWNERDEAD) {
            stage->deaths++;
            stage->b = stage->a; /* the repair */
            WRITE(stage->inside, 0);
        } else
            assert_int_equal(rc, 0);
        assert_int_equal(READ(stage->inside), 0);
        assert_true(stage->a == stage->b);
        WRITE(stage->inside, 2 + (uint32_t)who);
        stage->a++;
        spin(2000);
        stage->b++;
        WRITE(stage->inside, 0);
        assert_int_equal(cheng_lock_release(&stage->lock), 0);
        spin(500);
    }
}

static void lock_check(struct stage *stage)
{
    assert_true(stage->a == stage->b);
    assert_true(stage->deaths <= 1);
    assert_int_equal(cheng_lock_acquire_until(&stage->lock, CHENG_NOW), 0);
}

/* ---- condition: two take turns ---- */

static void condition_prepare(struct stage *stage)
{
    share_lock(stage);
    assert_int_equal(cheng_condition_share(stage->arena, &stage->changed), 0);
}

static void condition_victim(struct stage *stage)
{
    cheng_lock_acquire(&stage->lock);
    while (stage->turn != 1)
        assert_int_equal(cheng_condition_wait(&stage->changed, &stage->lock), 0);
    killable();
    stage->turn = 0;
    cheng_condition_notify(&stage->changed, 1);
    assert_int_equal(cheng_lock_release(&stage->lock), 0);
}

static void condition_survivor(struct stage *stage, int who)
{
    (void)who;
    for (int after = 0; after < AFTER; after += READ(stage->dead) != 0) {
        int rc = cheng_lock_acquire_until(&stage->lock, CHENG_FOREVER);
        for (;;) {
            assert_true(rc == 0 || rc == -EOWNERDEAD);
            stage->deaths += rc == -EOWNERDEAD;
            if (stage->turn == 0 || READ(stage->dead))
                break;
            rc = cheng_condition_wait(&stage->changed, &stage->lock); /* nobody tells it of the death */
        }
        stage->turn = 1;
        cheng_condition_notify(&stage->changed, UINT_MAX);
        assert_int_equal(cheng_lock_release(&stage->lock), 0);
        spin(500);
    }
}

static void deaths_check(struct stage *stage)
{
    assert_true(stage->deaths <= 1);
    assert_int_equal(cheng_lock_acquire_until(&stage->lock, CHENG_NOW), 0);
}

/* ---- semaphore: units go back and forth ---- */

static void semaphore_prepare(struct stage *stage)
{
    assert_int_equal(cheng_semaphore_share(stage->arena, &stage->for_survivor, 0), 0);
    assert_int_equal(cheng_semaphore_share(stage->arena, &stage->for_victim, 0), 0);
}

static void semaphore_victim(struct stage *stage)
{
    assert_int_equal(cheng_semaphore_release(&stage->for_survivor, 1), 0);
    WRITE(stage->given, stage->given + 1);
    assert_int_equal(cheng_semaphore_acquire(&stage->for_victim), 0);
    WRITE(stage->returned, stage->returned + 1);
}

static void semaphore_survivor(struct stage *stage, int who)
{
    (void)who;
    for (;;) {
        assert_int_equal(cheng_semaphore_acquire(&stage->for_survivor), 0);
        if (READ(stage->stop))
            return;
        WRITE(stage->taken, stage->taken + 1);
        spin(1000);
        assert_int_equal(cheng_semaphore_release(&stage->for_victim, 1), 0);
    }
}

static bool all_units_taken(struct stage *stage)
{
    return cheng_semaphore_value(&stage->for_survivor) == 0 && READ(stage->taken) >= READ(stage->given);
}

static void semaphore_settle(struct stage *stage)
{
    become_true(all_units_taken, stage);
    WRITE(stage->stop, 1);
    assert_int_equal(cheng_semaphore_release(&stage->for_survivor, 1), 0);
}

static void semaphore_check(struct stage *stage)
{
    assert_true(stage->taken == stage->given || stage->taken == stage->given + 1);
    unsigned left = cheng_semaphore_value(&stage->for_victim), gone = stage->taken - left;
    assert_true(gone == stage->returned || gone == stage->returned + 1); /* what it had acquired stays away */
}

/* ---- event: each sets the other's ---- */

static void event_prepare(struct stage *stage)
{
    assert_int_equal(cheng_event_share(stage->arena, &stage->to_survivor), 0);
    assert_int_equal(cheng_event_share(stage->arena, &stage->to_victim), 0);
}

static void event_victim(struct stage *stage)
{
    cheng_event_set(&stage->to_survivor);
    WRITE(stage->given, stage->given + 1);
    assert_int_equal(cheng_event_wait(&stage->to_victim), 0);
    cheng_event_clear(&stage->to_victim);
}

static void event_survivor(struct stage *stage, int who)
{
    (void)who;
    for (;;) {
        assert_int_equal(cheng_event_wait(&stage->to_survivor), 0);
        if (READ(stage->stop))
            return;
        cheng_event_clear(&stage->to_survivor);
        WRITE(stage->taken, stage->taken + 1);
        spin(1000);
        cheng_event_set(&stage->to_victim);
    }
}

static bool event_seen(struct stage *stage)
{
    return !cheng_event_is_set(&stage->to_survivor) && READ(stage->taken) >= READ(stage->given);
}

static void event_settle(struct stage *stage)
{
    become_true(event_seen, stage);
    WRITE(stage->stop, 1);
    cheng_event_set(&stage->to_survivor);
}

static void event_check(struct stage *stage)
{
    assert_true(stage->taken == stage->given || stage->taken == stage->given + 1);
}

/* ---- queue ---- */

struct item {
    uint32_t producer, number; /* producer 0: the victim, or the only one */
    uint32_t filling[6];
};

static struct item item_of(uint32_t producer, uint32_t number)
{
    struct item item = { producer, number, { 0 } };
    for (int i = 0; i < 6; i++)
        item.filling[i] = number * 7 + (uint32_t)i;
    return item;
}

static void note(struct stage *stage, const struct item *item)
{
    assert_true(item->producer < 2 && item->number < ITEMS_MAX);
    for (int i = 0; i < 6; i++)
        assert_int_equal(item->filling[i], item->number * 7 + (uint32_t)i); /* not torn */
    assert_int_equal(__atomic_fetch_add(&stage->seen[item->producer][item->number], 1, __ATOMIC_RELAXED), 0);
}

static void queue_prepare(struct stage *stage)
{
    cheng_queue_options options = { .capacity = 2, .arena = stage->arena };
    assert_int_equal(cheng_queue_new(&stage->queue, sizeof(struct item), &options), 0);
}

/* Until it is closed. */
static void consume(struct stage *stage)
{
    struct item item;
    int rc;
    while ((rc = cheng_queue_get(stage->queue, &item)) == 0)
        note(stage, &item);
    assert_int_equal(rc, -EPIPE);
}

static void produce(struct stage *stage, uint32_t producer)
{
    for (int after = 0; after < AFTER; after += READ(stage->dead) != 0) {
        struct item item = item_of(producer, stage->produced);
        if (item.number ==
            ITEMS_MAX - AFTER - 1) { /* enough; only fast survivors of a slow victim come here */
            while (!READ(stage->dead))
                usleep(100);
        }
        int rc = cheng_queue_put(stage->queue, &item);
        assert_int_equal(rc, 0);
        WRITE(stage->produced, stage->produced + 1);
    }
    WRITE(stage->stop, 1);
}

static void put_victim(struct stage *stage)
{
    struct item item = item_of(0, stage->given);
    assert_int_equal(cheng_queue_put(stage->queue, &item), 0);
    WRITE(stage->given, stage->given + 1);
    if (stage->given == ITEMS_MAX - 1)
        pause();
}

static void put_survivor(struct stage *stage, int who)
{
    if (who == 0)
        consume(stage);
    else
        produce(stage, 1); /* competes for the end where the victim puts */
}

static void get_victim(struct stage *stage)
{
    struct item *buffer = (struct item *)(void *)stage->block; /* in the arena: the checker looks at it */
    if (READ(stage->stop))
        return;
    int rc = cheng_queue_get(stage->queue, buffer);
    assert_int_equal(rc, 0);
    note(stage, buffer);
}

static void get_prepare(struct stage *stage)
{
    queue_prepare(stage);
    stage->block = cheng_arena_alloc(stage->arena, sizeof(struct item));
    ((struct item *)stage->block)->number = UINT32_MAX;
}

static void get_survivor(struct stage *stage, int who)
{
    if (who == 0)
        consume(stage);
    else
        produce(stage, 0);
}

static bool producer_done(struct stage *stage)
{
    return READ(stage->stop) != 0;
}

static void queue_settle(struct stage *stage)
{
    become_true(producer_done, stage);
    cheng_queue_close(stage->queue);
}

static void put_check(struct stage *stage)
{
    uint32_t from_victim = 0;
    while (from_victim < ITEMS_MAX && stage->seen[0][from_victim])
        from_victim++;
    assert_true(from_victim == stage->given || from_victim == stage->given + 1);
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
        assert_int_equal(stage->seen[0][i], i < from_victim);
        assert_int_equal(stage->seen[1][i], i < stage->produced);
    }
}

/* Each item came out once; one may be with the victim, in the very buffer that it got it into. */
static void get_check(struct stage *stage)
{
    const struct item *buffer = (const struct item *)(void *)stage->block;
    uint32_t missing = 0;
    for (uint32_t i = 0; i < stage->produced; i++)
        if (stage->seen[0][i] == 0) {
            missing++;
            assert_int_equal(buffer->number, i);
        }
    assert_true(missing <= 1);
}

/* ---- the allocator ---- */

static size_t some_size(uint32_t round)
{
    return (size_t)(round * 2654435761u >> 7) % BLOCK_MAX;
}

static void alloc_prepare(struct stage *stage)
{
    stage->used = cheng_arena_used(stage->arena);
}

static void alloc_victim(struct stage *stage)
{
    void *block = cheng_arena_alloc(stage->arena, some_size(stage->rounds));
    assert_non_null(block);
    WRITE(stage->block, block);
    killable();
    assert_int_equal(cheng_arena_release(stage->arena, block), 0);
    WRITE(stage->block, NULL);
}

static void alloc_survivor(struct stage *stage, int who)
{
    void *blocks[8] = { 0 };
    uint32_t round = (uint32_t)who;
    for (int after = 0; after < AFTER; after += READ(stage->dead) != 0) {
        void **slot = &blocks[round++ % 8];
        assert_int_equal(cheng_arena_release(stage->arena, *slot), 0);
        size_t size = some_size(round);
        unsigned char *block = cheng_arena_alloc(stage->arena, size);
        assert_non_null(block);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xbb, size);
        *slot = block;
    }
    for (int i = 0; i < 8; i++)
        assert_int_equal(cheng_arena_release(stage->arena, blocks[i]), 0);
}

/* At most the one block is away that the victim had been given but not yet written down. */
static void alloc_check(struct stage *stage)
{
    bool written_down = stage->block != NULL && cheng_arena_release(stage->arena, stage->block) == 0;
    size_t away = cheng_arena_used(stage->arena) - stage->used;
    assert_true(away <= (written_down ? 0 : BLOCK_MAX));
}

/* ---- attaching ---- */

static void attach_victim(struct stage *stage)
{
    cheng_arena *other;
    assert_int_equal(cheng_arena_attach(&other, stage->name), 0);
    assert_non_null(cheng_arena_root(other));
    assert_int_equal(cheng_arena_free(other), 0);
}

static void attach_survivor(struct stage *stage, int who)
{
    (void)who;
    for (int after = 0; after < AFTER; after += READ(stage->dead) != 0)
        attach_victim(stage);
}

static void attach_prepare(struct stage *stage)
{
    cheng_arena *other;
    cheng_arena_options options = { .name = stage->name };
    assert_int_equal(chengi_arena_new_with_rows(&other, 4096, &options, 9),
                     0); /* few, so that they come round */
    cheng_arena_set_root(other, cheng_arena_alloc(other, 16));
    assert_int_equal(cheng_arena_free(other), 0);
}

static void attach_check(struct stage *stage)
{
    assert_int_equal(cheng_arena_unlink(stage->name), 0);
}

/* ---- the table ---- */

enum { LOCK, CONDITION, SEMAPHORE, EVENT, PUT, GET, ALLOC, ATTACH };

static const struct operation operations[] = {
    [LOCK] = { "lock", 2, share_lock, lock_victim, lock_survivor, NULL, lock_check },
    [CONDITION] = { "condition", 1, condition_prepare, condition_victim, condition_survivor, NULL,
                    deaths_check },
    [SEMAPHORE] = { "semaphore", 1, semaphore_prepare, semaphore_victim, semaphore_survivor, semaphore_settle,
                    semaphore_check },
    [EVENT] = { "event", 1, event_prepare, event_victim, event_survivor, event_settle, event_check },
    [PUT] = { "queue put", 2, queue_prepare, put_victim, put_survivor, queue_settle, put_check },
    [GET] = { "queue get", 2, get_prepare, get_victim, get_survivor, queue_settle, get_check },
    [ALLOC] = { "allocator", 2, alloc_prepare, alloc_victim, alloc_survivor, NULL, alloc_check },
    [ATTACH] = { "attach", 2, attach_prepare, attach_victim, attach_survivor, NULL, attach_check },
};

/* ---- the driver ---- */

/* How the victim of one run dies. */
struct death {
    bool at_stop;
    unsigned stop;     /* the how manieth stop at a system call */
    uint64_t delay_ns; /* after it has begun its first round */
};

static void run_victim(const struct operation *operation, struct stage *stage, const struct death *death)
{
    if (death->at_stop) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
    }
    for (unsigned round = 0; !death->at_stop || round < VICTIM_ROUNDS; round++) {
        WRITE(stage->rounds, stage->rounds + 1);
        operation->victim(stage);
    }
    _exit(0);
}

static void trouble(const struct operation *operation, const struct death *death, const char *what)
{
    printf("%s: killed at %s %llu: %s\n", operation->name, death->at_stop ? "stop" : "ns",
           (unsigned long long)(death->at_stop ? death->stop : death->delay_ns), what);
    fflush(stdout);
}

/* Lets it run to its stop and kills it there. False: it ended before. */
static bool kill_at_stop(pid_t victim, const struct operation *operation, const struct death *death)
{
    int status;
    waitpid(victim, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        test_skip("ptrace is not allowed here");
    ptrace(PTRACE_SETOPTIONS, victim, NULL, (void *)(uintptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    unsigned stops = 0;
    int signal_to_pass = 0;
    for (;;) {
        ptrace(PTRACE_SYSCALL, victim, NULL, (void *)(uintptr_t)signal_to_pass);
        waitpid(victim, &status, 0);
        if (!WIFSTOPPED(status)) {
            if (status != 0)
                trouble(operation, death, "the victim failed");
            assert_int_equal(status, 0);
            return false;
        }
        bool at_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        signal_to_pass = at_call ? 0 : WSTOPSIG(status);
        if (at_call && ++stops == death->stop)
            break;
    }
    kill(victim, SIGKILL);
    waitpid(victim, &status, 0);
    return true;
}

static bool kill_after_delay(pid_t victim, struct stage *stage, const struct operation *operation,
                             const struct death *death)
{
    int status;
    while (READ(stage->rounds) == 0)
        if (waitpid(victim, &status, WNOHANG) != 0)
            trouble(operation, death, "the victim failed");
    int64_t until = cheng_clock_ns() + (int64_t)death->delay_ns;
    while (cheng_clock_ns() < until)
        ;
    kill(victim, SIGKILL);
    waitpid(victim, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        trouble(operation, death, "the victim failed");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return true;
}

static void expect_end(pid_t survivor, const struct operation *operation, const struct death *death)
{
    cheng_deadline deadline = cheng_after(PATIENCE);
    int status;
    while (waitpid(survivor, &status, WNOHANG) == 0) {
        if (cheng_clock_ns() > deadline.at_ns) {
            trouble(operation, death, "a survivor hangs");
            kill(survivor, SIGKILL);
            assert_true(false);
        }
        usleep(100);
    }
    if (status != 0)
        trouble(operation, death, "a survivor failed");
    assert_int_equal(status, 0);
}

/* False: the victim ended by itself. */
static bool run_once(const struct operation *operation, const struct death *death)
{
    cheng_arena *arena;
    cheng_arena_options options = { .bound = 5 * CHENG_MILLISECOND };
    pid_t survivors[SURVIVORS_MAX] = { 0 };
    assert_int_equal(cheng_arena_new(&arena, 1 << 20, &options), 0);
    struct stage *stage = cheng_arena_alloc(arena, sizeof *stage);
    assert_non_null(stage);
    stage->arena = arena;
    snprintf(stage->name, sizeof stage->name, "/cheng-kill-%d", (int)getpid());
    operation->prepare(stage);
    for (int i = 0; i < operation->survivors; i++)
        if ((survivors[i] = fork()) == 0) {
            operation->survivor(stage, i);
            _exit(0);
        }
    pid_t victim = fork();
    if (victim == 0)
        run_victim(operation, stage, death);
    bool killed = death->at_stop ? kill_at_stop(victim, operation, death)
                                 : kill_after_delay(victim, stage, operation, death);
    WRITE(stage->dead, 1);
    if (operation->settle != NULL)
        operation->settle(stage);
    for (int i = 0; i < operation->survivors; i++)
        expect_end(survivors[i], operation, death);
    operation->check(stage);
    cheng_queue_free(stage->queue);
    assert_int_equal(cheng_arena_free(arena), 0);
    return killed;
}

static void at_every_system_call(int which)
{
    unsigned killed = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        struct death death = { .at_stop = true, .stop = 1 };
        while (run_once(&operations[which], &death) && death.stop < STOPS_MAX)
            death.stop++;
        assert_true(death.stop > 1 && death.stop < STOPS_MAX);
        killed += death.stop - 1;
    }
    printf("%s: killed at %u stops, on entry and exit of each system call\n", operations[which].name, killed);
}

static void at_random_instants(int which)
{
    uint64_t random = test_seed();
    int instants = test_long() ? INSTANTS_LONG : INSTANTS;
    for (int i = 0; i < instants; i++) {
        random += UINT64_C(0x9e3779b97f4a7c15);
        struct death death = { .delay_ns = chengi_mix(random) % DELAY_MAX_NS };
        run_once(&operations[which], &death);
    }
    printf("%s: killed at %d random instants\n", operations[which].name, instants);
}

TEST(lock_at_every_system_call)
{
    at_every_system_call(LOCK);
}

TEST(lock_at_random_instants)
{
    at_random_instants(LOCK);
}

TEST(condition_at_every_system_call)
{
    at_every_system_call(CONDITION);
}

TEST(condition_at_random_instants)
{
    at_random_instants(CONDITION);
}

TEST(semaphore_at_every_system_call)
{
    at_every_system_call(SEMAPHORE);
}

TEST(semaphore_at_random_instants)
{
    at_random_instants(SEMAPHORE);
}

TEST(event_at_every_system_call)
{
    at_every_system_call(EVENT);
}

TEST(event_at_random_instants)
{
    at_random_instants(EVENT);
}

TEST(queue_put_at_every_system_call)
{
    at_every_system_call(PUT);
}

TEST(queue_put_at_random_instants)
{
    at_random_instants(PUT);
}

TEST(queue_get_at_every_system_call)
{
    at_every_system_call(GET);
}

TEST(queue_get_at_random_instants)
{
    at_random_instants(GET);
}

TEST(allocator_at_every_system_call)
{
    at_every_system_call(ALLOC);
}

TEST(allocator_at_random_instants)
{
    at_random_instants(ALLOC);
}

TEST(attach_at_every_system_call)
{
    at_every_system_call(ATTACH);
}

TEST(attach_at_random_instants)
{
    at_random_instants(ATTACH);
}
