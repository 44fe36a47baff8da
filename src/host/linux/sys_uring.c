/* A poller on io_uring: a request for each descriptor that is watched (multishot, edge-triggered) or armed (once), a
 * request for each transfer of a file. Requests are handed to the kernel by the next wait, together, so that watching
 * and arming are no system calls.
 *
 * What epoll does not do: a request holds its file. Closing the descriptor would not end it, and the other side would not
 * learn of it. So whoever closes a descriptor that is watched makes the pollers let go of it first (let_go below); who stops
 * waiting for one that is armed takes the request back (arm for 0 events). Both are synchronous in the poller's own thread.
 * A ring takes requests from one thread only (that is its fastest mode, and the kernel's work for it interrupts nobody), so
 * another thread hands the descriptor over, and the poller's thread closes it.
 *
 *   closer                                          poller's thread
 *   takes a uring's bit out of the descriptor's     .
 *   latch; the uring lives? then adds the           .
 *     descriptor to `leaving`, unlatches            .
 *   signals `wake`                                  wait returns; takes `leaving`, takes the request back,
 *   .                                               lets the others that watch it go in the same way, closes it
 *
 * A request's name is the descriptor and the generation of its entry. A completion whose generation has passed is
 * dropped: it was on its way when its request was taken back.
 *
 * The kernel must be 6.1 or later (IORING_SETUP_DEFER_TASKRUN); older ones refuse the flags. */
#include "host/linux/sys_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <liburing.h>

#include "base/compiler.h"
#include "host/latch.h"

enum { URINGS = 64, REQUESTS = 128, COMPLETIONS = 1024, CHUNK = 1024, CHUNKS = 1024 };

/* A request's name: an entry's generation and descriptor, or one of these. */
static const uint64_t transfer_flag = 1ull << 63, nobodys = 1ull << 62;
enum { GENERATIONS = 1 << 30 };

static const uint64_t wake_data = UINT64_MAX; /* the event of the wake descriptor */

/* What a uring knows of a descriptor: its own thread's. */
struct entry {
    uint64_t data;
    uint32_t generation;
    uint32_t events; /* EPOLLET: watched, until it is closed. 0: no request */
};

struct uring {
    struct io_uring ring;
    uint64_t id; /* the poller's; 0: it does not live. Changes under the latch */
    bool taken;  /* under the latch */
    /* `self` of the thread that uses it; NULL: none has yet. Relaxed: equals one's own if one set it */
    const char *owner;
    pid_t process;
    int wake;
    struct entry *entries;
    size_t room;
    /* a descriptor + 1: the first of a list, through `next`. Under the latch; a look without, relaxed: a signal
     * follows */
    uint32_t leaving;
};

/* What all know of a descriptor. */
struct watched {
    /* who watches it, a bit each: set by the uring's thread; relaxed: the socket orders its end */
    uint64_t urings;
    uint32_t next; /* while it is leaving: it has one closer only */
};

static struct {
    struct latch latch;
    bool forks_are_seen;
    struct uring urings[URINGS];
    struct watched *chunks[CHUNKS]; /* by descriptor; set once, never freed */
} all;

static __thread char self; /* its address is the thread's name */

static struct watched *watched_of(int fd, bool make)
{
    size_t index = (size_t)fd / CHUNK;
    if (index >= CHUNKS)
        return NULL;
    struct watched *chunk = load_acquire(&all.chunks[index]), *none = NULL;
    if (chunk == NULL && make) {
        chunk = calloc(CHUNK, sizeof *chunk);
        /* release: partner is the acquire above */
        if (chunk != NULL && !cas_acq_rel(&all.chunks[index], &none, chunk)) {
            free(chunk);
            chunk = none;
        }
    }
    return chunk == NULL ? NULL : &chunk[fd % CHUNK];
}

/* ---- requests ---- */

static struct io_uring_sqe *next_request(struct uring *uring)
{
    struct io_uring_sqe *request = io_uring_get_sqe(&uring->ring);
    if (request == NULL && io_uring_submit(&uring->ring) >= 0)
        request = io_uring_get_sqe(&uring->ring);
    return request;
}

static uint64_t name_of(const struct entry *entry, int fd)
{
    return (uint64_t)entry->generation << 32 | (uint32_t)fd;
}

static int begin(struct uring *uring, struct entry *entry, int fd)
{
    struct io_uring_sqe *request = next_request(uring);
    if (request == NULL)
        return -ENOMEM;
    if (entry->events & EPOLLET)
        io_uring_prep_poll_multishot(request, fd, entry->events & ~EPOLLET);
    else
        io_uring_prep_poll_add(request, fd, entry->events);
    io_uring_sqe_set_data64(request, name_of(entry, fd));
    return 0;
}

/* Takes the request back, in order with those before it and after. */
static int stop(struct uring *uring, struct entry *entry, int fd)
{
    if (entry->events == 0)
        return 0;
    struct io_uring_sqe *request = next_request(uring);
    if (request == NULL)
        return -ENOMEM;
    io_uring_prep_cancel64(request, name_of(entry, fd), 0);
    io_uring_sqe_set_data64(request, nobodys);
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry->events = 0;
    entry->generation = (entry->generation + 1) % GENERATIONS;
    return 0;
}

/* Not by realloc: in a fork's child, whose fork comes at any time, the pointer must be one that can be freed. */
static int make_room(struct uring *uring, size_t room)
{
    struct entry *former = uring->entries, *entries = calloc(room, sizeof *entries);
    if (entries == NULL)
        return -ENOMEM;
    if (former != NULL)
        memcpy(entries, former, uring->room * sizeof *entries);
    store_release(&uring->entries, entries);
    uring->room = room;
    free(former);
    return 0;
}

static int poll_anew(struct uring *uring, int fd, uint32_t events, uint64_t data)
{
    if ((size_t)fd >= uring->room && make_room(uring, (size_t)fd * 2 < 64 ? 64 : (size_t)fd * 2) < 0)
        return -ENOMEM;
    struct entry *entry = &uring->entries[fd];
    int rc = stop(uring, entry, fd);
    if (rc < 0)
        return rc;
    entry->events = events;
    entry->data = data;
    rc = begin(uring, entry, fd);
    if (rc < 0)
        entry->events = 0;
    return rc;
}

/* The first thread that uses it has it from then on. */
static int make_own(struct uring *uring)
{
    if (likely(uring->owner == &self))
        return 0;
    int rc = io_uring_enable_rings(&uring->ring);
    if (rc < 0)
        return rc;
    store_relaxed(&uring->owner, &self);
    return poll_anew(uring, uring->wake, EPOLLIN | EPOLLET, wake_data);
}

/* So that the kernel holds the file no longer. */
static void forget(struct uring *uring, int fd)
{
    if ((size_t)fd < uring->room && stop(uring, &uring->entries[fd], fd) == 0)
        io_uring_submit_and_get_events(&uring->ring);
}

int chengi_uring_watch(struct uring *uring, int fd, uint64_t data)
{
    struct watched *watched = watched_of(fd, true);
    int rc = watched == NULL ? -ENOMEM : make_own(uring);
    if (rc == 0)
        rc = poll_anew(uring, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, data);
    if (rc == 0)
        __atomic_fetch_or(&watched->urings, 1ull << (uring - all.urings), __ATOMIC_RELAXED);
    return rc;
}

int chengi_uring_arm(struct uring *uring, int fd, unsigned events, uint64_t data)
{
    if (events == 0) {
        if ((size_t)fd < uring->room && !(uring->entries[fd].events & EPOLLET))
            forget(uring, fd);
        return 0;
    }
    int rc = fcntl(fd, F_GETFD) < 0 ? -errno : make_own(uring); /* what is no descriptor is told at once */
    if (rc < 0)
        return rc;
    return poll_anew(uring, fd,
                     (events & CHENGI_HOST_READABLE ? EPOLLIN | EPOLLRDHUP : 0u) |
                         (events & CHENGI_HOST_WRITABLE ? EPOLLOUT : 0u),
                     data);
}

/* A file only: others have no place to read at, which the kernel overlooks here. */
int chengi_uring_transfer(struct uring *uring, const struct host_transfer *transfer, uint64_t data)
{
    struct stat status;
    if (fstat(transfer->fd, &status) < 0 || !S_ISREG(status.st_mode))
        return -ENOTSUP;
    unsigned size = transfer->size > INT_MAX ? INT_MAX : (unsigned)transfer->size;
    struct io_uring_sqe *request = make_own(uring) < 0 ? NULL : next_request(uring);
    if (request == NULL)
        return -ENOTSUP;
    if (transfer->write)
        io_uring_prep_write(request, transfer->fd, transfer->buffer, size, transfer->offset);
    else
        io_uring_prep_read(request, transfer->fd, transfer->buffer, size, transfer->offset);
    io_uring_sqe_set_data64(request, transfer_flag | data);
    io_uring_submit(&uring->ring); /* if it fails, the next wait submits it */
    return 0;
}

/* ---- waiting ---- */

/* Makes an event of a completion: 1, or 0 if it is none. -EAGAIN: it must come again later. */
static int take(struct uring *uring, const struct io_uring_cqe *completion, struct host_event *event)
{
    uint64_t name = completion->user_data;
    if (name & transfer_flag) {
        *event = (struct host_event){ name & ~transfer_flag, (unsigned)completion->res };
        return 1;
    }
    int fd = (int)(uint32_t)name, mask = completion->res;
    struct entry *entry = &uring->entries[fd];
    if (name == nobodys || entry->events == 0 || name_of(entry, fd) != name)
        return 0;
    /* a watch ends when the kernel is short of memory, or of room for completions: then it begins again */
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        if (!(entry->events & EPOLLET) || mask == -EBADF)
            entry->events = 0;
        else if (begin(uring, entry, fd) < 0)
            return -EAGAIN;
    }
    if (entry->data == wake_data)
        return 0;
    /* an error is told by trying */
    unsigned ready =
        mask < 0 ? CHENGI_HOST_READABLE | CHENGI_HOST_WRITABLE : chengi_ready_of_epoll((uint32_t)mask);
    *event = (struct host_event){ entry->data, ready };
    return 1;
}

/* Returns how many completions there were. */
static unsigned collect(struct uring *uring, struct host_event *events, unsigned room, unsigned *count)
{
    struct io_uring_cqe *completion;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&uring->ring, head, completion)
    {
        int rc = *count == room ? -EAGAIN : take(uring, completion, &events[*count]);
        if (rc < 0)
            break;
        *count += (unsigned)rc;
        seen++;
    }
    io_uring_cq_advance(&uring->ring, seen);
    return seen;
}

static void close_leaving(struct uring *uring)
{
    if (likely(load_relaxed(&uring->leaving) == 0))
        return;
    chengi_latch_acquire(&all.latch);
    uint32_t first = uring->leaving;
    store_relaxed(&uring->leaving, 0);
    chengi_latch_release(&all.latch);
    while (first != 0) {
        int fd = (int)first - 1;
        first = watched_of(fd, false)->next;
        forget(uring, fd);
        if (!chengi_uring_let_go(fd))
            close(fd);
    }
}

int chengi_uring_wait(struct uring *uring, struct host_event *events, unsigned room, int64_t deadline_ns)
{
    struct io_uring *ring = &uring->ring;
    struct io_uring_cqe *first;
    unsigned count = 0;
    int rc = make_own(uring);
    if (rc < 0)
        return rc;
    if (collect(uring, events, room, &count) > 0 || deadline_ns < 0) {
        /* the kernel says here whether it has anything */
        if (io_uring_sq_ready(ring) != 0 ||
            (load_relaxed(ring->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)))
            io_uring_submit_and_get_events(ring);
    } else {
        int64_t left = chengi_time_left(deadline_ns);
        struct __kernel_timespec t = { left / 1000000000, left % 1000000000 };
        io_uring_submit_and_wait_timeout(ring, &first, 1, deadline_ns == 0 ? NULL : &t, NULL);
    }
    collect(uring, events, room, &count);
    close_leaving(uring);
    return (int)count;
}

/* ---- letting go ---- */

/* False: the uring has ended, and with it its requests. */
static bool hand_over(struct uring *uring, struct watched *watched, int fd)
{
    chengi_latch_acquire(&all.latch);
    bool lives = uring->id != 0;
    if (lives) {
        watched->next = uring->leaving;
        store_relaxed(&uring->leaving, (uint32_t)fd + 1);
        chengi_host_wake_fd_signal(uring->wake);
    }
    chengi_latch_release(&all.latch);
    return lives;
}

bool chengi_uring_let_go(int fd)
{
    struct watched *watched = watched_of(fd, false);
    uint64_t urings;
    while (watched != NULL && (urings = load_relaxed(&watched->urings)) != 0) {
        struct uring *uring = &all.urings[__builtin_ctzll(urings)];
        store_relaxed(&watched->urings, urings & (urings - 1)); /* nobody is inside who could watch it */
        if (load_relaxed(&uring->owner) == &self)
            forget(uring, fd);
        else if (hand_over(uring, watched, fd))
            return true;
    }
    return false;
}

/* ---- opening and closing ---- */

bool chengi_uring_is_wanted(void)
{
    const char *choice = secure_getenv("CHENG_POLLER");
    return choice != NULL && strcmp(choice, "io_uring") == 0;
}

static int set_up(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                 IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };
    return io_uring_queue_init_params(REQUESTS, ring, &params);
}

/* Filters may allow some of io_uring's calls and not others: once, all are made. */
static int probe(int fd)
{
    static int verdict; /* 1: it works; relaxed: it is the same each time */
    struct io_uring ring;
    struct io_uring_cqe *completion = NULL;
    if (load_relaxed(&verdict) != 0)
        return load_relaxed(&verdict) < 0 ? verdict : 0;
    int rc = set_up(&ring);
    if (rc == 0) {
        struct __kernel_timespec second = { 1, 0 };
        rc = io_uring_enable_rings(&ring);
        if (rc == 0) {
            io_uring_prep_poll_multishot(io_uring_get_sqe(&ring), fd, EPOLLOUT);
            rc = io_uring_submit_and_wait_timeout(&ring, &completion, 1, &second, NULL);
            if (rc >= 0)
                rc = completion->res < 0 ? completion->res : 0;
        }
        io_uring_queue_exit(&ring);
    }
    if (rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM) /* which may pass */
        store_relaxed(&verdict, rc < 0 ? rc : 1);
    return rc;
}

/* Those of threads that have not come along end here; the library closes its own, before or after. */
static void in_child(void)
{
    all.latch = (struct latch){ 0 };
    for (size_t i = 0; i < CHUNKS; i++)
        if (all.chunks[i] != NULL)
            memset(all.chunks[i], 0, CHUNK * sizeof *all.chunks[i]);
    for (struct uring *uring = all.urings; uring < all.urings + URINGS; uring++) {
        if (uring->id != 0)
            io_uring_queue_exit(&uring->ring); /* which does nothing to the parent's */
        free(uring->entries);
        *uring = (struct uring){ .id = 0 };
    }
}

static struct uring *take_place(void)
{
    struct uring *found = NULL;
    chengi_latch_acquire(&all.latch);
    if (!all.forks_are_seen)
        all.forks_are_seen = pthread_atfork(NULL, NULL, in_child) == 0;
    for (struct uring *uring = all.urings; found == NULL && all.forks_are_seen && uring < all.urings + URINGS;
         uring++)
        if (!uring->taken)
            found = uring;
    if (found != NULL)
        found->taken = true;
    chengi_latch_release(&all.latch);
    return found;
}

static void give_place_back(struct uring *uring)
{
    chengi_latch_acquire(&all.latch);
    *uring = (struct uring){ .id = 0 };
    chengi_latch_release(&all.latch);
}

int chengi_uring_open(struct uring **out, uint64_t id, int wake)
{
    int rc = probe(wake);
    struct uring *uring = rc < 0 ? NULL : take_place();
    if (uring == NULL)
        return rc < 0 ? rc : -ENOSPC;
    rc = set_up(&uring->ring);
    if (rc < 0) {
        give_place_back(uring);
        return rc;
    }
    uring->wake = wake;
    uring->process = getpid();
    chengi_latch_acquire(&all.latch);
    uring->id = id;
    chengi_latch_release(&all.latch);
    *out = uring;
    return 0;
}

/* What it watches is let go of before its ring ends, which the kernel ends later. */
static void forget_all(struct uring *uring)
{
    struct io_uring_sqe *request = next_request(uring);
    if (request != NULL) {
        io_uring_prep_cancel64(request, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        io_uring_submit_and_get_events(&uring->ring);
    }
    for (size_t fd = 0; fd < uring->room; fd++) {
        struct watched *watched = uring->entries[fd].events & EPOLLET ? watched_of((int)fd, false) : NULL;
        if (watched != NULL)
            __atomic_fetch_and(&watched->urings, ~(1ull << (uring - all.urings)), __ATOMIC_RELAXED);
    }
}

void chengi_uring_close(struct uring *uring, uint64_t id)
{
    if (uring->id != id)
        return; /* in_child was faster */
    if (uring->process != getpid()) {
        io_uring_queue_exit(&uring->ring);
        uring->id = 0;
        return;
    }
    chengi_latch_acquire(&all.latch);
    uring->id = 0; /* nobody hands it anything any more */
    chengi_latch_release(&all.latch);
    if (uring->owner == &self) {
        close_leaving(uring);
        forget_all(uring);
    }
    io_uring_queue_exit(&uring->ring);
    free(uring->entries);
    give_place_back(uring);
}
