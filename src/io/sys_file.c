#include "io/sys_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/compiler.h"
#include "io/sys_call.h"

/* Of headers that not every libc comes with: linux/magic.h, openat2.h, fs.h, stat.h. */
static const uint32_t local_disks[] = {
    0xEF53 /* ext2 to ext4 */, 0x58465342 /* xfs */, 0x9123683E /* btrfs */, 0x01021994 /* tmpfs */,
    0x794C7630 /* overlay */
};
enum { RESOLVE_FROM_CACHE = 0x20, READ_NO_WAIT = 8, KIND_AND_NAMES = 5, MOUNT_NUMBER = 0x4000 };
struct how {
    uint64_t flags, mode, resolve;
};
struct facts {
    uint32_t known, unused[3], names, ids[2];
    uint16_t mode, padding;
    uint64_t more[14], mount, room[13];
};
_Static_assert(sizeof(struct facts) == 256, "as the system has it");
#ifndef SYS_openat2 /* kernel headers older than 5.6 */
#define SYS_openat2 437
#endif

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

/* ---- at once ---- */

static bool on_local_disk(int fd)
{
    struct statfs status;
    if (fstatfs(fd, &status) < 0)
        return false;
    for (size_t i = 0; i < sizeof local_disks / sizeof local_disks[0]; i++)
        if (local_disks[i] == (uint32_t)status.f_type)
            return true;
    return false;
}

/* Whether it may be opened and closed without waiting. Not if its last name is gone, since closing it would delete it; nor
 * on a network's disk, or a program's, who may be asked although the system knows the name. */
static bool is_simple(int fd)
{
    static uint64_t local_mount; /* the local disk that was met last, relaxed: stale costs a call */
    struct facts facts;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, KIND_AND_NAMES | MOUNT_NUMBER,
                &facts) < 0 ||
        !S_ISREG(facts.mode) || facts.names == 0)
        return false;
    uint64_t mount = facts.known & MOUNT_NUMBER ? facts.mount : 0; /* before 6.8 unknown; never used again */
    if (mount != 0 && mount == load_relaxed(&local_mount))
        return true;
    if (!on_local_disk(fd))
        return false;
    store_relaxed(&local_mount, mount);
    return true;
}

static int open_from_cache(const char *path, int flags)
{
    struct how how = { .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_FROM_CACHE };
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

/* First only its name, for opening may do something: to a FIFO. O_NONBLOCK is for files that are leased. */
int chengi_sys_open_at_once(const char *path, int flags)
{
    if (flags & ~(O_RDONLY | O_CLOEXEC | O_NOFOLLOW))
        return -EAGAIN;
    int name = open_from_cache(path, flags | O_PATH), fd = -1;
    if (name < 0)
        return -EAGAIN;
    if (is_simple(name))
        fd = open_from_cache(path, flags | O_NONBLOCK);
    close(name);
    if (fd < 0)
        return -EAGAIN;
    if (is_simple(fd) && fcntl(fd, F_SETFL, flags & ~O_CLOEXEC) == 0) /* it may be another file by now */
        return fd;
    close(fd);
    return -EAGAIN;
}

int chengi_sys_close_at_once(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & (O_ACCMODE | O_PATH)) != O_RDONLY || !is_simple(fd))
        return -EAGAIN;
    return outcome(close(fd));
}

int chengi_sys_read_at_once(int fd, void *buffer, size_t size, int64_t offset)
{
    struct iovec part = { buffer, at_most(size) };
    long n = syscall(SYS_preadv2, fd, &part, 1, offset < 0 ? -1L : (long)offset, 0L, READ_NO_WAIT);
    return n < 0 ? -EAGAIN : (int)n;
}
