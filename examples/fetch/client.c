#include "client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "transfer.h"

enum {
    DRIVER_STACK = 1 << 20, /* what TLS needs is not ours to know; memory that is not touched costs nothing */
    SPOTS_MOST = 1 << 20
};

/* A descriptor that libcurl uses. There is at most one watcher for each: only it touches `polled` and `watcher`
 * but for starting it. */
struct spot {
    unsigned wanted;     /* what libcurl waits for: CHENG_READABLE, CHENG_WRITABLE; 0: nothing */
    unsigned polled;     /* what the watcher waits for; 0: it does not */
    int ready;           /* what it found, as CURL_CSELECT_... */
    cheng_task *watcher; /* NULL: none */
    cheng_link end;      /* the watcher's */
    struct client *client;
    struct spot *next;
    bool listed;
};

struct client {
    /* any task's */
    cheng_semaphore slots;
    cheng_lock lock;
    struct transfer *fresh, **fresh_end; /* under lock */
    cheng_event work;                    /* for the driver: something is listed, or it is to end */

    /* the driver's thread's */
    CURLM *multi;
    cheng_task *driver;
    cheng_event begun;      /* by the driver, or it has ended without, for want of a stack */
    cheng_link end;         /* the driver's */
    int error;              /* its status then */
    cheng_deadline timeout; /* when libcurl wants to be called */
    struct spot *spots;     /* by descriptor */
    size_t spot_count;
    struct spot *listed; /* to be looked at: ready, or wanted otherwise than before */
    size_t watchers;
    bool ending;
    CURL **idle; /* handles to use again */
    size_t idle_count;
};

/* ---- sockets ---- */

static void list(struct client *c, struct spot *spot)
{
    if (spot->listed)
        return;
    spot->listed = true;
    spot->next = c->listed;
    c->listed = spot;
    cheng_event_set(&c->work);
}

/* A coroutine that waits once. It never calls libcurl, so its stack stays small. */
static int watch(const void *arg, void *result)
{
    struct spot *spot = *(struct spot *const *)arg;
    unsigned ready = 0;
    (void)result;
    if (spot->wanted != 0) {
        spot->polled = spot->wanted;
        int rc = cheng_poll((int)(spot - spot->client->spots), spot->polled, &ready, CHENG_FOREVER);
        spot->polled = 0;
        if (rc == 0)
            spot->ready = (ready & CHENG_READABLE ? CURL_CSELECT_IN : 0) |
                          (ready & CHENG_WRITABLE ? CURL_CSELECT_OUT : 0);
        else if (rc != -ECANCELED) /* libcurl finds out what is wrong with it */
            spot->ready = CURL_CSELECT_ERR;
    }
    return 0;
}

/* Also of one that never began, since no stack came free for it in time: then its successor tries again. */
static void watcher_ended(cheng_task *watcher, int status, void *context)
{
    struct spot *spot = (struct spot *)context;
    (void)status;
    cheng_task_free(watcher);
    spot->watcher = NULL;
    spot->client->watchers--;
    list(spot->client, spot);
}

/* libcurl says what it waits for at this socket; within a call of it by the driver, so nothing here may wait or
 * call it. A watcher that waits for something else by now, or for a descriptor that is about to be closed, is
 * cancelled; when it has ended the spot is listed, and the driver starts its successor. */
static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
    struct client *c = (struct client *)context;
    (void)easy;
    (void)unused;
    if ((size_t)fd >= c->spot_count)
        return -1;
    struct spot *spot = &c->spots[fd];
    spot->wanted = what == CURL_POLL_REMOVE ? 0
                                            : (what & CURL_POLL_IN ? CHENG_READABLE : 0u) |
                                                  (what & CURL_POLL_OUT ? CHENG_WRITABLE : 0u);
    if (spot->polled != 0 && spot->polled != spot->wanted)
        cheng_cancel(spot->watcher);
    if (what == CURL_POLL_REMOVE)
        spot->ready = 0; /* it said so of a connection that is over */
    list(c, spot);
    return 0;
}

static int timer_changed(CURLM *multi, long ms, void *context)
{
    struct client *c = (struct client *)context;
    (void)multi;
    c->timeout = ms < 0 ? CHENG_FOREVER : cheng_after(ms * CHENG_MILLISECOND);
    return 0;
}

static int start_watcher(struct client *c, struct spot *spot)
{
    int rc = cheng_start(&spot->watcher, CHENG_COROUTINE, watch, &spot, sizeof(struct spot *),
                         &(cheng_task_options){ .name = "watcher" });
    if (rc < 0)
        return rc;
    c->watchers++;
    spot->client = c;
    spot->end = (cheng_link){ .call = watcher_ended, .context = spot };
    cheng_task_link(spot->watcher, &spot->end);
    return 0;
}

static void look_at_sockets(struct client *c)
{
    struct spot *spot = c->listed, *next;
    bool starved = false;
    int running;
    c->listed = NULL; /* what is listed meanwhile has its turn next time */
    for (; spot != NULL; spot = next) {
        next = spot->next;
        spot->listed = false;
        int ready = spot->ready;
        spot->ready = 0;
        if (ready != 0 && spot->wanted != 0) /* may call socket_changed, for any socket */
            curl_multi_socket_action(c->multi, (int)(spot - c->spots), ready, &running);
        if (spot->wanted != 0 && spot->watcher == NULL && start_watcher(c, spot) < 0) {
            list(c, spot);
            starved = true;
        }
    }
    if (starved) /* no memory for another watcher: a little later there may be */
        cheng_sleep(10 * CHENG_MILLISECOND);
}

/* ---- transfers ---- */

static void begin(struct client *c, struct transfer *t)
{
    CURL *easy = c->idle_count > 0 ? c->idle[--c->idle_count] : transfer_handle();
    if (easy != NULL)
        transfer_prepare(t, easy);
    /* sets libcurl's time-out to now; it begins there */
    if (easy == NULL || curl_multi_add_handle(c->multi, easy) != CURLM_OK) {
        snprintf(t->error, sizeof t->error, "out of memory");
        if (easy != NULL)
            c->idle[c->idle_count++] = easy;
        cheng_event_set(&t->done);
    }
}

static void collect(struct client *c)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        CURLcode code = message->data.result; /* the message goes with the handle */
        CURL *easy = message->easy_handle;
        char *private;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        struct transfer *t = (struct transfer *)(void *)private;
        transfer_finish(t, code);
        curl_multi_remove_handle(c->multi, easy);
        c->idle[c->idle_count++] = easy;
        cheng_event_set(&t->done); /* from now on it may be gone */
    }
}

/* ---- the driver ---- */

static void begin_fresh(struct client *c)
{
    struct transfer *t = NULL, *next;
    CHENG_WITH(&c->lock) {
        t = c->fresh;
        c->fresh = NULL;
        c->fresh_end = &c->fresh;
    }
    for (; t != NULL; t = next) {
        next = t->next; /* it may end at once */
        begin(c, t);
    }
}

static int drive(const void *arg, void *result)
{
    struct client *c = *(struct client *const *)arg;
    int running;
    (void)result;
    cheng_event_set(&c->begun);
    while (!c->ending) {
        int rc = cheng_event_wait_until(&c->work, c->timeout);
        (void)rc;                    /* set, or timed out: both are looked after */
        cheng_event_clear(&c->work); /* first: what is listed from now on sets it again */
        begin_fresh(c);
        look_at_sockets(c);
        if (c->timeout.at_ns != 0 && c->timeout.at_ns <= cheng_clock_ns()) {
            c->timeout = CHENG_FOREVER; /* before the call, which may set another */
            curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        collect(c);
    }
    while (c->idle_count > 0)
        curl_easy_cleanup(c->idle[--c->idle_count]);
    curl_multi_cleanup(c->multi); /* closes the connections, which ends the last watchers */
    while (c->watchers > 0) {
        (void)cheng_event_wait(&c->work);
        cheng_event_clear(&c->work);
    }
    return 0;
}

static void driver_ended(cheng_task *driver, int status, void *context)
{
    struct client *c = (struct client *)context;
    (void)driver;
    c->error = status;
    cheng_event_set(&c->begun);
}

/* Returns once it runs: who waits for what it does must not wait in vain. */
static int start_driver(struct client *c)
{
    int rc = cheng_start(&c->driver, CHENG_COROUTINE, drive, &c, sizeof(struct client *),
                         &(cheng_task_options){ .name = "http driver", .stack_size = DRIVER_STACK });
    if (rc < 0)
        return rc;
    c->end = (cheng_link){ .call = driver_ended, .context = c };
    cheng_task_link(c->driver, &c->end);
    rc = cheng_event_wait(&c->begun);
    if (rc == 0)
        rc = c->error;
    if (rc < 0)
        cheng_task_free(c->driver);
    return rc;
}

static int client_init(struct client *c, unsigned in_flight, unsigned per_host)
{
    struct rlimit limit = { 0, 0 };
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    c->slots = (cheng_semaphore)CHENG_SEMAPHORE(in_flight);
    c->fresh_end = &c->fresh;
    c->spot_count = limit.rlim_cur < SPOTS_MOST ? limit.rlim_cur : SPOTS_MOST;
    c->spots = calloc(c->spot_count, sizeof *c->spots);
    c->idle = calloc(in_flight, sizeof(CURL *));
    c->multi = curl_multi_init();
    if (c->spots == NULL || c->idle == NULL || c->multi == NULL)
        return -ENOMEM;
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)in_flight);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)per_host);
    return start_driver(c);
}

static void client_discard(struct client *c)
{
    free(c->spots);
    free(c->idle);
    free(c);
    curl_global_cleanup();
}

int client_new(struct client **out, unsigned in_flight, unsigned per_host)
{
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(c);
        return -ENOMEM;
    }
    int rc = client_init(c, in_flight, per_host);
    if (rc < 0) {
        curl_multi_cleanup(c->multi);
        client_discard(c);
        return rc;
    }
    *out = c;
    return 0;
}

void client_fetch(struct client *c, struct transfer *t)
{
    t->done = (cheng_event){ 0, 0 };
    t->next = NULL;
    cheng_shield(true); /* the transfer is on the caller's stack: even who is cancelled waits for its end */
    cheng_semaphore_acquire(&c->slots);
    CHENG_WITH(&c->lock) {
        *c->fresh_end = t;
        c->fresh_end = &t->next;
    }
    cheng_event_set(&c->work);
    cheng_event_wait(&t->done);
    cheng_semaphore_release(&c->slots, 1);
    cheng_shield(false);
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    c->ending = true;
    cheng_event_set(&c->work);
    cheng_join(c->driver, NULL);
    cheng_task_free(c->driver);
    client_discard(c);
}
