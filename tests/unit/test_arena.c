/* The arena: life, names, the allocator, participants, corruption. */
#include "unit/harness.h"

#include <cheng/arena.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "arena/heap_lock.h"
#include "arena/layout.h"

enum { SIZE = 1 << 20 };

static const char *unique_name(void)
{
    static char name[64];
    snprintf(name, sizeof name, "/cheng-test-%d", (int)getpid());
    return name;
}

static cheng_arena *make(size_t size)
{
    cheng_arena *arena = NULL;
    cheng_arena_options options = { .bound = 5 * CHENG_MILLISECOND };
    assert_int_equal(cheng_arena_new(&arena, size, &options), 0);
    assert_non_null(arena);
    return arena;
}

static void wait_for(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Runs the rest of the block in a child, and waits for it. */
#define IN_CHILD                                                                                             \
    for (pid_t forked = fork(), once = 1; once; once = 0, forked == 0 ? _exit(0) : wait_for(forked))         \
        if (forked == 0)

static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return chengi_mix(*state);
}

/* ---- life ---- */

TEST(new_checks_its_arguments)
{
    cheng_arena *arena = NULL;
    assert_int_equal(cheng_arena_new(NULL, SIZE, NULL), -EINVAL);
    assert_int_equal(cheng_arena_new(&arena, 0, NULL), -EINVAL);
    assert_int_equal(cheng_arena_new(&arena, 4095, NULL), -EINVAL);
    assert_int_equal(cheng_arena_new(&arena, SIZE_MAX, NULL), -EINVAL);
    assert_int_equal(cheng_arena_new(&arena, (size_t)1 << 36, NULL), -EINVAL);
    assert_int_equal(cheng_arena_new(&arena, SIZE, &(cheng_arena_options){ .bound = -1 }), -EINVAL);
    const char *bad[] = { "", "/", "/.", "/..", "/a/b", "/../x", ".hidden" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(cheng_arena_new(&arena, SIZE, &(cheng_arena_options){ .name = bad[i] }), -EINVAL);
    assert_null(arena);
}

TEST(usable_size_is_as_asked)
{
    for (size_t size = 4096; size <= 1 << 24; size = size * 3 + 1) {
        cheng_arena *arena = make(size);
        void *all = cheng_arena_alloc(arena, size);
        assert_non_null(all);
        memset(all, 1, size);
        assert_int_equal(cheng_arena_release(arena, all), 0);
        assert_int_equal(cheng_arena_free(arena), 0);
    }
}

TEST(memory_is_used_only_as_it_is_touched) // noqemu: a mapping of 60 GiB
{
    cheng_arena *arena = NULL;
    assert_int_equal(cheng_arena_new(&arena, (size_t)60 << 30, NULL), 0);
    assert_non_null(cheng_arena_alloc(arena, (size_t)59 << 30));
    struct stat status;
    assert_int_equal(fstat(arena->fd, &status), 0);
    assert_true(status.st_blocks * 512 < 256 << 10);
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(free_of_what_is_no_arena)
{
    assert_int_equal(cheng_arena_free(NULL), 0);
    cheng_arena *arena = make(SIZE);
    chengi_arena_hold(arena);
    assert_int_equal(cheng_arena_free(arena), -EBUSY);
    chengi_arena_unhold(arena);
    assert_int_equal(cheng_arena_free(arena), 0);
    assert_int_equal(cheng_arena_free(arena), -EINVAL);
    assert_null(cheng_arena_alloc(arena, 1));
    assert_int_equal(cheng_arena_release(arena, &arena), -EINVAL);
    assert_int_equal(cheng_arena_used(arena), 0);
    assert_null(cheng_arena_root(arena));
}

TEST(too_many_arenas)
{
    cheng_arena *arenas[300];
    int made = 0, rc = 0;
    while (made < 300 && (rc = cheng_arena_new(&arenas[made], 4096, NULL)) == 0)
        made++;
    assert_int_equal(rc, -EMFILE);
    assert_int_equal(made, 256);
    while (made > 0)
        assert_int_equal(cheng_arena_free(arenas[--made]), 0);
}

/* ---- names ---- */

TEST(names)
{
    cheng_arena *arena, *again, *other = NULL;
    const char *name = unique_name();
    assert_int_equal(cheng_arena_attach(&other, name), -ENOENT);
    assert_int_equal(cheng_arena_new(&arena, SIZE, &(cheng_arena_options){ .name = name }), 0);
    assert_int_equal(cheng_arena_new(&other, SIZE, &(cheng_arena_options){ .name = name }), -EEXIST);
    assert_int_equal(cheng_arena_attach(&again, name), 0);
    assert_ptr_equal(again, arena); /* one descriptor for each file and process */
    assert_int_equal(cheng_arena_free(again), 0);
    assert_non_null(cheng_arena_alloc(arena, 16));
    assert_int_equal(cheng_arena_unlink(name), 0);
    assert_int_equal(cheng_arena_unlink(name), -ENOENT);
    assert_int_equal(cheng_arena_unlink("/a/b"), -EINVAL);
    assert_int_equal(cheng_arena_attach(&other, name), -ENOENT);
    assert_int_equal(cheng_arena_attach(&other, NULL), -EINVAL);
    assert_non_null(cheng_arena_alloc(arena, 16));
    assert_int_equal(cheng_arena_free(arena), 0);
    assert_null(other);
}

/* The other side of attach_from_another_program: this very case, with the name in the environment. */
static void as_another_program(const char *name)
{
    cheng_arena *arena;
    assert_int_equal(cheng_arena_attach(&arena, name), 0);
    char *text = cheng_arena_root(arena);
    assert_non_null(text);
    assert_string_equal(text, "from the first");
    char *answer = cheng_arena_alloc(arena, 32);
    assert_non_null(answer);
    memcpy(answer, "from the second", sizeof "from the second");
    cheng_arena_set_root(arena, answer);
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(attach_from_another_program) // noqemu: novalgrind: starts itself again
{
    const char *inherited = getenv("CHENG_TEST_ARENA");
    if (inherited != NULL) {
        as_another_program(inherited);
        return;
    }
    const char *name = unique_name();
    cheng_arena *arena;
    assert_int_equal(cheng_arena_new(&arena, SIZE, &(cheng_arena_options){ .name = name }), 0);
    char *text = cheng_arena_alloc(arena, 32);
    memcpy(text, "from the first", sizeof "from the first");
    cheng_arena_set_root(arena, text);
    pid_t child = fork();
    if (child == 0) {
        setenv("CHENG_TEST_ARENA", name, 1);
        execl("/proc/self/exe", "test_arena", "attach_from_another_program", (char *)NULL);
        _exit(127);
    }
    wait_for(child);
    assert_string_equal((char *)cheng_arena_root(arena), "from the second");
    assert_int_equal(cheng_arena_unlink(name), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
}

static int raw_file(const char *name, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "/dev/shm%s", name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    return fd;
}

TEST(attach_refuses_what_is_no_arena)
{
    const char *name = unique_name();
    cheng_arena *arena, *other = NULL;
    char zeroes[8192] = { 0 };
    close(raw_file(name, zeroes, 0));
    assert_int_equal(cheng_arena_attach(&other, name), -EBADMSG);
    close(raw_file(name, "hello", 5));
    assert_int_equal(cheng_arena_attach(&other, name), -EBADMSG);
    close(raw_file(name, zeroes, sizeof zeroes));
    assert_int_equal(cheng_arena_attach(&other, name), -EBADMSG);
    assert_int_equal(cheng_arena_unlink(name), 0);

    /* Each bit of what is fixed in a real header, and a file that was cut or has grown. */
    struct arena_header header;
    assert_int_equal(cheng_arena_new(&arena, SIZE, &(cheng_arena_options){ .name = name }), 0);
    memcpy(&header, arena->base, sizeof header);
    uint64_t size = arena->size;
    assert_int_equal(cheng_arena_unlink(name), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
    for (size_t bit = 0; bit < offsetof(struct arena_header, unused) * 8; bit++) {
        struct arena_header bad = header;
        ((unsigned char *)&bad)[bit / 8] ^= (unsigned char)(1 << bit % 8);
        int fd = raw_file(name, &bad, sizeof bad);
        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        close(fd);
        assert_int_equal(cheng_arena_attach(&other, name), -EBADMSG);
    }
    for (int change = -1; change <= 1; change += 2) {
        int fd = raw_file(name, &header, sizeof header);
        assert_int_equal(ftruncate(fd, (off_t)size + change * 4096), 0);
        close(fd);
        assert_int_equal(cheng_arena_attach(&other, name), -EBADMSG);
    }
    assert_int_equal(cheng_arena_unlink(name), 0);
    assert_null(other);
}

/* ---- the allocator ---- */

TEST(blocks_are_zeroed_and_aligned)
{
    cheng_arena *arena = make(SIZE);
    void *blocks[64];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 64; i++) {
            unsigned char *block = cheng_arena_alloc(arena, i * 7);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 16, 0);
            for (size_t j = 0; j < i * 7; j++)
                assert_int_equal(block[j], 0);
            memset(block, 0xff, i * 7);
            blocks[i] = block;
        }
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(cheng_arena_release(arena, blocks[(i * 29) % 64]), 0);
        assert_int_equal(cheng_arena_used(arena), 0);
    }
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(release_checks_its_argument)
{
    cheng_arena *arena = make(SIZE);
    char *block = cheng_arena_alloc(arena, 100), *next = cheng_arena_alloc(arena, 100);
    assert_int_equal(cheng_arena_release(arena, NULL), 0);
    assert_int_equal(cheng_arena_release(arena, block + 16), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, block + 1), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, arena->base), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, arena->base + arena->size), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, &arena), -EINVAL);
    assert_int_equal(cheng_arena_release(NULL, block), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, block), 0);
    assert_int_equal(cheng_arena_release(arena, block), -EINVAL); /* twice */
    assert_int_equal(cheng_arena_release(arena, next), 0);
    assert_int_equal(cheng_arena_release(arena, next), -EINVAL);
    assert_int_equal(cheng_arena_release(arena, block), -EINVAL);
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(full_and_empty_again)
{
    cheng_arena *arena = make(1 << 16);
    void *blocks[8192];
    assert_null(cheng_arena_alloc(arena, 1 << 17));
    assert_null(cheng_arena_alloc(arena, SIZE_MAX));
    for (int round = 0; round < 3; round++) {
        int made = 0;
        while (made < 8192 && (blocks[made] = cheng_arena_alloc(arena, 8)) != NULL)
            made++;
        assert_true(made > 2000);
        assert_true(cheng_arena_used(arena) - (size_t)made * 16 <= 16); /* the last may be a little larger */
        for (int i = 0; i < made; i += 2)
            assert_int_equal(cheng_arena_release(arena, blocks[i]), 0);
        assert_null(cheng_arena_alloc(arena, 64)); /* the holes are too small */
        for (int i = 1; i < made; i += 2)
            assert_int_equal(cheng_arena_release(arena, blocks[i]), 0);
        void *all = cheng_arena_alloc(arena, 1 << 16); /* they have grown together */
        assert_non_null(all);
        assert_int_equal(cheng_arena_release(arena, all), 0);
    }
    assert_int_equal(cheng_arena_free(arena), 0);
}

struct held {
    unsigned char *block;
    size_t size;
    unsigned char fill;
};

/* Random allocations against a model: contents stay, blocks do not overlap, all of it comes back. */
static void churn(cheng_arena *arena, uint64_t *random, int steps, struct held *held, unsigned slots)
{
    for (int step = 0; step < steps; step++) {
        struct held *slot = &held[next_random(random) % slots];
        if (slot->block != NULL) {
            for (size_t i = 0; i < slot->size; i++)
                assert_int_equal(slot->block[i], slot->fill);
            assert_int_equal(cheng_arena_release(arena, slot->block), 0);
            slot->block = NULL;
            continue;
        }
        slot->size = next_random(random) % (next_random(random) % 8 == 0 ? 4000 : 200) + 1;
        slot->fill = (unsigned char)next_random(random);
        slot->block = cheng_arena_alloc(arena, slot->size);
        if (slot->block == NULL)
            continue;
        for (size_t i = 0; i < slot->size; i++)
            assert_int_equal(slot->block[i], 0);
        memset(slot->block, slot->fill, slot->size);
    }
}

static void release_all(cheng_arena *arena, struct held *held, unsigned slots)
{
    for (unsigned i = 0; i < slots; i++)
        if (held[i].block != NULL)
            assert_int_equal(cheng_arena_release(arena, held[i].block), 0);
}

TEST(random_allocations)
{
    uint64_t random = test_seed();
    cheng_arena *arena = make(1 << 17);
    struct held held[200] = { 0 };
    churn(arena, &random, 40000, held, 200);
    release_all(arena, held, 200);
    assert_int_equal(cheng_arena_used(arena), 0);
    assert_non_null(cheng_arena_alloc(arena, 1 << 17));
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(processes_allocate_at_once)
{
    uint64_t random = test_seed();
    cheng_arena *arena;
    cheng_arena_options options = { .bound = 3600 * CHENG_SECOND }; /* a lost wake-up would be a hang */
    assert_int_equal(cheng_arena_new(&arena, 1 << 18, &options), 0);
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        random += 77;
        if ((children[i] = fork()) == 0) {
            struct held held[50] = { 0 };
            churn(arena, &random, 8000, held, 50);
            release_all(arena, held, 50);
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++)
        wait_for(children[i]);
    assert_int_equal(cheng_arena_used(arena), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(who_waits_for_the_allocator_is_woken)
{
    cheng_arena *arena;
    cheng_arena_options options = { .bound = 3600 * CHENG_SECOND };
    assert_int_equal(cheng_arena_new(&arena, SIZE, &options), 0);
    struct heap_tenure tenure;
    pid_t children[3];
    assert_int_equal(chengi_heap_lock(arena, &tenure), 0);
    for (int i = 0; i < 3; i++)
        if ((children[i] = fork()) == 0)
            _exit(cheng_arena_alloc(arena, 100) == NULL);
    while ((load_relaxed(&chengi_header(arena)->heap) & 1) == 0)
        usleep(100);
    usleep(20000); /* all three asleep, most likely: the case is easier if not */
    chengi_heap_unlock(arena);
    for (int i = 0; i < 3; i++)
        wait_for(children[i]);
    assert_int_equal(cheng_arena_used(arena), 3 * 112);
    assert_int_equal(cheng_arena_free(arena), 0);
}

/* What a process leaves that is killed in the allocator: the lock with its word, a pending block, no cache. */
TEST(allocator_of_the_dead_is_repaired)
{
    cheng_arena *arena = make(1 << 16);
    struct arena_header *header = chengi_header(arena);
    char *kept = cheng_arena_alloc(arena, 100), *released = cheng_arena_alloc(arena, 200);
    char *pending = cheng_arena_alloc(arena, 300);
    assert_int_equal(cheng_arena_release(arena, released), 0);
    IN_CHILD
    {
        struct heap_tenure tenure;
        assert_int_equal(chengi_heap_lock(arena, &tenure), 0);
        assert_false(tenure.died);
        chengi_heap_lock_pending(arena, (uint32_t)((pending - (char *)arena->base) / 16 - 1));
        memset(header->bins, 0xee, sizeof header->bins);
        header->used = 4711;
    }
    void *other = cheng_arena_alloc(arena, 10);
    assert_non_null(other);
    assert_int_equal(cheng_arena_used(arena), 112 + 16);
    assert_int_equal(cheng_arena_release(arena, pending), -EINVAL); /* it was given back with its taker */
    assert_int_equal(cheng_arena_release(arena, kept), 0);
    assert_int_equal(cheng_arena_release(arena, other), 0);
    assert_non_null(cheng_arena_alloc(arena, 1 << 16));
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(root)
{
    cheng_arena *arena = make(SIZE);
    assert_null(cheng_arena_root(arena));
    void *block = cheng_arena_alloc(arena, 64);
    cheng_arena_set_root(arena, block);
    assert_ptr_equal(cheng_arena_root(arena), block);
    IN_CHILD
    assert_ptr_equal(cheng_arena_root(arena), block);
    chengi_header(arena)->root = 77;
    assert_null(cheng_arena_root(arena));
    cheng_arena_set_root(arena, &arena);
    assert_null(cheng_arena_root(arena));
    cheng_arena_set_root(arena, block);
    cheng_arena_set_root(arena, NULL);
    assert_null(cheng_arena_root(arena));
    assert_int_equal(cheng_arena_free(arena), 0);
}

/* ---- participants ---- */

TEST(a_dead_participant_is_known)
{
    cheng_arena *arena = make(SIZE);
    struct arena_view view;
    uint32_t *theirs = cheng_arena_alloc(arena, 2 * sizeof *theirs);
    assert_int_equal(chengi_arena_view(arena, &view), 0);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct arena_view mine;
        if (chengi_arena_view(arena, &mine) < 0 || chengi_arena_participant_dead(&mine, view.word))
            _exit(1);
        theirs[0] = mine.word;
        assert_int_equal(write(pipes[1], "x", 1), 1);
        pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_not_equal(theirs[0], view.word);
    assert_int_equal(theirs[0] & 3, 0);
    assert_true(chengi_arena_participant_plausible(&view, theirs[0]));
    assert_false(chengi_arena_participant_dead(&view, theirs[0]));
    assert_false(chengi_arena_participant_dead(&view, theirs[0] | 3));
    assert_int_equal(chengi_arena_participant_pid(&view, theirs[0]), child);
    assert_false(chengi_arena_participant_dead(&view, view.word));
    kill(child, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_true(chengi_arena_participant_dead(&view, theirs[0])); /* a zombie is dead */
    waitpid(child, NULL, 0);
    assert_true(chengi_arena_participant_dead(&view, theirs[0]));
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(exec_and_detach_end_a_participant)
{
    cheng_arena *arena = make(SIZE);
    struct arena_view view;
    uint32_t *theirs = cheng_arena_alloc(arena, 2 * sizeof *theirs);
    assert_int_equal(chengi_arena_view(arena, &view), 0);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct arena_view mine;
        if (chengi_arena_view(arena, &mine) == 0)
            theirs[0] = mine.word;
        dup2(pipes[1], 1);
        execl("/bin/sh", "sh", "-c", "echo; exec sleep 60", (char *)NULL);
        _exit(127);
    }
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_true(theirs[0] != 0 && chengi_arena_participant_dead(&view, theirs[0]));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    IN_CHILD
    {
        struct arena_view mine;
        assert_int_equal(chengi_arena_view(arena, &mine), 0);
        theirs[1] = mine.word;
        assert_int_equal(cheng_arena_free(arena), 0);
        assert_int_equal(chengi_arena_view(arena, &mine), -EOPNOTSUPP);
    }
    assert_true(theirs[1] != 0 && chengi_arena_participant_dead(&view, theirs[1]));
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(a_later_user_of_a_row_is_a_stranger)
{
    cheng_arena *arena;
    struct arena_view view;
    assert_int_equal(chengi_arena_new_with_rows(&arena, SIZE, NULL, 3), 0); /* one row beside ours */
    assert_int_equal(chengi_arena_view(arena, &view), 0);
    uint32_t *theirs = cheng_arena_alloc(arena, sizeof *theirs), before = 0;
    for (int i = 0; i < 5; i++) {
        IN_CHILD
        {
            struct arena_view mine;
            assert_int_equal(chengi_arena_view(arena, &mine), 0);
            if (before != 0)
                assert_true(chengi_arena_participant_dead(&mine, before));
            *theirs = mine.word;
        }
        assert_int_not_equal(*theirs, before);
        assert_true(chengi_arena_participant_dead(&view, *theirs));
        before = *theirs;
    }
    assert_int_equal(cheng_arena_free(arena), 0);
}

TEST(table_of_participants_is_full)
{
    const char *name = unique_name();
    cheng_arena *arena, *other = NULL;
    cheng_arena_options options = { .name = name };
    assert_int_equal(chengi_arena_new_with_rows(&arena, SIZE, &options, 2), 0); /* no row beside ours */
    pid_t child = fork();
    if (child == 0) {
        struct arena_view mine;
        assert_int_equal(chengi_arena_view(arena, &mine), -EOPNOTSUPP);
        assert_null(cheng_arena_alloc(arena, 1));
        assert_int_equal(cheng_arena_free(arena), 0);
        assert_int_equal(cheng_arena_attach(&other, name), -EUSERS);
        assert_null(other);
        _exit(0);
    }
    wait_for(child);
    child = fork();
    if (child == 0) { /* the row of the dead is taken over */
        raise(SIGSTOP);
        assert_int_equal(cheng_arena_free(arena), 0);
        assert_int_equal(cheng_arena_attach(&other, name), 0);
        _exit(0);
    }
    waitpid(child, NULL, WUNTRACED);
    assert_int_equal(cheng_arena_free(arena), 0);
    kill(child, SIGCONT);
    wait_for(child);
    assert_int_equal(cheng_arena_unlink(name), 0);
}

TEST(rows_are_used_again)
{
    cheng_arena *arena;
    struct arena_view view;
    assert_int_equal(chengi_arena_new_with_rows(&arena, 4096, NULL, 5), 0);
    for (int i = 0; i < 50; i++)
        IN_CHILD
    assert_int_equal(chengi_arena_view(arena, &view), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
}

/* ---- objects ---- */

TEST(from_an_object_to_its_arena)
{
    cheng_arena *arena = make(SIZE), *second = make(SIZE);
    struct arena_view view;
    for (size_t i = 1; i < 40; i++) {
        char *object = cheng_arena_alloc(i % 2 ? arena : second, i * 700);
        uint32_t kind = chengi_arena_kind(i % 2 ? arena : second, object, CHENGI_ARENA_EVENT);
        assert_int_not_equal(kind, 0);
        assert_int_equal(chengi_arena_tag(kind), CHENGI_ARENA_EVENT);
        assert_true(chengi_arena_contains(object));
        assert_int_equal(chengi_arena_kind(i % 2 ? second : arena, object, CHENGI_ARENA_EVENT), 0);
        assert_int_equal(chengi_arena_locate(object, kind, &view), 0);
        assert_ptr_equal(view.arena, i % 2 ? arena : second);
        assert_int_equal(view.bound_ns, 5 * CHENG_MILLISECOND);
        for (unsigned bit = 0; bit < 32; bit++) { /* never a crash, and never another arena */
            int rc = chengi_arena_locate(object, kind ^ 1u << bit, &view);
            assert_true(rc == -EBADMSG || rc == -EOPNOTSUPP || (rc == 0 && bit < 8));
        }
    }
    assert_false(chengi_arena_contains(&view));
    assert_int_equal(chengi_arena_kind(arena, &view, CHENGI_ARENA_LOCK), 0);
    assert_int_equal(chengi_arena_kind(arena, arena->base, CHENGI_ARENA_LOCK), 0);
    void *object = cheng_arena_alloc(arena, 16);
    uint32_t kind = chengi_arena_kind(arena, object, CHENGI_ARENA_LOCK);
    assert_int_equal(cheng_arena_free(arena), 0);
    assert_int_equal(chengi_arena_locate(object, kind, &view), -EOPNOTSUPP);
    assert_false(chengi_arena_contains(object));
    assert_int_equal(cheng_arena_free(second), 0);
}

TEST(call_sites)
{
    cheng_arena *arena = make(SIZE);
    struct arena_view view;
    char text[64], site[200];
    assert_int_equal(chengi_arena_view(arena, &view), 0);
    uint32_t here = chengi_arena_site(&view, "a.c:1"), there = chengi_arena_site(&view, "b.c:2");
    assert_true(here != 0 && there != 0 && here != there);
    assert_int_equal(chengi_arena_site(&view, "a.c:1"), here);
    assert_int_equal(chengi_arena_site(&view, NULL), 0);
    IN_CHILD
    assert_int_equal(chengi_arena_site(&view, "a.c:1"), here);
    assert_true(chengi_arena_site_text(&view, here, text, sizeof text));
    assert_string_equal(text, "a.c:1");
    assert_true(chengi_arena_site_text(&view, there, text, 4));
    assert_string_equal(text, "b.c");
    assert_false(chengi_arena_site_text(&view, 0, text, sizeof text));
    assert_false(chengi_arena_site_text(&view, 257, text, sizeof text));
    memset(site, 'x', sizeof site - 1);
    memcpy(site + sizeof site - 6, "y.c:9", sizeof "y.c:9");
    assert_true(chengi_arena_site_text(&view, chengi_arena_site(&view, site), text, sizeof text));
    assert_int_equal(strlen(text), 55);
    assert_string_equal(text + 50, "y.c:9");
    int refused = 0;
    for (int i = 0; i < 2000; i++) { /* the table gets full: no more numbers, no harm */
        static char many[2000][32];
        snprintf(many[i], sizeof many[i], "many.c:%d", i);
        refused += chengi_arena_site(&view, many[i]) == 0;
    }
    assert_true(refused > 1000);
    assert_int_equal(cheng_arena_free(arena), 0);
}

/* ---- corruption ---- */

static void use(cheng_arena *arena, uint64_t *random)
{
    void *blocks[20] = { 0 };
    for (int i = 0; i < 200; i++) {
        int slot = (int)(next_random(random) % 20);
        if (blocks[slot] != NULL)
            (void)cheng_arena_release(arena, blocks[slot]);
        blocks[slot] = cheng_arena_alloc(arena, next_random(random) % 600);
    }
    for (int i = 0; i < 20; i++)
        (void)cheng_arena_release(arena, blocks[i]);
    (void)cheng_arena_used(arena);
    (void)cheng_arena_root(arena);
}

TEST(an_overwritten_block_header_is_noticed)
{
    cheng_arena *arena = make(1 << 16);
    for (unsigned bit = 0; bit < 64; bit++) {
        unsigned char *block = cheng_arena_alloc(arena, 40), *guard = cheng_arena_alloc(arena, 40);
        assert_true(block != NULL && guard != NULL);
        block[-16 + (int)(bit / 8)] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(cheng_arena_release(arena, block), -EINVAL);
        block[-16 + (int)(bit / 8)] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(cheng_arena_release(arena, block), 0);
        assert_int_equal(cheng_arena_release(arena, guard), 0);
    }
    assert_int_equal(cheng_arena_free(arena), 0);
}

/* Any bytes anywhere, all of them, the rows and the lock of the allocator included: wrong answers perhaps, but
 * each call returns. The alarm of the frame is the check for hangs. */
TEST(no_crash_however_it_is_corrupted)
{
    uint64_t random = test_seed();
    cheng_arena *arena = make(1 << 15);
    uint64_t blocks_at = chengi_blocks_at(arena->rows);
    void *saved = malloc(arena->size);
    void *some[40];
    for (int i = 0; i < 40; i++)
        some[i] = cheng_arena_alloc(arena, (size_t)i * 13);
    for (int i = 0; i < 40; i += 3)
        assert_int_equal(cheng_arena_release(arena, some[i]), 0);
    memcpy(saved, arena->base, arena->size);
    for (int round = 0; round < 3000; round++) {
        int flips = (int)(next_random(&random) % 8) + 1;
        for (int i = 0; i < flips; i++) {
            uint64_t at = next_random(&random) % 3 == 0
                              ? next_random(&random) % sizeof(struct arena_header)
                              : blocks_at + next_random(&random) % (arena->size - blocks_at);
            arena->base[at] = (unsigned char)next_random(&random);
        }
        use(arena, &random);
        memcpy(arena->base, saved, arena->size);
    }
    free(saved);
    for (int i = 0; i < 40; i++)
        assert_int_equal(cheng_arena_release(arena, some[i]), i % 3 == 0 ? -EINVAL : 0);
    assert_int_equal(cheng_arena_used(arena), 0);
    assert_int_equal(cheng_arena_free(arena), 0);
}
