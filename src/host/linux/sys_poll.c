/* Waiting for descriptors: epoll for workers, or io_uring where it is wanted and allowed; poll for threads. */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "host/linux/sys_uring.h"

enum { BATCH = 64 };
static const uint64_t wake_data = UINT64_MAX; /* the event of the wake descriptor */

int chengi_host_wake_fd_open(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void chengi_host_wake_fd_signal(int wake_fd)
{
    uint64_t one = 1;
    int saved = errno;
    ssize_t rc = write(wake_fd, &one, sizeof one); /* EAGAIN: it is signalled already */
    (void)rc;
    errno = saved;
}

static void wake_fd_drain(int wake_fd)
{
    uint64_t count;
    ssize_t rc = read(wake_fd, &count, sizeof count);
    (void)rc;
}

void chengi_host_wake_fd_close(int wake_fd)
{
    close(wake_fd);
}

static uint64_t new_id(void)
{
    static uint64_t opened;
    return __atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED);
}

int chengi_host_poller_open_nested(struct host_poller *poller)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return -errno;
    int wake = chengi_host_wake_fd_open();
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = wake_data };
    if (wake < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) < 0) {
        int rc = wake < 0 ? wake : -errno;
        close(epoll);
        if (wake >= 0)
            close(wake);
        return rc;
    }
    *poller = (struct host_poller){ .id = new_id(), .epoll = epoll, .wake = wake };
    return 0;
}

static int open_uring(struct host_poller *poller)
{
    struct uring *uring;
    uint64_t id = new_id();
    int wake = chengi_host_wake_fd_open(), rc = wake < 0 ? wake : chengi_uring_open(&uring, id, wake);
    if (rc == 0)
        *poller = (struct host_poller){ .id = id, .epoll = -1, .wake = wake, .uring = uring };
    else if (wake >= 0)
        close(wake);
    return rc;
}

int chengi_host_poller_open(struct host_poller *poller)
{
    return chengi_uring_is_wanted() && open_uring(poller) == 0 ? 0 : chengi_host_poller_open_nested(poller);
}

void chengi_host_poller_close(struct host_poller *poller)
{
    if (poller->uring != NULL)
        chengi_uring_close(poller->uring, poller->id);
    else
        close(poller->epoll);
    close(poller->wake);
}

int chengi_host_poller_watch(struct host_poller *poller, int fd, uint64_t data)
{
    if (poller->uring != NULL)
        return chengi_uring_watch(poller->uring, fd, data);
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = data };
    if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    /* known already, perhaps armed for somebody else's wait, with other data */
    return errno == EEXIST && epoll_ctl(poller->epoll, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
}

int chengi_host_poller_arm(struct host_poller *poller, int fd, unsigned events, uint64_t data)
{
    if (poller->uring != NULL)
        return chengi_uring_arm(poller->uring, fd, events, data);
    if (events == 0)
        return 0; /* closing is enough */
    struct epoll_event event = { .events = EPOLLONESHOT, .data.u64 = data };
    if (events & CHENGI_HOST_READABLE)
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (events & CHENGI_HOST_WRITABLE)
        event.events |= EPOLLOUT;
    /* whether it is known is the kernel's knowledge: a descriptor's number may have been closed and be
     * another file now */
    if (epoll_ctl(poller->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    if (errno == ENOENT && epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return -errno;
}

void chengi_host_close(int fd)
{
    if (!chengi_uring_let_go(fd))
        close(fd);
}

int chengi_host_poller_transfer(struct host_poller *poller, const struct host_transfer *transfer,
                                uint64_t data)
{
    return poller->uring == NULL ? -ENOTSUP : chengi_uring_transfer(poller->uring, transfer, data);
}

unsigned chengi_ready_of_epoll(uint32_t events)
{
    unsigned ready = 0;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ready |= CHENGI_HOST_READABLE;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        ready |= CHENGI_HOST_WRITABLE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ready |= CHENGI_HOST_HUNG_UP;
    return ready;
}

int64_t chengi_time_left(int64_t deadline_ns)
{
    int64_t left = deadline_ns > 0 ? deadline_ns - chengi_host_now() : 0;
    return left > 0 ? left : 0;
}

/* Time until the deadline, for a call that takes a relative one; false: never. */
static bool remaining(int64_t deadline_ns, struct timespec *t)
{
    int64_t left = chengi_time_left(deadline_ns);
    if (deadline_ns == 0)
        return false;
    t->tv_sec = left / 1000000000;
    t->tv_nsec = left % 1000000000;
    return true;
}

/* epoll_pwait2 (Linux 5.11) knows nanoseconds; without it a wait is rounded up to milliseconds. EPERM is a filter's
 * way to say that it is not there. */
static int epoll_wait_ns(int epoll, struct epoll_event *batch, int room, const struct timespec *t)
{
    if (t == NULL)
        return epoll_wait(epoll, batch, room, -1);
    if (t->tv_sec == 0 && t->tv_nsec == 0)
        return epoll_wait(epoll, batch, room, 0);
#ifdef SYS_epoll_pwait2
    static int missing; /* relaxed: a stale 0 costs one failing call */
    if (!load_relaxed(&missing)) {
        int n = (int)syscall(SYS_epoll_pwait2, epoll, batch, room, t, NULL, 0);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        store_relaxed(&missing, 1);
    }
#endif
    int64_t ms = t->tv_sec > 1000000 ? 1000000000 : t->tv_sec * 1000 + (t->tv_nsec + 999999) / 1000000;
    return epoll_wait(epoll, batch, room, (int)ms);
}

int chengi_host_poller_wait(struct host_poller *poller, struct host_event *events, unsigned room,
                            int64_t deadline_ns)
{
    if (poller->uring != NULL)
        return chengi_uring_wait(poller->uring, events, room, deadline_ns);
    struct epoll_event batch[BATCH];
    struct timespec t;
    int count = 0;
    int n = epoll_wait_ns(poller->epoll, batch, room < BATCH ? (int)room : BATCH,
                          remaining(deadline_ns, &t) ? &t : NULL);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        if (batch[i].data.u64 == wake_data)
            wake_fd_drain(poller->wake);
        else
            events[count++] =
                (struct host_event){ batch[i].data.u64, chengi_ready_of_epoll(batch[i].events) };
    }
    return count;
}

void chengi_host_poller_notify(struct host_poller *poller)
{
    chengi_host_wake_fd_signal(poller->wake);
}

int chengi_host_poll_pair(int fd, unsigned events, int wake_fd, int64_t deadline_ns)
{
    struct pollfd fds[2] = { { .fd = fd, .events = 0 }, { .fd = wake_fd, .events = POLLIN } };
    struct timespec t;
    if (events & CHENGI_HOST_READABLE)
        fds[0].events |= POLLIN | POLLRDHUP;
    if (events & CHENGI_HOST_WRITABLE)
        fds[0].events |= POLLOUT;
    int n = ppoll(fds, 2, remaining(deadline_ns, &t) ? &t : NULL, NULL);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    if (n == 0)
        return -ETIMEDOUT;
    if (fds[1].revents)
        wake_fd_drain(wake_fd);
    if (fds[0].revents & POLLNVAL)
        return -EBADF;
    return (int)chengi_ready_of_epoll((uint16_t)fds[0].revents); /* the same bits */
}
