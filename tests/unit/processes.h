/* Other processes: children by fork, and this very case in a program started anew. */
#ifndef CHENG_TEST_PROCESSES_H
#define CHENG_TEST_PROCESSES_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/harness.h"

/* Until it has ended, and well. */
static inline void wait_for(pid_t pid)
{
    int status = -1;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("the child: %s %d", WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static inline pid_t start(void (*run)(void *), void *arg)
{
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run(arg);
        _exit(0);
    }
    return child;
}

/* Runs the rest of the block in a child, and waits for it. */
#define IN_CHILD                                                                                             \
    for (pid_t forked = fork(), once = 1; once; once = 0, forked == 0 ? _exit(0) : wait_for(forked))         \
        if (forked == 0)

/* Runs it in a child whose faults and aborts are nobody's but the system's; returns how that ended, for waitpid's
 * macros, and what it said on standard error. */
static inline int last_words(void (*run)(void *), void *arg, char *said, size_t room)
{
    int ends[2], status;
    size_t size = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        run(arg);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], said + size, room - 1 - size)) > 0; size += (size_t)n)
        ;
    said[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static inline bool killed_by(int status, int signal)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

/* It sleeps in the kernel. */
static inline bool is_asleep(pid_t pid)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    const char *state = strrchr(text, ')');
    return state != NULL && state[1] == ' ' && state[2] == 'S';
}

/* Between two looks at what another process does. How long matters to nothing but the load. */
static inline void between_looks(void)
{
    usleep(50);
}

/* A name for an arena that no other case has. What it names goes with the case. */
static inline const char *unique_name(void)
{
    static char path[64];
    const char *folder = "/dev/shm";
    snprintf(path, sizeof path, "%s/cheng-test-%d", folder, (int)getpid());
    test_remove_at_end(path);
    return path + strlen(folder);
}

/* Runs this case in a fresh image of this program, and waits for it; there told_by_another returns the word. */
static inline void in_another_program(const char *name_of_case, const char *word)
{
    IN_CHILD
    {
        setenv("CHENG_TEST_WORD", word, 1);
        execl("/proc/self/exe", "test", name_of_case, (char *)NULL);
        _exit(127);
    }
}

static inline const char *told_by_another(void)
{
    return getenv("CHENG_TEST_WORD");
}

#endif
