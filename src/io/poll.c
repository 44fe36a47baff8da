/* Waiting for descriptors that are not ours. A coroutine's are armed, one event at a time, in its worker's
 * poller, which keeps an entry for each number; entry, waiters and poller all belong to one kernel thread, so
 * nothing here is atomic. A thread polls by itself. */
#include <cheng/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "host/host.h"
#include "park/select.h"
#include "run/upcalls.h"
#include "run/worker.h"

_Static_assert((int)CHENG_READABLE == (int)CHENGI_HOST_READABLE &&
                   (int)CHENG_WRITABLE == (int)CHENGI_HOST_WRITABLE,
               "the public bits are the host's");

/* What is ready now: 0, or -EAGAIN, or what is wrong. */
static int look(int fd, unsigned events, unsigned *ready)
{
    int rc = chengi_host_poll_pair(fd, events, -1, -1);
    if (rc > 0)
        *ready = (unsigned)rc & events;
    return rc > 0 ? 0 : rc == 0 || rc == -ETIMEDOUT ? -EAGAIN : rc;
}

/* On the waiting coroutine's stack. */
struct poll_wait {
    uint32_t ready; /* parked on while 0 */
    unsigned events;
};

struct descriptor {
    struct watch watch;
    struct poll_wait *reader, *writer; /* may be the same */
    struct host_poller *poller;
    int fd;
};

struct descriptors {
    size_t room;
    struct descriptor **list;
};

static void arm_again(struct descriptor *d)
{
    unsigned events = (d->reader != NULL ? CHENG_READABLE : 0u) | (d->writer != NULL ? CHENG_WRITABLE : 0u);
    if (events != 0)
        chengi_host_poller_arm(d->poller, d->fd, events, (uint64_t)(uintptr_t)&d->watch);
}

static void forget(struct descriptor *d, const struct poll_wait *wait)
{
    if (d->reader == wait)
        d->reader = NULL;
    if (d->writer == wait)
        d->writer = NULL;
}

/* Who stops waiting, though nothing has come. */
static void leave(struct descriptor *d, const struct poll_wait *wait)
{
    forget(d, wait);
    if (d->reader == NULL && d->writer == NULL)
        chengi_host_poller_arm(d->poller, d->fd, 0, 0);
}

static void tell(struct descriptor *d, struct poll_wait *wait, unsigned events)
{
    forget(d, wait);
    store_relaxed(&wait->ready, events & wait->events);
    chengi_unpark(&wait->ready, 1);
}

static void on_event(struct watch *watch, unsigned events)
{
    struct descriptor *d = CHENGI_CONTAINER(watch, struct descriptor, watch);
    struct poll_wait *reader = d->reader, *writer = d->writer;
    if (reader != NULL && (events & reader->events))
        tell(d, reader, events);
    if (writer != NULL && writer != reader && (events & writer->events))
        tell(d, writer, events);
    arm_again(d);
}

static struct descriptor *descriptor_of(struct worker *worker, int fd)
{
    struct descriptors *all = worker->descriptors;
    if (all == NULL && (worker->descriptors = all = calloc(1, sizeof *all)) == NULL)
        return NULL;
    if (all->list == NULL || (size_t)fd >= all->room) {
        size_t room = (size_t)fd * 2 < 64 ? 64 : (size_t)fd * 2;
        struct descriptor **list = realloc(all->list, room * sizeof(struct descriptor *));
        if (list == NULL)
            return NULL;
        memset(list + all->room, 0, (room - all->room) * sizeof(struct descriptor *));
        all->list = list;
        all->room = room;
    }
    struct descriptor *d = all->list[fd];
    if (d == NULL && (d = all->list[fd] = calloc(1, sizeof *d)) != NULL) {
        d->watch.ready = on_event;
        d->poller = chengi_worker_poller();
        d->fd = fd;
    }
    return d;
}

void chengi_descriptors_free(struct descriptors *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < all->room; i++)
        free(all->list[i]);
    free(all->list);
    free(all);
}

/* Arms the descriptor for one more who waits. */
static int begin_poll(struct descriptor *d, struct poll_wait *wait)
{
    if (((wait->events & CHENG_READABLE) && d->reader != NULL) ||
        ((wait->events & CHENG_WRITABLE) && d->writer != NULL))
        return -EBUSY;
    if (wait->events & CHENG_READABLE)
        d->reader = wait;
    if (wait->events & CHENG_WRITABLE)
        d->writer = wait;
    unsigned both = (d->reader != NULL ? CHENG_READABLE : 0u) | (d->writer != NULL ? CHENG_WRITABLE : 0u);
    int rc = chengi_host_poller_arm(d->poller, d->fd, both, (uint64_t)(uintptr_t)&d->watch);
    if (rc < 0)
        forget(d, wait);
    return rc;
}

static int poll_coroutine(int fd, unsigned events, unsigned *ready, cheng_deadline deadline,
                          const struct why *why)
{
    struct descriptor *d = descriptor_of(chengi_worker, fd);
    struct poll_wait wait = { 0, events };
    if (d == NULL)
        return -ENOMEM;
    int rc = begin_poll(d, &wait);
    while (rc == 0 && load_relaxed(&wait.ready) == 0)
        rc = chengi_park(&wait.ready, 0, deadline.at_ns, why, 0);
    if (wait.ready != 0) { /* an event that came with the time-out counts */
        *ready = wait.ready;
        return 0;
    }
    leave(d, &wait);
    if (rc == -ETIMEDOUT && look(fd, events, ready) == 0) /* past from the start: the one try */
        return 0;
    if (rc == -EPERM) { /* the system does not poll such a file: it is always ready */
        *ready = events;
        rc = 0;
    }
    return rc;
}

static int poll_thread(int fd, unsigned events, unsigned *ready, cheng_deadline deadline,
                       const struct why *why)
{
    uint32_t word = 0;
    int rc;
    do
        rc = chengi_park_fd(&word, 0, fd, events, deadline.at_ns, why);
    while (rc == 0); /* woken by nothing */
    if (rc > 0)
        *ready = (unsigned)rc & events;
    return rc < 0 ? rc : 0;
}

int cheng_poll(int fd, unsigned events, unsigned *ready, cheng_deadline deadline)
{
    const struct why why = { events & CHENG_READABLE ? CHENGI_WAIT_READ : CHENGI_WAIT_WRITE, NULL, NULL };
    unsigned found = 0;
    if (fd < 0)
        return -EBADF;
    if (events == 0 || (events & ~(unsigned)(CHENG_READABLE | CHENG_WRITABLE)))
        return -EINVAL;
    int rc;
    if (chengi_is_now(deadline)) {
        rc = look(fd, events, &found);
    } else {
        rc = chengi_worker != NULL ? poll_coroutine(fd, events, &found, deadline, &why)
                                   : poll_thread(fd, events, &found, deadline, &why);
    }
    if (rc < 0)
        return rc;
    if (ready != NULL)
        *ready = found;
    return 0;
}

/* ---- select ---- */

static int fd_of(const cheng_case *c)
{
    return (int)(uint32_t)c->number;
}

static unsigned event_of(const cheng_case *c)
{
    return (unsigned)((uint64_t)c->number >> 32);
}

static int attempt(cheng_case *c, const struct select_wait *wait)
{
    unsigned event = event_of(c);
    (void)wait;
    if (event != CHENG_READABLE && event != CHENG_WRITABLE)
        return -EINVAL;
    return cheng_poll(fd_of(c), event, NULL, CHENG_NOW);
}

/* A thread sleeps on the descriptor itself. */
static int await(const cheng_case *c, struct select_wait *wait)
{
    struct poll_wait *poll = (struct poll_wait *)wait->room;
    if (chengi_worker == NULL) {
        wait->point->fd = fd_of(c);
        wait->point->events = event_of(c);
        return 1;
    }
    *poll = (struct poll_wait){ 0, event_of(c) };
    struct descriptor *d = descriptor_of(chengi_worker, fd_of(c));
    int rc = d == NULL ? -ENOMEM : begin_poll(d, poll);
    wait->point->word = &poll->ready;
    wait->point->value = 0;
    return rc == 0 ? 1 : rc == -EPERM ? 0 : rc; /* EPERM: always ready */
}

static int stop_waiting(const cheng_case *c, struct select_wait *wait)
{
    if (chengi_worker != NULL)
        leave(descriptor_of(chengi_worker, fd_of(c)), (const struct poll_wait *)wait->room);
    return 0;
}

const struct selectable chengi_select_poll = { attempt, await, stop_waiting };
