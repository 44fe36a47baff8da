#include "arena/sys_arena.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where glibc's and musl's shm_open look as well. They are not used: a name has to be identified without
 * opening it and published in one step, which shm_open cannot. */
static const char directory[] = "/dev/shm";

/* "/jobs" or "jobs"; nothing that leaves the directory. */
static int path_of(const char *name, char *path, size_t room)
{
    while (*name == '/')
        name++;
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX || name[0] == '.' || strchr(name, '/') != NULL)
        return -EINVAL;
    int written = snprintf(path, room, "%s/%s", directory, name);
    return written < 0 || (size_t)written >= room ? -EINVAL : 0;
}

static int describe(int fd, struct arena_file *file)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    *file = (struct arena_file){ fd, (uint64_t)status.st_size, status.st_dev, status.st_ino };
    return 0;
}

static int size_and_describe(int fd, uint64_t size, struct arena_file *file)
{
    int rc = ftruncate(fd, (off_t)size) != 0 ? -errno : describe(fd, file);
    if (rc < 0)
        close(fd);
    return rc;
}

int chengi_sys_arena_create(uint64_t size, struct arena_file *file)
{
    int fd = memfd_create("cheng", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int rc = size_and_describe(fd, size, file);
    if (rc == 0) /* else a shrink would be a SIGBUS for all */
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    return rc;
}

int chengi_sys_arena_create_named(const char *name, uint64_t size, struct arena_file *file)
{
    char path[PATH_MAX];
    int rc = path_of(name, path, sizeof path);
    if (rc < 0)
        return rc;
    struct stat status;
    if (lstat(path, &status) == 0)
        return -EEXIST; /* the common case, early; publish decides */
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : size_and_describe(fd, size, file);
}

int chengi_sys_arena_publish(const char *name, const struct arena_file *file)
{
    char path[PATH_MAX], self[64];
    int rc = path_of(name, path, sizeof path);
    if (rc < 0)
        return rc;
    /* The second way is for kernels before 6.10, which ask for a capability in the first. */
    if (linkat(file->fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno == EEXIST)
        return -EEXIST;
    snprintf(self, sizeof self, "/proc/self/fd/%d", file->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno;
}

int chengi_sys_arena_unlink(const char *name)
{
    char path[PATH_MAX];
    int rc = path_of(name, path, sizeof path);
    if (rc < 0)
        return rc;
    return unlink(path) == 0 ? 0 : -errno;
}

int chengi_sys_arena_identify(const char *name, struct arena_file *file)
{
    char path[PATH_MAX];
    int rc = path_of(name, path, sizeof path);
    if (rc < 0)
        return rc;
    struct stat status;
    if (lstat(path, &status) != 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EBADMSG;
    *file = (struct arena_file){ -1, (uint64_t)status.st_size, status.st_dev, status.st_ino };
    return 0;
}

int chengi_sys_arena_open(const char *name, struct arena_file *file)
{
    char path[PATH_MAX];
    int rc = path_of(name, path, sizeof path);
    if (rc < 0)
        return rc;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    rc = describe(fd, file);
    if (rc < 0)
        close(fd);
    return rc;
}

int chengi_sys_arena_read(const struct arena_file *file, void *buffer, size_t size)
{
    ssize_t got = pread(file->fd, buffer, size, 0);
    return got < 0 ? -errno : (size_t)got == size ? 0 : -EBADMSG;
}

void *chengi_sys_arena_map(int fd, uint64_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return base == MAP_FAILED ? NULL : base;
}

void chengi_sys_arena_unmap(void *base, uint64_t size)
{
    (void)munmap(base, size);
}

void chengi_sys_arena_close(int fd)
{
    (void)close(fd);
}

static struct flock byte_of(uint32_t row)
{
    return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = row, .l_len = 1 };
}

int chengi_sys_row_lock(int fd, uint32_t row)
{
    struct flock byte = byte_of(row);
    if (fcntl(fd, F_SETLK, &byte) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

bool chengi_sys_row_held(int fd, uint32_t row)
{
    struct flock byte = byte_of(row);
    int before = errno; /* the caller may be a signal handler */
    bool held = fcntl(fd, F_GETLK, &byte) != 0 || byte.l_type != F_UNLCK;
    errno = before;
    return held;
}

uint32_t chengi_sys_pid(void)
{
    return (uint32_t)getpid();
}

int chengi_sys_watch_forks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    return -pthread_atfork(before, in_parent, in_child);
}
