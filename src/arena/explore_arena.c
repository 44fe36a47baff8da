/* sys_arena.h for the explorer, in place of sys_arena.c: arenas lie in pages that are put back after each schedule, and
 * there is one process. So there are no names, and nobody else to be alive or dead. */
#include <errno.h>

#include "arena/sys_arena.h"
#include "host/host.h"

int chengi_sys_arena_create(uint64_t size, struct arena_file *file)
{
    *file = (struct arena_file){ .fd = -1, .size = size };
    return 0;
}

int chengi_sys_arena_create_named(const char *name, uint64_t size, struct arena_file *file)
{
    (void)name, (void)size, (void)file;
    return -ENOTSUP;
}

int chengi_sys_arena_publish(const char *name, const struct arena_file *file)
{
    (void)name, (void)file;
    return -ENOTSUP;
}

int chengi_sys_arena_unlink(const char *name)
{
    (void)name;
    return -ENOENT;
}

int chengi_sys_arena_identify(const char *name, struct arena_file *file)
{
    (void)name, (void)file;
    return -ENOENT;
}

int chengi_sys_arena_open(const char *name, struct arena_file *file)
{
    (void)name, (void)file;
    return -ENOENT;
}

int chengi_sys_arena_read(const struct arena_file *file, void *buffer, size_t size)
{
    (void)file, (void)buffer, (void)size;
    return -EBADMSG;
}

void *chengi_sys_arena_map(int fd, uint64_t size)
{
    (void)fd;
    return chengi_host_map(size);
}

void chengi_sys_arena_unmap(void *base, uint64_t size)
{
    chengi_host_unmap(base, size);
}

void chengi_sys_arena_close(int fd)
{
    (void)fd;
}

int chengi_sys_row_lock(int fd, uint32_t row)
{
    (void)fd, (void)row;
    return 0;
}

bool chengi_sys_row_held(int fd, uint32_t row)
{
    (void)fd, (void)row;
    return false;
}

uint32_t chengi_sys_pid(void)
{
    return 1;
}

int chengi_sys_watch_forks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    (void)before, (void)in_parent, (void)in_child;
    return 0;
}
