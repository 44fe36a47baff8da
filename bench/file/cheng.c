/* Coroutines of the default runtime. */
#include "file.h"
#include <cheng.h>

static int read_in_turn(const void *arg, void *result)
{
    char bytes[FILE_SIZE];
    const char *path;
    size_t n;
    int fd;
    (void)arg;
    (void)result;
    while ((path = next_path()) != NULL) {
        bench_check(cheng_open(&fd, path, O_RDONLY, 0) == 0 && cheng_read(fd, bytes, sizeof bytes, &n) == 0 &&
                        cheng_close(fd) == 0,
                    "open, read or close");
        check_file(bytes, n);
    }
    return 0;
}

static void read_files(void)
{
    cheng_task *tasks[IN_FLIGHT];
    for (int i = 0; i < IN_FLIGHT; i++)
        bench_check(cheng_start(&tasks[i], CHENG_COROUTINE, read_in_turn, NULL, 0, NULL) == 0, "start");
    for (int i = 0; i < IN_FLIGHT; i++) {
        bench_check(cheng_join(tasks[i], NULL) == 0, "join");
        cheng_task_free(tasks[i]);
    }
}
