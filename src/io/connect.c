/* Making connections and listeners. Of several addresses the next is begun when one has failed, or is silent for a
 * while; the first that answers wins. One attempt is waited for by its own socket; several by a poller, which is a
 * descriptor itself. */
#include <errno.h>

#include "base/deadline.h"
#include "host/host.h"
#include "io/connect.h"
#include "io/resolve.h"
#include "io/socket.h"

static const cheng_duration next_after = 250 * CHENG_MILLISECOND;
static const cheng_duration pause_first = CHENG_MILLISECOND, pause_most = 50 * CHENG_MILLISECOND;

struct race {
    const struct net_addresses *to;
    uint32_t next; /* to begin */
    uint32_t live;
    struct {
        cheng_socket *socket;
        const cheng_endpoint *to;
    } attempts[CHENGI_ADDRESSES];
    struct host_poller poller; /* id 0: not open. It has all attempts, once there are two */
};

static bool goes_on(int error)
{
    return error == -EINPROGRESS || error == -EALREADY || error == -EINTR;
}

static int give_to_poller(struct race *race, cheng_socket *s)
{
    return chengi_host_poller_watch(&race->poller, s->fd, 0);
}

/* Before the second attempt: the first has to be waited for in another way. */
static int open_poller(struct race *race)
{
    if (race->live == 0 || race->poller.id != 0)
        return 0;
    int rc = chengi_host_poller_open_nested(&race->poller);
    for (uint32_t i = 0; rc == 0 && i < race->live; i++)
        rc = give_to_poller(race, race->attempts[i].socket);
    if (rc < 0 && race->poller.id != 0) { /* else those that it lacks would not be waited for */
        chengi_host_poller_close(&race->poller);
        race->poller.id = 0;
    }
    return rc;
}

/* A unix socket whose listener has no room for more says so at once, and cannot be waited for. */
static int connect_patiently(cheng_socket *s, const cheng_endpoint *to, cheng_deadline deadline)
{
    int rc;
    cheng_duration pause = pause_first;
    while ((rc = chengi_sys_connect(s->fd, to)) == -EAGAIN && chengi_sys_is_unix(to)) {
        if (chengi_is_now(deadline))
            return -EAGAIN;
        int64_t until = cheng_after(pause).at_ns;
        if (deadline.at_ns != 0 && deadline.at_ns <= until)
            return -ETIMEDOUT;
        rc = cheng_sleep_until(cheng_deadline_at(until));
        if (rc < 0)
            return rc;
        pause = pause * 2 < pause_most ? pause * 2 : pause_most;
    }
    return rc;
}

/* 0: connected, and in `out`; -EINPROGRESS: in the race. */
static int begin(struct race *race, cheng_socket **out, cheng_deadline deadline)
{
    cheng_socket *s;
    const cheng_endpoint *to = &race->to->list[race->next++];
    int fd = chengi_sys_stream(to);
    if (fd < 0)
        return fd;
    int rc = chengi_socket_new(&s, fd);
    if (rc < 0) {
        chengi_sys_close(fd);
        return rc;
    }
    chengi_socket_expect_writable(s);
    rc = connect_patiently(s, to, deadline);
    if (goes_on(rc)) {
        rc = open_poller(race);
        if (rc == 0 && race->poller.id != 0)
            rc = give_to_poller(race, s);
        if (rc == 0) {
            race->attempts[race->live].socket = s;
            race->attempts[race->live++].to = to;
            return -EINPROGRESS;
        }
    }
    if (rc == 0)
        *out = s;
    else
        cheng_socket_free(s);
    return rc;
}

/* Asked again, connect tells how it went. 0: one is connected, and in `out`; -EINPROGRESS: all go on; else one has
 * failed. */
static int ask(struct race *race, cheng_socket **out)
{
    for (uint32_t i = 0; i < race->live; i++) {
        cheng_socket *s = race->attempts[i].socket;
        chengi_socket_expect_writable(s);
        int rc = chengi_sys_connect(s->fd, race->attempts[i].to);
        if (goes_on(rc))
            continue;
        race->attempts[i] = race->attempts[--race->live];
        if (rc == 0)
            *out = s;
        else
            cheng_socket_free(s);
        return rc;
    }
    return -EINPROGRESS;
}

static int wait_for_any(struct race *race, cheng_deadline deadline)
{
    struct host_event events[CHENGI_ADDRESSES];
    if (race->poller.id == 0)
        return chengi_socket_wait_writable(race->attempts[0].socket, deadline);
    int rc = cheng_poll(race->poller.epoll, CHENG_READABLE, NULL, deadline);
    return rc < 0 ? rc : chengi_host_poller_wait(&race->poller, events, CHENGI_ADDRESSES, -1);
}

static int run_race(struct race *race, cheng_socket **out, cheng_deadline deadline)
{
    int rc = -ENOENT;
    int64_t due = 0; /* of the next address: at once */
    while (race->next < race->to->count || race->live > 0) {
        bool more = race->next < race->to->count;
        if (more && (race->live == 0 || chengi_host_now() >= due)) {
            due = cheng_after(next_after).at_ns;
            rc = begin(race, out, deadline);
        } else {
            bool first = more && (deadline.at_ns == 0 || due < deadline.at_ns);
            rc = wait_for_any(race, first ? cheng_deadline_at(due) : deadline);
            if (rc == -ETIMEDOUT && first)
                continue;
            if (rc < 0)
                return rc;
            rc = ask(race, out);
            if (rc != -EINPROGRESS)
                due = 0; /* one has failed: the next need not wait */
        }
        /* else a time-out is the system's */
        bool late = deadline.at_ns > 0 && chengi_host_now() >= deadline.at_ns;
        if (rc == 0 || rc == -ECANCELED || rc == -EAGAIN || (rc == -ETIMEDOUT && late))
            return rc;
    }
    return rc;
}

int chengi_connect(cheng_socket **out, const struct net_addresses *to, cheng_deadline deadline)
{
    struct race race;
    race.to = to;
    race.next = race.live = 0;
    race.poller.id = 0;
    int rc = run_race(&race, out, deadline);
    while (race.live > 0)
        cheng_socket_free(race.attempts[--race.live].socket);
    if (race.poller.id != 0)
        chengi_host_poller_close(&race.poller);
    return rc;
}

int cheng_connect_until(cheng_socket **out, const char *host, const char *service, cheng_deadline deadline)
{
    struct net_addresses found;
    int rc = host == NULL ? -EINVAL : chengi_resolve(&found, host, service, false, deadline);
    return rc < 0 ? rc : chengi_connect(out, &found, deadline);
}

int cheng_connect(cheng_socket **out, const char *host, const char *service)
{
    return cheng_connect_until(out, host, service, CHENG_FOREVER);
}

int cheng_listen(cheng_socket **out, const char *host, const char *service,
                 const cheng_listen_options *options)
{
    static const cheng_listen_options none;
    struct net_addresses found;
    options = options == NULL ? &none : options;
    int rc = chengi_resolve(&found, host, service, false, CHENG_FOREVER);
    for (uint32_t i = 0; rc == 0 && i < found.count; i++) {
        int fd = chengi_sys_stream(&found.list[i]);
        int made = fd < 0 ? fd : chengi_sys_listen(fd, &found.list[i], options->backlog, options->reuse_port);
        if (made == 0)
            made = chengi_socket_new(out, fd);
        if (made == 0)
            return 0;
        if (fd >= 0)
            chengi_sys_close(fd);
        if (i + 1 == found.count)
            rc = made;
    }
    return rc;
}
