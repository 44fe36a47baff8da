/* The system calls of files, pipes and terminals. They may block, but for those of memory at the end, and raise no signal;
 * results are counts or descriptors, errors negative errnos. */
#ifndef CHENG_IO_SYS_FILE_H
#define CHENG_IO_SYS_FILE_H

#include <stddef.h>
#include <stdint.h>

/* How a descriptor is waited for. */
enum file_kind {
    CHENGI_FILE = 1, /* always ready; the calls block for the disk */
    CHENGI_TERMINAL, /* polled; writing may block all the same */
    CHENGI_PIPE,     /* polled; what was polled does not block */
    CHENGI_SOCKET    /* the same, by calls of its own */
};
int chengi_sys_file_kind(int fd); /* or a negative errno */

int chengi_sys_open(const char *path, int flags, unsigned mode);
int chengi_sys_close_file(int fd);
int chengi_sys_sync(int fd);
int chengi_sys_read(int fd, void *buffer, size_t size);
int chengi_sys_write(int fd, const void *data, size_t size);
int chengi_sys_pread(int fd, void *buffer, size_t size, uint64_t offset);
int chengi_sys_pwrite(int fd, const void *data, size_t size, uint64_t offset);

/* What the system can do from its memory, and so at once: a helper thread would cost more. -EAGAIN, whatever the reason:
 * it cannot tell, or would block, or it fails; nothing has happened, so ask again by the calls above. A read of less
 * than `size` is all that was in memory, or the end; at the file's own place if the offset is negative. Only files on disks of this
 * machine are opened, to be read, and closed. */
int chengi_sys_open_at_once(const char *path, int flags);
int chengi_sys_close_at_once(int fd);
int chengi_sys_read_at_once(int fd, void *buffer, size_t size, int64_t offset);

#endif
