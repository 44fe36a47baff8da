/* The system calls of the arena. Negative errnos; nothing here blocks. */
#ifndef CHENG_ARENA_SYS_ARENA_H
#define CHENG_ARENA_SYS_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_file {
    int fd;
    uint64_t size;
    uint64_t device, inode;
};

/* A fresh file of zeroes without a name, which cannot shrink under us. */
int chengi_sys_arena_create(uint64_t size, struct arena_file *file);

/* A fresh file that chengi_sys_arena_publish gives the name, once it is complete: nobody can attach half an
 * arena. -EEXIST from publish. */
int chengi_sys_arena_create_named(const char *name, uint64_t size, struct arena_file *file);
int chengi_sys_arena_publish(const char *name, const struct arena_file *file);
int chengi_sys_arena_unlink(const char *name);

/* Which file has the name, without opening it: opening one that is attached already and closing it again would
 * drop this process's record locks. */
int chengi_sys_arena_identify(const char *name, struct arena_file *file);
int chengi_sys_arena_open(const char *name, struct arena_file *file);
int chengi_sys_arena_read(const struct arena_file *file, void *buffer, size_t size);

void *chengi_sys_arena_map(int fd, uint64_t size);
void chengi_sys_arena_unmap(void *base, uint64_t size);
void chengi_sys_arena_close(int fd);

/* The record lock on a row's byte. 0, -EAGAIN: another process has it. */
int chengi_sys_row_lock(int fd, uint32_t row);
/* Whether another process has it; true when in doubt. */
bool chengi_sys_row_held(int fd, uint32_t row);

uint32_t chengi_sys_pid(void);

/* Called around each fork from now on: in the parent before and after it, and in the child. */
int chengi_sys_watch_forks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

#endif
