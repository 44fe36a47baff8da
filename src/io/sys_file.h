/* The system calls of files, pipes and terminals. They may block, and raise no signal; results are counts or
 * descriptors, errors negative errnos. */
#ifndef CHENG_IO_SYS_FILE_H
#define CHENG_IO_SYS_FILE_H

#include <signal.h>
#include <stdbool.h>
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

/* Holds SIGPIPE off the calling thread, and takes away the one that a write has raised. */
struct hush {
    sigset_t before;
    bool pending;
};
void chengi_sys_hush(struct hush *hush);
void chengi_sys_unhush(const struct hush *hush, bool raised);

#endif
