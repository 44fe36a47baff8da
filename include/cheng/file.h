/* cheng/file.h: files, pipes and terminals for tasks (Python: os.read, gevent.fileobject, gevent.os).
 *
 * They are plain descriptors, yours, whose flags are not touched. The system has no way to wait for a disk, so what is
 * asked of a file is done by a helper thread, and the calling coroutine's worker goes on; but what the system has in its memory
 * needs no disk: to open a file of this machine to be read, to read it, and to close it is then done at once. In a thread it is a
 * plain call. Pipes and terminals are waited for as cheng_poll does.
 *
 * @code
 * static int first_line_to_output(const char *path)
 * {
 *     char buffer[4096];
 *     size_t n;
 *     int fd, rc = cheng_open(&fd, path, 0, 0); // O_RDONLY
 *     if (rc < 0)
 *         return rc;
 *     rc = cheng_read(fd, buffer, sizeof buffer, &n);
 *     if (rc == 0)
 *         rc = cheng_write(1, buffer, n);
 *     (void)!cheng_close(fd);
 *     return rc;
 * }
 * @endcode
 *
 * A deadline or a cancel ends the wait for a pipe or a terminal. A file is always ready: a deadline means nothing, and a
 * cancel is noticed before a call (not close's), never within, since the helper has the caller's memory. Writing to a
 * pipe that nobody reads is -EPIPE, never a signal.
 *
 * A pipe that is blocking and has other readers, in this process or another, may block a worker: who polled may find
 * that another was faster. Give such a pipe O_NONBLOCK.
 *
 *   -EAGAIN, -ETIMEDOUT, -ECANCELED, -EBUSY  as cheng_poll; a write may have written a part
 *   -EPIPE       write: nobody reads the pipe
 *   -ENOENT, -EACCES, -EBADF, -ENOSPC, -EIO, ... as the system means them */
#ifndef CHENG_FILE_H
#define CHENG_FILE_H

#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* open(2), with O_CLOEXEC. */
CHENG_API CHENG_NODISCARD int cheng_open(int *fd, const char *path, int flags, unsigned mode);
/* Whatever it returns, the descriptor is closed. */
CHENG_API int cheng_close(int fd);
/* fsync(2): what was written is on the disk. */
CHENG_API CHENG_NODISCARD int cheng_sync(int fd);

/* Reads what is there, `size` bytes at the most; of a pipe or a terminal, blocks while nothing is. `got` 0: the end. */
CHENG_API CHENG_NODISCARD int cheng_read(int fd, void *buffer, size_t size, size_t *got);
CHENG_API CHENG_NODISCARD int cheng_read_until(int fd, void *buffer, size_t size, size_t *got,
                                               cheng_deadline deadline);

/* Writes all `size` bytes. */
CHENG_API CHENG_NODISCARD int cheng_write(int fd, const void *data, size_t size);
CHENG_API CHENG_NODISCARD int cheng_write_until(int fd, const void *data, size_t size,
                                                cheng_deadline deadline);

/* The same at a place in a file (pread, pwrite), whose own position stays. */
CHENG_API CHENG_NODISCARD int cheng_read_at(int fd, uint64_t offset, void *buffer, size_t size, size_t *got);
CHENG_API CHENG_NODISCARD int cheng_write_at(int fd, uint64_t offset, const void *data, size_t size);

#ifdef __cplusplus
}
#endif
#endif
