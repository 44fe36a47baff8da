/* The arena: life, names, what lies in it, corruption. */
#include "unit/arenas.h"

#include <fcntl.h>
#include <sys/stat.h>

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
    if (told_by_another() != NULL) {
        as_another_program(told_by_another());
        return;
    }
    const char *name = unique_name();
    cheng_arena *arena;
    assert_int_equal(cheng_arena_new(&arena, SIZE, &(cheng_arena_options){ .name = name }), 0);
    char *text = cheng_arena_alloc(arena, 32);
    memcpy(text, "from the first", sizeof "from the first");
    cheng_arena_set_root(arena, text);
    in_another_program("attach_from_another_program", name);
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

/* Any bytes anywhere, all of them, the rows and the lock of the allocator included: wrong answers perhaps, but
 * each call returns. */
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
