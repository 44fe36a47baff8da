/* Who is attached to an arena, and alive. */
#include "unit/arenas.h"

/* A child that takes a row, leaves its word there, and goes on as `then`, which tells by a byte to `out` that it does. */
static pid_t participate(cheng_arena *arena, uint32_t *word, void (*then)(int out))
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct arena_view mine;
        assert_int_equal(chengi_arena_view(arena, &mine), 0);
        *word = mine.word;
        then(ends[1]);
        _exit(127);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return child;
}

static void stay(int out)
{
    assert_int_equal(write(out, "x", 1), 1);
    pause();
}

static void become_another_program(int out)
{
    dup2(out, STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", "echo; exec sleep 60", (char *)NULL);
}

TEST(a_dead_participant_is_known)
{
    cheng_arena *arena = make(SIZE);
    struct arena_view view;
    uint32_t *theirs = cheng_arena_alloc(arena, sizeof *theirs);
    assert_int_equal(chengi_arena_view(arena, &view), 0);
    pid_t child = participate(arena, theirs, stay);
    assert_int_not_equal(theirs[0], view.word);
    assert_int_equal(theirs[0] & 3, 0);
    assert_true(chengi_arena_participant_plausible(&view, theirs[0]));
    assert_false(chengi_arena_participant_dead(&view, theirs[0]));
    assert_false(chengi_arena_participant_dead(&view, theirs[0] | 3));
    assert_int_equal(chengi_arena_participant_pid(&view, theirs[0]), child);
    assert_false(chengi_arena_participant_dead(&view, view.word));
    IN_CHILD
    {
        struct arena_view mine;
        assert_int_equal(chengi_arena_view(arena, &mine), 0);
        assert_false(chengi_arena_participant_dead(&mine, view.word));
    }
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
    pid_t child = participate(arena, theirs, become_another_program);
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
