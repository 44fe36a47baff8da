/* Files, pipes, terminals. */
#include "unit/sockets.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* A regular file without a name. */
static int scratch_file(void)
{
    int fd = memfd_create("scratch", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

TEST_EVERYWHERE(life_of_a_file)
{
    char path[128], buffer[32];
    int fd = -7;
    size_t n = 99;
    test_scratch_path(path, sizeof path);
    assert_int_equal(cheng_open(&fd, path, O_RDWR, 0), -ENOENT);
    assert_int_equal(cheng_open(&fd, NULL, O_RDWR, 0), -EINVAL);
    assert_int_equal(fd, -7);
    assert_int_equal(cheng_open(&fd, path, O_RDWR | O_CREAT | O_EXCL, 0600), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(cheng_write(fd, "hello world", 11), 0);
    assert_int_equal(cheng_sync(fd), 0);
    assert_int_equal(cheng_write_at(fd, 6, "there", 5), 0);
    assert_int_equal(cheng_read_at(fd, 0, buffer, sizeof buffer, &n), 0);
    assert_int_equal(n, 11);
    assert_memory_equal(buffer, "hello there", 11);
    assert_int_equal(cheng_read_at(fd, 11, buffer, sizeof buffer, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cheng_read_at(fd, UINT64_MAX, buffer, sizeof buffer, &n), -EINVAL);
    assert_int_equal(cheng_write_at(fd, UINT64_MAX, "x", 1), -EINVAL);
    assert_int_equal(cheng_read(fd, buffer, sizeof buffer, &n), 0); /* the place is behind what was written */
    assert_int_equal(n, 0);
    assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
    assert_int_equal(cheng_read_until(fd, buffer, 3, &n, CHENG_NOW), 0); /* a file is always ready */
    assert_int_equal(n, 3);
    assert_memory_equal(buffer, "the", 3);
    assert_int_equal(cheng_close(fd), 0);
    n = 99;
    assert_int_equal(cheng_close(fd), -EBADF);
    assert_int_equal(cheng_read(fd, buffer, 1, &n), -EBADF);
    assert_int_equal(cheng_write(fd, buffer, 1), -EBADF);
    assert_int_equal(cheng_read_at(fd, 0, buffer, 1, &n), -EBADF);
    assert_int_equal(cheng_write_at(fd, 0, buffer, 1), -EBADF);
    assert_int_equal(cheng_sync(fd), -EBADF);
    assert_int_equal(n, 99);
    assert_int_equal(cheng_open(&fd, "/", O_RDONLY, 0), 0);
    assert_int_equal(cheng_read(fd, buffer, 1, &n), -EISDIR);
    assert_int_equal(cheng_close(fd), 0);
}

TEST_EVERYWHERE(full_disk)
{
    int fd;
    if (access("/dev/full", W_OK) != 0)
        test_skip("no /dev/full");
    assert_int_equal(cheng_open(&fd, "/dev/full", O_WRONLY, 0), 0);
    assert_int_equal(cheng_write(fd, "x", 1), -ENOSPC);
    assert_int_equal(cheng_close(fd), 0);
}

static int cancelled_calls(void *context)
{
    int fd = *(int *)context, other = -7;
    char byte;
    size_t n = 99;
    cheng_cancel(cheng_current());
    assert_int_equal(cheng_read(fd, &byte, 1, &n), -ECANCELED);
    assert_int_equal(cheng_write(fd, "x", 1), -ECANCELED);
    assert_int_equal(cheng_read_at(fd, 0, &byte, 1, &n), -ECANCELED);
    assert_int_equal(cheng_write_at(fd, 0, "x", 1), -ECANCELED);
    assert_int_equal(cheng_sync(fd), -ECANCELED);
    assert_int_equal(cheng_open(&other, "/dev/null", O_RDONLY, 0), -ECANCELED);
    assert_int_equal(cheng_close(fd), 0);
    return other == -7 && n == 99 ? 0 : -EIO;
}

TEST(cancel)
{
    EACH_PLACE(place)
    {
        int fd = scratch_file();
        struct actor actor;
        actor_start(&actor, (enum place)place, cancelled_calls, &fd);
        assert_int_equal(actor_join(&actor), 0);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    }
}

TEST_EVERYWHERE(time_is_up)
{
    int fd = scratch_file();
    char byte;
    size_t n;
    cheng_timeout scope;
    cheng_timeout_begin(&scope, CHENG_NOW);
    assert_int_equal(cheng_read(fd, &byte, 1, &n), -ECANCELED);
    assert_int_equal(cheng_timeout_end(&scope), -ETIMEDOUT);
    assert_int_equal(cheng_close(fd), 0);
}

/* ---- what is in memory ---- */

static int threads(void)
{
    int count = 0;
    DIR *all = opendir("/proc/self/task");
    assert_non_null(all);
    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

static int read_known_file(const void *path, void *result)
{
    static char buffer[200000];
    size_t n, before = (size_t)threads();
    int fd;
    (void)result;
    assert_int_equal(cheng_open(&fd, path, O_RDONLY, 0), 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(cheng_read(fd, buffer, 3, &n), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(buffer, "012", 3);
    assert_int_equal(cheng_read(fd, buffer, 100, &n), 0); /* more than there is */
    assert_int_equal(n, 7);
    assert_memory_equal(buffer, "3456789", 7);
    assert_int_equal(cheng_read(fd, buffer, 100, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cheng_read_at(fd, 8, buffer, 100, &n), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(buffer, "89", 2);
    assert_int_equal(cheng_close(fd), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(threads(), before);
    return 0;
}

TEST(no_helper_for_what_is_known) // noqemu: novalgrind: they have not all the calls that it takes
{
    char path[128];
    struct statfs status;
    test_scratch_path(path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = -1;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(fstatfs(fd, &status), 0);
    bool ext = status.f_type == 0xEF53;
    close(fd);
    if (!ext) /* others may, or may not, as their version has it */
        test_skip("no ext2 to ext4");
    assert_int_equal(cheng_run(&rc, read_known_file, path, sizeof path), 0);
    assert_int_equal(rc, 0);
}

enum { PART_SIZE = 65536, PAGE = 4096 };

/* The middle of it is on the disk only, if this system lets go of pages one by one. */
static int partly_known_file(const unsigned char *content)
{
    char path[128];
    test_scratch_path(path, sizeof path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    unlink(path);
    for (int at = 0; at < PART_SIZE; at += PAGE) /* one by one, as they are kept then */
        assert_int_equal(cheng_write(fd, content + at, PAGE), 0);
    assert_int_equal(cheng_sync(fd), 0);
    assert_int_equal(posix_fadvise(fd, PART_SIZE / 4, PART_SIZE / 2, POSIX_FADV_DONTNEED), 0);
    return fd;
}

TEST_EVERYWHERE(partly_known)
{
    static unsigned char content[PART_SIZE], got[PART_SIZE];
    size_t n;
    for (int i = 0; i < PART_SIZE; i++)
        content[i] = (unsigned char)(i * 7 + i / 251);
    int fd = partly_known_file(content);
    assert_int_equal(cheng_read_at(fd, 1, got, PART_SIZE, &n), 0);
    assert_int_equal(n, PART_SIZE - 1);
    assert_memory_equal(got, content + 1, n);
    assert_int_equal(cheng_read_at(fd, UINT64_MAX, got, 1, &n), -EINVAL);
    assert_int_equal(cheng_close(fd), 0);

    fd = partly_known_file(content);
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    assert_int_equal(cheng_read(fd, got, PART_SIZE, &n), 0);
    assert_int_equal(n, PART_SIZE - 2);
    assert_memory_equal(got, content + 2, n);
    assert_int_equal(cheng_read(fd, got, PART_SIZE, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cheng_close(fd), 0);
}

/* ---- a disk that blocks ---- */

struct slow {
    char path[128];
    int how; /* the other opens it the other way */
    cheng_event other_ran;
};

static int open_slowly(const void *argument, void *result)
{
    struct slow *slow = *(struct slow *const *)argument;
    int fd, rc = cheng_open(&fd, slow->path, slow->how, 0); /* of a FIFO: until the other end is there */
    (void)result;
    return rc < 0 ? rc : cheng_close(fd);
}

static int let_it_open(const void *argument, void *result)
{
    struct slow *slow = *(struct slow *const *)argument;
    (void)result;
    int fd, how = slow->how == O_RDONLY ? O_WRONLY : O_RDONLY;
    while ((fd = open(slow->path, how | O_NONBLOCK | O_CLOEXEC)) < 0 && errno == ENXIO)
        cheng_yield(); /* the helper has not come to it yet */
    assert_true(fd >= 0);
    cheng_event_set(&slow->other_ran);
    return fd;
}

static int both(const void *argument, void *result)
{
    cheng_task *slow, *other;
    int status = -1, fd = -1;
    (void)result;
    assert_int_equal(cheng_start(&slow, CHENG_COROUTINE, open_slowly, argument, sizeof(void *), NULL), 0);
    while (!task_waits(slow, CHENGI_WAIT_OFFLOAD)) {
        assert_int_equal(cheng_join_until(slow, &status, CHENG_NOW), -EAGAIN);
        cheng_yield();
    }
    assert_int_equal(cheng_start(&other, CHENG_COROUTINE, let_it_open, argument, sizeof(void *), NULL), 0);
    assert_int_equal(cheng_join(slow, &status), 0);
    assert_int_equal(status, 0);
    assert_int_equal(cheng_join(other, &fd), 0);
    cheng_task_free(slow);
    cheng_task_free(other);
    return close(fd);
}

TEST(worker_goes_on) /* one worker, and a call that ends only if another coroutine runs meanwhile */
{
    for (int how = O_RDONLY; how <= O_WRONLY; how++) {
        struct slow slow = { .how = how }, *shared = &slow;
        int status = -1;
        test_scratch_path(slow.path, sizeof slow.path);
        assert_int_equal(mkfifo(slow.path, 0600), 0);
        assert_int_equal(cheng_run(&status, both, &shared, sizeof(void *)), 0);
        assert_int_equal(status, 0);
    }
}

/* ---- pipes ---- */

TEST_EVERYWHERE(pipes)
{
    int ends[2];
    char buffer[8];
    size_t n = 99;
    assert_int_equal(pipe(ends), 0); /* blocking: its flags are not touched */
    assert_int_equal(cheng_read_until(ends[0], buffer, 8, &n, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_read_until(ends[0], buffer, 8, &n, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(n, 99);
    assert_int_equal(cheng_write(ends[1], "abc", 3), 0);
    assert_int_equal(cheng_read(ends[0], buffer, 8, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);

    static char block[1 << 20]; /* more than fits */
    assert_int_equal(cheng_write_until(ends[1], block, sizeof block, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_write_until(ends[1], block, 1, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    close(ends[1]);
    size_t all = 0;
    do {
        assert_int_equal(cheng_read(ends[0], block, sizeof block, &n), 0);
        all += n;
    } while (n > 0);
    assert_int_equal(all, 1 << 16);
    close(ends[0]);
}

static int write_block(void *context)
{
    static const char block[200000];
    return cheng_write(*(int *)context, block, sizeof block);
}

/* A line that is written by one call is whole, whoever writes meanwhile: for up to PIPE_BUF bytes the system promises it of a
 * pipe, and of a file that is open to append. */
enum { WRITERS = 6, LINES = 200, LINE = 80 };

struct writer {
    int fd;
    char letter;
};

static int write_lines(void *context)
{
    const struct writer *writer = context;
    char line[LINE];
    memset(line, writer->letter, sizeof line);
    line[LINE - 1] = '\n';
    for (int i = 0; i < LINES; i++) {
        int rc;
        while ((rc = cheng_write(writer->fd, line, sizeof line)) ==
               -EBUSY) /* a full pipe has one who waits */
            cheng_yield();
        assert_int_equal(rc, 0);
    }
    return 0;
}

static void check_lines(int fd)
{
    char line[LINE];
    for (int i = 0; i < WRITERS * LINES; i++) {
        size_t n, have = 0;
        do {
            assert_int_equal(cheng_read(fd, line + have, sizeof line - have, &n), 0);
            have += n;
        } while (have < sizeof line);
        assert_int_equal(line[LINE - 1], '\n');
        for (int k = 1; k < LINE - 1; k++)
            assert_int_equal(line[k], line[0]);
    }
}

TEST(lines_of_many_writers_are_whole)
{
    int ends[2], file = scratch_file();
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(file, F_SETFL, O_APPEND), 0);
    for (int to_file = 0; to_file < 2; to_file++) {
        struct actor actors[WRITERS];
        struct writer writers[WRITERS];
        for (int i = 0; i < WRITERS; i++) {
            writers[i] = (struct writer){ to_file ? file : ends[1], (char)('a' + i) };
            actor_start(&actors[i], (enum place)(i % PLACES), write_lines, &writers[i]);
        }
        if (!to_file)
            check_lines(ends[0]);
        for (int i = 0; i < WRITERS; i++)
            assert_int_equal(actor_join(&actors[i]), 0);
    }
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    check_lines(file);
    close(ends[0]);
    close(ends[1]);
    close(file);
}

TEST(pipe_full)
{
    for (int nonblocking = 0; nonblocking < 2; nonblocking++)
        EACH_PLACE(place)
        {
            int ends[2];
            static char buffer[3000];
            struct actor actor;
            size_t n = 1, all = 0;
            assert_int_equal(pipe2(ends, nonblocking ? O_NONBLOCK : 0), 0);
            actor_start(&actor, (enum place)place, write_block, &ends[1]);
            wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
            for (; all < 200000; all += n)
                assert_int_equal(cheng_read(ends[0], buffer, sizeof buffer, &n), 0);
            assert_int_equal(actor_join(&actor), 0);
            assert_int_equal(all, 200000);

            actor_start(&actor, (enum place)place, write_block, &ends[1]);
            wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
            cheng_cancel(actor.self);
            assert_int_equal(actor_join(&actor), -ECANCELED);
            actor_start(&actor, (enum place)place, write_block, &ends[1]);
            wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
            close(ends[0]); /* nobody reads any more */
            assert_int_equal(actor_join(&actor), -EPIPE);
            close(ends[1]);
        }
}

TEST_EVERYWHERE(terminal_like) /* a descriptor of a kind of its own: polled, written by a helper */
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char buffer[16];
    size_t n;
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        test_skip("no pseudo-terminals");
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    assert_int_equal(cheng_read_until(slave, buffer, sizeof buffer, &n, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_write(master, "line\n", 5), 0);
    assert_int_equal(cheng_read(slave, buffer, sizeof buffer, &n), 0);
    assert_int_equal(n, 5);
    assert_memory_equal(buffer, "line\n", 5);
    close(slave);
    close(master);
}

TEST_EVERYWHERE(foreign_socket)
{
    int fds[2];
    char byte;
    size_t n;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(cheng_write(fds[0], "x", 1), 0);
    assert_int_equal(cheng_read(fds[1], &byte, 1, &n), 0);
    assert_int_equal(n, 1);
    close(fds[1]);
    assert_int_equal(cheng_write(fds[0], "x", 1), -EPIPE);
    close(fds[0]);
}

/* ---- SIGPIPE ---- */

static volatile sig_atomic_t raised;

static void on_sigpipe(int signal)
{
    (void)signal;
    raised = 1;
}

static void break_a_pipe_and_a_socket(void)
{
    int ends[2], file = scratch_file();
    cheng_socket *a, *b;
    size_t put;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(cheng_write(ends[1], "x", 1), -EPIPE);
    close(ends[1]);
    assert_int_equal(cheng_socket_pair(&a, &b), 0);
    cheng_socket_free(b);
    assert_int_equal(write(file, "x", 1), 1);
    assert_int_equal(cheng_socket_write_file_until(a, file, 0, 1, &put, CHENG_FOREVER), -EPIPE);
    cheng_socket_free(a);
    close(file);
}

TEST_EVERYWHERE(no_sigpipe)
{
    struct sigaction action = { .sa_handler = on_sigpipe };
    sigset_t before, after;
    assert_int_equal(sigaction(SIGPIPE, &action, NULL), 0);
    raised = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    break_a_pipe_and_a_socket();
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(raised, 0);
    assert_int_equal(sigismember(&after, SIGPIPE), sigismember(&before, SIGPIPE));
}

TEST(sigpipe_of_the_programs_own) /* which it holds off, stays pending */
{
    struct sigaction action = { .sa_handler = on_sigpipe };
    sigset_t set, pending;
    assert_int_equal(sigaction(SIGPIPE, &action, NULL), 0);
    raised = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_kill(pthread_self(), SIGPIPE);
    break_a_pipe_and_a_socket();
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGPIPE), 1);
    assert_int_equal(raised, 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    assert_int_equal(raised, 1);
}

/* ---- files over sockets ---- */

enum { FILE_SIZE = 1 << 20 };

struct sending {
    cheng_socket *s;
    int file;
};

static int send_whole_file(void *context)
{
    const struct sending *sending = context;
    uint64_t at = 0;
    size_t put = 1;
    int rc;
    while ((rc = cheng_socket_write_file_until(sending->s, sending->file, at, FILE_SIZE, &put,
                                               CHENG_FOREVER)) == 0 &&
           put > 0)
        at += put;
    return rc < 0 ? rc : at == FILE_SIZE ? 0 : -EIO;
}

TEST(file_over_a_socket)
{
    static unsigned char content[FILE_SIZE], got[FILE_SIZE];
    int file = scratch_file();
    for (int i = 0; i < FILE_SIZE; i++)
        content[i] = (unsigned char)(i * 7 + i / 251);
    assert_int_equal(write(file, content, FILE_SIZE), FILE_SIZE);
    EACH_PLACE(place)
    {
        struct sending sending = { .file = file };
        cheng_socket *b;
        struct actor actor;
        assert_int_equal(cheng_socket_pair(&sending.s, &b), 0);
        memset(got, 0, sizeof got);
        actor_start(&actor, (enum place)place, send_whole_file, &sending);
        wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
        assert_int_equal(cheng_socket_read_exactly(b, got, FILE_SIZE), 0);
        assert_memory_equal(got, content, FILE_SIZE);
        assert_int_equal(actor_join(&actor), 0);

        size_t put = 99;
        fill(sending.s);
        assert_int_equal(cheng_socket_write_file_until(sending.s, file, 0, 1, &put, CHENG_NOW), -EAGAIN);
        assert_int_equal(
            cheng_socket_write_file_until(sending.s, file, 0, 1, &put, cheng_after(CHENG_MILLISECOND)),
            -ETIMEDOUT);
        actor_start(&actor, (enum place)place, send_whole_file, &sending);
        wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
        cheng_socket_close(sending.s);
        assert_int_equal(actor_join(&actor), -EBADF);
        assert_int_equal(put, 99);
        cheng_socket_free(sending.s);
        cheng_socket_free(b);
    }
    close(file);
}
