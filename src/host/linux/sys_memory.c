/* Pages: mapping, guarding, discarding. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "host/host.h"

#ifndef MADV_GUARD_INSTALL /* Linux 6.13 */
#define MADV_GUARD_INSTALL 102
#endif

size_t chengi_host_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *chengi_host_map(size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    madvise(base, size, MADV_NOHUGEPAGE); /* else each stack that is touched takes 2 MiB */
    return base;
}

void chengi_host_unmap(void *base, size_t size)
{
    munmap(base, size);
}

void chengi_host_discard(void *base, size_t size)
{
    madvise(base, size, MADV_DONTNEED);
}

/* Guard pages without a mapping each: does the kernel have them? The call may answer 0 and do nothing
 * (qemu-user), so the fault must be provoked; the write system call reports it without a signal. */
enum { UNKNOWN, GUARDS, PROTECTION };
static int probe_guards(void)
{
    size_t page = chengi_host_page_size();
    char *probe = chengi_host_map(page);
    int ends[2], how = PROTECTION;
    if (probe == NULL)
        return UNKNOWN;
    if (madvise(probe, page, MADV_GUARD_INSTALL) == 0) {
        how = UNKNOWN; /* if there is no descriptor now: ask again next time */
        if (pipe2(ends, O_CLOEXEC) == 0) {
            how = write(ends[1], probe, 1) < 0 && errno == EFAULT ? GUARDS : PROTECTION;
            close(ends[0]);
            close(ends[1]);
        }
    }
    chengi_host_unmap(probe, page);
    return how;
}

int chengi_host_guard(void *base, size_t size)
{
    static int known; /* relaxed: every thread finds the same */
    int how = load_relaxed(&known);
    if (how == UNKNOWN) {
        how = probe_guards();
        store_relaxed(&known, how);
    }
    if (how == GUARDS && madvise(base, size, MADV_GUARD_INSTALL) == 0)
        return 0;
    return mprotect(base, size, PROT_NONE) == 0 ? 0 : -ENOMEM;
}
