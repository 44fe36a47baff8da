/* Sockets, and what streams do. A direction's word:
 *
 *   READY   trying is worth while: set by the poller's events, and before the first try; cleared by the task
 *           that tries, before it tries, so that an event that comes in between is not lost
 *   HUNG_UP (in) the peer has finished, or an error is pending: comes with READY, is cleared with it
 *   CLOSED  set by close, for good
 *   0       tried, and nothing was there: wait
 *
 *   task                               poller (edge-triggered: one event for each arrival)
 *   clears READY                       an arrival: sets READY
 *   receives; nothing                  had READY been clear: unparks the word
 *   parks while the word is 0
 *
 * An arrival after the clearing sets READY again: the park returns at once. A read that got less than it had
 * room for has emptied the socket and leaves READY clear: the next read parks without a system call. But not
 * after HUNG_UP: data and end may have come as one event, so the end, still to be read, will not be told again.
 *
 * Of a datagram socket several may send; whoever waited for room and got it sets READY again, for the others.
 *
 * `users` says who is inside: READER, WRITER, SENDERs, CLOSING. The descriptor is closed by whoever leaves the word at
 * CLOSING alone, so that no call uses a number that is another file by now.
 *
 * Records are never given back to the system: a poller's event may come late, and then sets READY in a record
 * that is free or another socket, which costs one try in vain. */
#include "io/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/deadline.h"
#include "host/host.h"
#include "host/latch.h"
#include "park/select.h"
#include "run/runner.h"
#include "run/upcalls.h"

enum { READY = 1, CLOSED = 2, HUNG_UP = 4 };
static struct {
    struct latch latch;
    struct cheng_socket *free;
    struct cheng_socket *newest; /* of all: pushed without the latch, for a fork's child */
} records;

/* ---- events ---- */

static void set_ready(uint32_t *word, uint32_t flags)
{
    if ((load_relaxed(word) & flags) == flags)
        return; /* who clears them tries after */
    if (!(__atomic_fetch_or(word, flags, __ATOMIC_SEQ_CST) & READY))
        chengi_unpark(word, UINT32_MAX);
}

static void on_event(struct watch *watch, unsigned events)
{
    struct cheng_socket *s = CHENGI_CONTAINER(watch, struct cheng_socket, watch);
    if (events & CHENGI_HOST_READABLE)
        set_ready(&s->in, events & CHENGI_HOST_HUNG_UP ? READY | HUNG_UP : READY);
    if (events & CHENGI_HOST_WRITABLE)
        set_ready(&s->out, READY);
}

/* A coroutine's socket is watched by its worker's poller; adding it reports what is there already. */
static int watch(struct cheng_socket *s)
{
    if (chengi_worker == NULL)
        return 0; /* a thread polls by itself */
    struct host_poller *poller = chengi_worker_poller();
    if (load_relaxed(&s->poller) == poller->id)
        return 0;
    int rc = chengi_host_poller_watch(poller, s->fd, (uint64_t)(uintptr_t)&s->watch);
    if (rc == 0)
        store_relaxed(&s->poller, poller->id);
    return rc;
}

/* ---- records ---- */

int chengi_socket_new(cheng_socket **out, int fd)
{
    chengi_latch_acquire(&records.latch);
    struct cheng_socket *s = records.free;
    if (s != NULL)
        records.free = s->next;
    chengi_latch_release(&records.latch);
    if (s == NULL) {
        if ((s = calloc(1, sizeof *s)) == NULL)
            return -ENOMEM;
        s->watch.ready = on_event; /* for good: a late event may be looking at it */
        s->older = load_relaxed(&records.newest);
        /* release: partner is the child of a fork, which walks the list without a latch */
        while (!__atomic_compare_exchange_n(&records.newest, &s->older, s, true, __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED))
            ;
    }
    s->fd = fd;
    s->poller = 0;
    store_relaxed(&s->in, READY); /* atomic: a late event may be setting it */
    store_relaxed(&s->out, READY);
    store_release(&s->users, 0);
    *out = s;
    return 0;
}

/* Who was inside a socket has not come along: nobody is. Who forks is in no call of ours. */
void chengi_sockets_after_fork(void)
{
    records.latch = (struct latch){ 0 };
    records.free = NULL; /* another thread may have been changing the list */
    for (struct cheng_socket *s = records.newest; s != NULL; s = s->older) {
        if ((s->users & CLOSING) && s->users != CLOSING)
            chengi_sys_close(s->fd); /* the last of them would have done it */
        s->users &= CLOSING;
    }
}

static void socket_recycle(struct cheng_socket *s)
{
    chengi_latch_acquire(&records.latch);
    s->next = records.free;
    records.free = s;
    chengi_latch_release(&records.latch);
}

/* ---- who is inside ---- */

int chengi_socket_enter(struct cheng_socket *s, uint32_t who)
{
    uint32_t users = load_relaxed(&s->users);
    do {
        if (unlikely(users & CLOSING)) /* and left as it is: the last to leave must find CLOSING alone */
            return -EBADF;
        if (users & who & (READER | WRITER))
            return -EBUSY;
    } while (!cas_acquire(&s->users, &users, users + who));
    return 0;
}

void chengi_socket_leave(struct cheng_socket *s, uint32_t who)
{
    if (unlikely(__atomic_sub_fetch(&s->users, who, __ATOMIC_ACQ_REL) == CLOSING))
        chengi_host_close(s->fd);
}

void cheng_socket_close(cheng_socket *s)
{
    uint32_t users = __atomic_fetch_or(&s->users, CLOSING, __ATOMIC_ACQ_REL);
    if (users & CLOSING)
        return;
    if (users == 0) {
        chengi_host_close(s->fd);
        return;
    }
    __atomic_fetch_or(&s->in, CLOSED, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&s->out, CLOSED, __ATOMIC_SEQ_CST);
    chengi_unpark(&s->in, UINT32_MAX);
    chengi_unpark(&s->out, UINT32_MAX);
}

void cheng_socket_free(cheng_socket *s)
{
    if (s == NULL)
        return;
    cheng_socket_close(s);
    socket_recycle(s);
}

/* ---- trying and waiting ---- */

/* Before a try. Returns HUNG_UP if that was set. */
static uint32_t expect(uint32_t *word)
{
    uint32_t flags = load_relaxed(word);
    if (flags & READY)
        flags = __atomic_fetch_and(word, ~(uint32_t)(READY | HUNG_UP), __ATOMIC_SEQ_CST);
    return flags & HUNG_UP;
}

/* Waits until the direction may be tried again. */
static int wait_ready(struct cheng_socket *s, uint32_t *word, unsigned events, cheng_deadline deadline)
{
    const struct why why = { events == CHENGI_HOST_READABLE ? CHENGI_WAIT_READ : CHENGI_WAIT_WRITE, s, NULL };
    if (load_acquire(word) & CLOSED)
        return -EBADF;
    if (chengi_is_now(deadline))
        return -EAGAIN;
    int rc = watch(s);
    if (rc == 0)
        rc = chengi_park_fd(word, 0, s->fd, events, deadline.at_ns, &why);
    if (load_acquire(word) & CLOSED)
        return -EBADF;
    return rc < 0 ? rc : 0;
}

/* Whether nothing has come since a coroutine last tried in vain. */
static bool known_empty(struct cheng_socket *s)
{
    return chengi_worker != NULL && load_relaxed(&s->poller) == chengi_worker_poller()->id &&
           !(load_acquire(&s->in) & READY);
}

/* As wait_ready; but what has come may not be known yet, while the worker has not looked for events. So who skipped
 * the try, and may not wait any longer, tries once before it gives up. */
static int wait_or_late(struct cheng_socket *s, bool skipped, int *late, cheng_deadline deadline)
{
    if (*late != 0)
        return *late;
    int rc = wait_ready(s, &s->in, CHENGI_HOST_READABLE, deadline);
    if (!skipped || (rc != -EAGAIN && rc != -ETIMEDOUT))
        return rc;
    *late = rc;
    return 0;
}

int cheng_socket_read_until(cheng_socket *s, void *buffer, size_t size, size_t *got, cheng_deadline deadline)
{
    int n, late = 0, rc = chengi_socket_enter(s, READER);
    uint32_t hung_up = 0;
    if (rc < 0)
        return rc;
    for (;;) {
        bool skip = late == 0 && known_empty(s);
        if (!skip)
            hung_up = expect(&s->in);
        n = skip ? -EAGAIN : chengi_sys_receive(s->fd, buffer, size);
        if (n != -EAGAIN && n != -EINTR)
            break;
        rc = n == -EINTR ? 0 : wait_or_late(s, skip, &late, deadline);
        if (rc < 0)
            break;
    }
    /* all but a short read: there may be more; the end, and what follows an error, are told once */
    if (rc == 0 && (n <= 0 || (size_t)n == size || hung_up))
        __atomic_fetch_or(&s->in, READY | hung_up, __ATOMIC_RELAXED);
    if (rc == 0 && n >= 0)
        *got = (size_t)n;
    else if (rc == 0)
        rc = n;
    chengi_socket_leave(s, READER);
    chengi_worker_done();
    return rc;
}

int cheng_socket_read(cheng_socket *s, void *buffer, size_t size, size_t *got)
{
    return cheng_socket_read_until(s, buffer, size, got, CHENG_FOREVER);
}

int cheng_socket_read_exactly_until(cheng_socket *s, void *buffer, size_t size, cheng_deadline deadline)
{
    for (size_t have = 0, got = 0; have < size; have += got) {
        int rc = cheng_socket_read_until(s, (char *)buffer + have, size - have, &got, deadline);
        if (rc < 0)
            return rc;
        if (got == 0)
            return -EPIPE;
    }
    return 0;
}

int cheng_socket_read_exactly(cheng_socket *s, void *buffer, size_t size)
{
    return cheng_socket_read_exactly_until(s, buffer, size, CHENG_FOREVER);
}

/* ---- one attempt, until it succeeds ---- */

int chengi_socket_take(cheng_socket *s, chengi_attempt *attempt, void *request, cheng_deadline deadline)
{
    int n, late = 0, rc = chengi_socket_enter(s, READER);
    uint32_t hung_up = 0;
    if (rc < 0)
        return rc;
    for (;;) {
        bool skip = late == 0 && known_empty(s);
        if (!skip)
            hung_up = expect(&s->in);
        n = skip ? -EAGAIN : attempt(s->fd, request);
        if (n != -EAGAIN && n != -EINTR)
            break;
        rc = n == -EINTR ? 0 : wait_or_late(s, skip, &late, deadline);
        if (rc < 0)
            break;
    }
    if (rc == 0) /* more may wait, or the error may pass */
        __atomic_fetch_or(&s->in, READY | hung_up, __ATOMIC_RELAXED);
    chengi_socket_leave(s, READER);
    chengi_worker_done();
    return rc < 0 ? rc : n;
}

/* By who is inside. */
static inline int put_one(cheng_socket *s, chengi_attempt *attempt, void *request, cheng_deadline deadline)
{
    bool expecting = false;
    for (;;) {
        int n = attempt(s->fd, request), rc = 0;
        if (n != -EAGAIN && n != -EINTR)
            return n;
        if (n == -EAGAIN && !expecting) {
            expect(&s->out); /* and once more, for an event may have come before */
            expecting = true;
        } else if (n == -EAGAIN) {
            rc = wait_ready(s, &s->out, CHENGI_HOST_WRITABLE, deadline);
            expecting = false;
        }
        if (rc == 0 && (load_relaxed(&s->out) & CLOSED))
            rc = -EBADF;
        if (rc < 0)
            return rc;
    }
}

int chengi_socket_put(cheng_socket *s, uint32_t who, chengi_attempt *attempt, void *request,
                      cheng_deadline deadline)
{
    int rc = chengi_socket_enter(s, who);
    if (rc < 0)
        return rc;
    rc = put_one(s, attempt, request, deadline);
    if (who == SENDER && rc >= 0)
        set_ready(&s->out, READY); /* another may have been about to wait when we cleared it */
    chengi_socket_leave(s, who);
    chengi_worker_done();
    return rc;
}

struct sending {
    const char *from;
    size_t size;
};

static int send_some(int fd, void *request)
{
    const struct sending *sending = request;
    return chengi_sys_send(fd, sending->from, sending->size);
}

int cheng_socket_write_until(cheng_socket *s, const void *data, size_t size, cheng_deadline deadline)
{
    struct sending sending = { data, size };
    int rc = chengi_socket_enter(s, WRITER);
    if (rc < 0)
        return rc;
    while (rc >= 0 && sending.size > 0) {
        rc = put_one(s, send_some, &sending, deadline);
        sending.from += rc < 0 ? 0 : rc;
        sending.size -= rc < 0 ? 0 : (size_t)rc;
        if (rc >= 0 && sending.size > 0 && (load_relaxed(&s->out) & CLOSED))
            rc = -EBADF;
    }
    chengi_socket_leave(s, WRITER);
    chengi_worker_done();
    return rc < 0 ? rc : 0;
}

int cheng_socket_write(cheng_socket *s, const void *data, size_t size)
{
    return cheng_socket_write_until(s, data, size, CHENG_FOREVER);
}

int cheng_socket_write_some_until(cheng_socket *s, const void *data, size_t size, size_t *put,
                                  cheng_deadline deadline)
{
    int rc = chengi_socket_put(s, WRITER, send_some, &(struct sending){ data, size }, deadline);
    if (rc < 0)
        return rc;
    *put = (size_t)rc;
    return 0;
}

int cheng_socket_write_some(cheng_socket *s, const void *data, size_t size, size_t *put)
{
    return cheng_socket_write_some_until(s, data, size, put, CHENG_FOREVER);
}

static int accept_one(int fd, void *unused)
{
    (void)unused;
    return chengi_sys_accept(fd);
}

int cheng_accept_until(cheng_socket **out, cheng_socket *listener, cheng_deadline deadline)
{
    int fd = chengi_socket_take(listener, accept_one, NULL, deadline);
    if (fd < 0)
        return fd;
    int rc = chengi_socket_new(out, fd);
    if (rc < 0)
        chengi_sys_close(fd);
    return rc;
}

int cheng_accept(cheng_socket **out, cheng_socket *listener)
{
    return cheng_accept_until(out, listener, CHENG_FOREVER);
}

/* ---- waiting without reading or writing ---- */

static int look(int fd, void *request)
{
    int rc = chengi_host_poll_pair(fd, *(const unsigned *)request, -1, -1);
    return rc == 0 ? -EINTR : rc == -ETIMEDOUT ? -EAGAIN : rc;
}

/* Whether something has come while the caller waited, who was the only reader: that needs no look. */
static bool comes(cheng_socket *s, cheng_deadline deadline)
{
    if (chengi_socket_enter(s, READER) < 0)
        return false;
    bool come = known_empty(s) && wait_ready(s, &s->in, CHENGI_HOST_READABLE, deadline) == 0 &&
                (load_acquire(&s->in) & READY);
    chengi_socket_leave(s, READER);
    return come;
}

int cheng_socket_wait(cheng_socket *s, unsigned event, cheng_deadline deadline)
{
    if (event != CHENG_READABLE && event != CHENG_WRITABLE)
        return -EINVAL;
    if (event == CHENG_READABLE && comes(s, deadline))
        return 0;
    int rc = event == CHENG_READABLE ? chengi_socket_take(s, look, &event, deadline)
                                     : chengi_socket_put(s, WRITER, look, &event, deadline);
    return rc < 0 ? rc : 0;
}

/* ---- select ---- */

static int attempt_wait(cheng_case *c, const struct select_wait *wait)
{
    (void)wait;
    return cheng_socket_wait(c->object, (unsigned)c->number, CHENG_NOW);
}

/* As who reads or writes: expects an event, looks once more, and waits for the word to change; a thread sleeps on the
 * descriptor, too. What made the word change is still there for who comes after. */
static int await(const cheng_case *c, struct select_wait *wait)
{
    cheng_socket *s = c->object;
    unsigned event = (unsigned)c->number;
    uint32_t *word = event == CHENG_READABLE ? &s->in : &s->out;
    int rc = chengi_socket_enter(s, event == CHENG_READABLE ? READER : WRITER);
    if (rc < 0)
        return rc;
    uint32_t hung_up = expect(word);
    rc = look(s->fd, &event);
    if (rc == -EAGAIN && (rc = watch(s)) == 0) {
        wait->point->word = word;
        wait->point->value = 0;
        wait->point->fd = s->fd;
        wait->point->events = event;
        return 1;
    }
    __atomic_fetch_or(word, READY | hung_up, __ATOMIC_RELAXED);
    chengi_socket_leave(s, event == CHENG_READABLE ? READER : WRITER);
    return rc < 0 && rc != -EINTR ? rc : 0;
}

static int stop_waiting(const cheng_case *c, struct select_wait *wait)
{
    (void)wait;
    chengi_socket_leave(c->object, (unsigned)c->number == CHENG_READABLE ? READER : WRITER);
    return 0;
}

const struct selectable chengi_select_socket = { attempt_wait, await, stop_waiting };

/* ---- for connect ---- */

void chengi_socket_expect_writable(cheng_socket *s)
{
    expect(&s->out);
}

int chengi_socket_wait_writable(cheng_socket *s, cheng_deadline deadline)
{
    return wait_ready(s, &s->out, CHENGI_HOST_WRITABLE, deadline);
}

/* ---- the rest ---- */

int cheng_socket_finish(cheng_socket *s)
{
    int rc = chengi_socket_enter(s, WRITER);
    if (rc == 0) {
        rc = chengi_sys_shutdown(s->fd, false);
        chengi_socket_leave(s, WRITER);
    }
    return rc;
}

int cheng_socket_fd(const cheng_socket *s)
{
    return load_acquire(&s->users) & CLOSING ? -EBADF : s->fd;
}

int cheng_socket_port(const cheng_socket *s)
{
    int fd = cheng_socket_fd(s);
    return fd < 0 ? fd : chengi_sys_port(fd);
}

int cheng_socket_peer(const cheng_socket *s, cheng_endpoint *peer)
{
    int fd = cheng_socket_fd(s);
    return fd < 0 ? fd : chengi_sys_peer(fd, peer);
}

int cheng_socket_pair(cheng_socket **a, cheng_socket **b)
{
    int fds[2], rc = chengi_sys_pair(fds);
    if (rc < 0)
        return rc;
    cheng_socket *one, *two;
    rc = chengi_socket_new(&one, fds[0]);
    if (rc < 0)
        chengi_sys_close(fds[0]);
    int rc_two = rc < 0 ? rc : chengi_socket_new(&two, fds[1]);
    if (rc_two < 0) {
        chengi_sys_close(fds[1]);
        if (rc == 0)
            cheng_socket_free(one);
        return rc_two;
    }
    *a = one;
    *b = two;
    return 0;
}

int cheng_socket_adopt(cheng_socket **out, int fd)
{
    int rc = chengi_sys_make_nonblocking(fd);
    return rc < 0 ? rc : chengi_socket_new(out, fd);
}
