/* The main of every test program: `test_x NAME` runs one case, `test_x` all, each in a child of its own. */
#include "unit/harness.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SKIPPED = 77, LEFT_MAX = 16 };

static struct test_case *cases;

void test_register(struct test_case *entry)
{
    struct test_case **end = &cases;
    while (*end)
        end = &(*end)->next;
    *end = entry;
}

void test_skip(const char *reason, ...)
{
    va_list args;
    va_start(args, reason);
    printf("SKIP: ");
    vprintf(reason, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
    _exit(SKIPPED);
}

uint64_t test_seed(void)
{
    static uint64_t seed;
    if (seed)
        return seed;
    const char *given = getenv("CHENG_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_sec * 1000003 ^ (uint64_t)now.tv_nsec;
    seed += !seed;
    printf("CHENG_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

int test_long(void)
{
    const char *value = getenv("CHENG_LONG");
    return value && strcmp(value, "1") == 0;
}

/* ---- what a case would leave in the file system ---- */

static struct {
    char path[128];
    pid_t owner;
} left[LEFT_MAX];
static unsigned left_count;

/* The last first: files before their folder. */
static void remove_left(void)
{
    for (unsigned i = left_count; i-- > 0;)
        if (left[i].owner == getpid()) /* not those of a parent */
            (void)remove(left[i].path);
}

static void on_abort(int signal)
{
    (void)signal;
    remove_left();
}

void test_remove_at_end(const char *path)
{
    assert_in_range(left_count, 0, LEFT_MAX - 1);
    assert_true(strlen(path) < sizeof left->path);
    if (left_count == 0) {
        atexit(remove_left);
        signal(SIGABRT, on_abort);
    }
    snprintf(left[left_count].path, sizeof left->path, "%s", path);
    left[left_count++].owner = getpid();
}

void test_scratch_path(char *path, size_t room)
{
    static char folder[96];
    const char *parent = getenv("TMPDIR");
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "%s/cheng-XXXXXX", parent == NULL ? "/tmp" : parent);
        assert_non_null(mkdtemp(folder));
        test_remove_at_end(folder);
    }
    assert_true(snprintf(path, room, "%s/%u", folder, left_count) < (int)room);
    test_remove_at_end(path);
}

static int run_in_child(const struct test_case *entry)
{
    pid_t pid = fork();
    if (pid == 0) {
        entry->run();
        exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    int skipped = WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED;
    printf("%-8s%s\n", status == 0 ? "ok" : skipped ? "skipped" : "FAILED", entry->name);
    fflush(stdout);
    return status != 0 && !skipped;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);    /* what a test printed survives its abort */
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed assertion aborts instead of jumping */
    int failed = 0, found = 0;
    for (const struct test_case *entry = cases; entry; entry = entry->next) {
        if (argc > 1 && strcmp(argv[1], entry->name) != 0)
            continue;
        found++;
        if (argc > 1)
            entry->run();
        else
            failed += run_in_child(entry);
    }
    if (!found)
        fprintf(stderr, "%s: no such case\n", argv[argc - 1]);
    return !found || failed;
}
