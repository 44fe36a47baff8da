#include "io/sys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int outcome(long rc)
{
    return rc < 0 ? -errno : (int)rc;
}

static size_t at_most(size_t size)
{
    return size > INT_MAX ? INT_MAX : size;
}

int chengi_sys_file_kind(int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || S_ISDIR(status.st_mode))
        return CHENGI_FILE;
    if (S_ISSOCK(status.st_mode))
        return CHENGI_SOCKET;
    return S_ISFIFO(status.st_mode) ? CHENGI_PIPE : CHENGI_TERMINAL;
}

int chengi_sys_open(const char *path, int flags, unsigned mode)
{
    return outcome(open(path, flags | O_CLOEXEC, (mode_t)mode));
}

int chengi_sys_close_file(int fd)
{
    return outcome(close(fd));
}

int chengi_sys_sync(int fd)
{
    return outcome(fsync(fd));
}

int chengi_sys_read(int fd, void *buffer, size_t size)
{
    return outcome(read(fd, buffer, at_most(size)));
}

int chengi_sys_write(int fd, const void *data, size_t size)
{
    struct hush hush;
    chengi_sys_hush(&hush);
    int rc = outcome(write(fd, data, at_most(size)));
    chengi_sys_unhush(&hush, rc == -EPIPE);
    return rc;
}

int chengi_sys_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
    return outcome(pread(fd, buffer, at_most(size), (off_t)offset));
}

int chengi_sys_pwrite(int fd, const void *data, size_t size, uint64_t offset)
{
    return outcome(pwrite(fd, data, at_most(size), (off_t)offset));
}

static void only_sigpipe(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

void chengi_sys_hush(struct hush *hush)
{
    sigset_t pipe, pending;
    only_sigpipe(&pipe);
    pthread_sigmask(SIG_BLOCK, &pipe, &hush->before);
    hush->pending = false;
    if (sigismember(&hush->before, SIGPIPE) == 1 &&
        sigpending(&pending) == 0) /* the caller's own, to be kept */
        hush->pending = sigismember(&pending, SIGPIPE) == 1;
}

void chengi_sys_unhush(const struct hush *hush, bool raised)
{
    static const struct timespec at_once = { 0, 0 };
    sigset_t pipe;
    only_sigpipe(&pipe);
    if (raised && !hush->pending)
        while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &hush->before, NULL);
}
