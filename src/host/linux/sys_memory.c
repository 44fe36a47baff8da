/* Pages: mapping, guarding, discarding. */
#include <errno.h>
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
static bool guards_work(void)
{
    size_t page = chengi_host_page_size();
    char *probe = chengi_host_map(page);
    int ends[2];
    bool work = false;
    if (probe == NULL)
        return false;
    if (madvise(probe, page, MADV_GUARD_INSTALL) == 0 && pipe(ends) == 0) {
        work = write(ends[1], probe, 1) < 0 && errno == EFAULT;
        close(ends[0]);
        close(ends[1]);
    }
    chengi_host_unmap(probe, page);
    return work;
}

int chengi_host_guard(void *base, size_t size)
{
    static int known; /* 0: not yet, 1: guards, 2: mprotect; relaxed: every thread finds the same */
    int how = load_relaxed(&known);
    if (how == 0) {
        how = guards_work() ? 1 : 2;
        store_relaxed(&known, how);
    }
    if (how == 1 && madvise(base, size, MADV_GUARD_INSTALL) == 0)
        return 0;
    return mprotect(base, size, PROT_NONE) == 0 ? 0 : -ENOMEM;
}
