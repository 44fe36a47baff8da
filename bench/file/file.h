/* file.h: file.read, the same for every contender, which defines read_files(n, each) before it includes this.
 *
 * 10,000 files of 4 KiB lie in a folder of their own, in the system's cache: they have just been written. Each is opened,
 * read whole and closed, IN_FLIGHT at a time; a value is files a second. */
#include "../bench.h"
#include <fcntl.h>
#include <sys/stat.h>

#define FILES 10000
#define FILE_SIZE 4096
#define IN_FLIGHT 64

static char folder[] = "/tmp/cheng-bench-XXXXXX";
static char paths[FILES][48];

/* What the contender calls: the path of the next file or NULL when none is left; and, with what it has read, each. */
static long next_file, last_file;

static inline const char *next_path(void)
{
    long i = __atomic_fetch_add(&next_file, 1, __ATOMIC_RELAXED);
    return i < last_file ? paths[i % FILES] : NULL;
}

static inline void check_file(const char *bytes, size_t size)
{
    bench_check(size == FILE_SIZE && bytes[0] == 'x' && bytes[FILE_SIZE - 1] == 'x', "not what was written");
}

static void read_files(void);

static void remove_files(void)
{
    for (int i = 0; i < FILES; i++)
        unlink(paths[i]);
    rmdir(folder);
}

static void make_files(void)
{
    char bytes[FILE_SIZE];
    memset(bytes, 'x', sizeof bytes);
    bench_check(mkdtemp(folder) != NULL, "mkdtemp");
    atexit(remove_files);
    for (int i = 0; i < FILES; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d", folder, i);
        int fd = open(paths[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        bench_check(fd >= 0 && write(fd, bytes, sizeof bytes) == FILE_SIZE && close(fd) == 0,
                    "no such file made");
    }
}

static void read_n_files(long n)
{
    next_file = 0;
    last_file = n;
    read_files();
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_check(bench_is("file.read"), "no such row");
    make_files();
    read_n_files(FILES); /* once, so that all are known, and all threads there */
    for (int i = 0; i < BENCH_SAMPLES; i++) {
        long n = FILES;
        double ns = 0;
        for (ns = bench_elapsed(read_n_files, n); ns < bench_seconds * 1e9; n += FILES)
            ns += bench_elapsed(read_n_files, FILES);
        bench_print("", (double)n * 1e9 / ns);
    }
    return 0;
}
