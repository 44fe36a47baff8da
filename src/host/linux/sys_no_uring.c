/* Without liburing io_uring is never wanted, and the others are never called. */
#include "host/linux/sys_uring.h"

#include <errno.h>

bool chengi_uring_is_wanted(void)
{
    return false;
}

int chengi_uring_open(struct uring **out, uint64_t id, int wake)
{
    (void)out, (void)id, (void)wake;
    return -ENOSYS;
}

void chengi_uring_close(struct uring *uring, uint64_t id)
{
    (void)uring, (void)id;
}

int chengi_uring_watch(struct uring *uring, int fd, uint64_t data)
{
    (void)uring, (void)fd, (void)data;
    return -ENOSYS;
}

int chengi_uring_arm(struct uring *uring, int fd, unsigned events, uint64_t data)
{
    (void)uring, (void)fd, (void)events, (void)data;
    return -ENOSYS;
}

int chengi_uring_transfer(struct uring *uring, const struct host_transfer *transfer, uint64_t data)
{
    (void)uring, (void)transfer, (void)data;
    return -ENOSYS;
}

int chengi_uring_wait(struct uring *uring, struct host_event *events, unsigned room, int64_t deadline_ns)
{
    (void)uring, (void)events, (void)room, (void)deadline_ns;
    return -ENOSYS;
}

bool chengi_uring_let_go(int fd)
{
    (void)fd;
    return false;
}
