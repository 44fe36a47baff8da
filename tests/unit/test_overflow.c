/* The reporter of overflowed stacks. */
#include "unit/harness.h"

#include <cheng.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int dig(volatile const bool *on)
{
    volatile char frame[1000];
    frame[0] = 1;
    return *on ? dig(on) + frame[0] : 0;
}

static int digger(const void *argument, void *result)
{
    volatile const bool on = true;
    (void)argument, (void)result;
    return dig(&on);
}

/* In a child: what it says on standard error before it dies, and by which signal. */
static int overflow_in_child(bool report, bool default_runtime, const char *name, char *said, size_t room)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        if (report && cheng_report_overflows() < 0)
            _exit(1);
        const cheng_task_options options = { .name = name };
        cheng_task *task;
        if (!default_runtime)
            cheng_run(NULL, digger, NULL, 0);
        else if (cheng_start(&task, CHENG_COROUTINE, digger, NULL, 0, &options) == 0)
            cheng_join(task, NULL);
        _exit(2);
    }
    close(ends[1]);
    size_t size = 0;
    ssize_t n;
    while (size + 1 < room && (n = read(ends[0], said + size, room - 1 - size)) > 0)
        size += (size_t)n;
    said[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(coroutine_is_named) // noasan: notsan: novalgrind: noqemu: they handle the fault themselves
{
    char said[512];
    assert_int_equal(overflow_in_child(true, true, "mole", said, sizeof said), SIGSEGV);
    assert_non_null(strstr(said, "mole overflowed its stack of 262144 bytes"));
    assert_int_equal(overflow_in_child(true, false, NULL, said, sizeof said), SIGSEGV);
    assert_non_null(strstr(said, "Coroutine-1 overflowed its stack"));
}

TEST(without_it_nothing_is_said) // noasan: notsan: novalgrind: noqemu: they handle the fault themselves
{
    char said[512];
    assert_int_equal(overflow_in_child(false, true, "mole", said, sizeof said), SIGSEGV);
    assert_string_equal(said, "");
}
