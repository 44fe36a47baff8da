#include "run/watchdog.h"

#include <cheng/incident.h>

#include <errno.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/incident.h"
#include "host/host.h"
#include "host/latch.h"
#include "run/upcalls.h"
#include "run/worker.h"

enum { LOOKS = 4, HOGS = 16 }; /* looks in one limit; hogs told of at one look */
enum { TRIES = 1000 };         /* for a latch whose holder a debugger may have stopped */

static struct {
    struct latch latch;
    struct link workers; /* all that there are */
    bool runs;           /* there is a thread */
    int64_t limit_ns;    /* 0: it ends */
    uint32_t news;       /* counts changes of the limit; the thread sleeps on it */
} dog;

void chengi_watchdog_enter(struct worker *worker)
{
    chengi_latch_acquire(&dog.latch);
    if (dog.workers.next == NULL)
        chengi_list_init(&dog.workers);
    chengi_list_push_back(&dog.workers, &worker->watched.link);
    chengi_latch_release(&dog.latch);
}

void chengi_watchdog_leave(struct worker *worker)
{
    chengi_latch_acquire(&dog.latch);
    chengi_list_remove(&worker->watched.link);
    chengi_latch_release(&dog.latch);
}

unsigned chengi_watchdog_running(struct cheng_task **out, unsigned room)
{
    unsigned count = 0, tries = TRIES;
    while (!chengi_latch_try(&dog.latch)) {
        if (--tries == 0)
            return 0;
        chengi_host_relax();
    }
    for (struct link *link = dog.workers.next; link != NULL && link != &dog.workers && count < room;
         link = link->next)
        out[count++] = (struct cheng_task *)(void *)load_relaxed(
            CHENGI_CONTAINER(link, struct worker, watched.link)->watched.self);
    chengi_latch_release(&dog.latch);
    return count;
}

bool chengi_watchdog_all_sleep(void)
{
    bool all = true;
    chengi_latch_acquire(&dog.latch);
    for (struct link *link = dog.workers.next; link != NULL && link != &dog.workers && all;
         link = link->next) {
        struct worker *worker = CHENGI_CONTAINER(link, struct worker, watched.link);
        all = load_relaxed(&worker->sleeping) && !worker->watched.loop; /* stale: the second look sees it */
    }
    chengi_latch_release(&dog.latch);
    return all;
}

bool chengi_watchdog_is_root(const struct cheng_task *task)
{
    bool found = false;
    chengi_latch_acquire(&dog.latch);
    for (struct link *link = dog.workers.next; link != NULL && link != &dog.workers && !found;
         link = link->next)
        found = load_relaxed(&CHENGI_CONTAINER(link, struct worker, watched.link)->root) == task;
    chengi_latch_release(&dog.latch);
    return found;
}

struct hog {
    struct cheng_task *task;
    int64_t ns;
};

/* Whether its task has gone on for too long; once for each such time. With the latch. */
static bool hogs(struct worker *worker, int64_t now, struct hog *hog)
{
    struct watched *watched = &worker->watched;
    uint32_t tick = load_relaxed(&worker->tick); /* relaxed: what is seen late is seen at the next look */
    if (tick != watched->tick || load_relaxed(&worker->sleeping)) {
        watched->tick = tick;
        watched->since_ns = now;
        watched->told = false;
        return false;
    }
    struct cheng_task *task = (struct cheng_task *)(void *)load_acquire(watched->self);
    if (watched->told || now - watched->since_ns < dog.limit_ns || task == NULL || task == worker->root)
        return false; /* the root: it is about to go on with another */
    watched->told = true;
    *hog = (struct hog){ task, now - watched->since_ns };
    return true;
}

static unsigned look(struct hog *found)
{
    unsigned count = 0;
    int64_t now = chengi_host_now();
    for (struct link *link = dog.workers.next; link != &dog.workers && count < HOGS; link = link->next)
        count += hogs(CHENGI_CONTAINER(link, struct worker, watched.link), now, &found[count]);
    return count;
}

static void tell(const struct hog *hog)
{
    char text[160], name[CHENG_NAME_SIZE];
    chengi_runner_copy_name(hog->task, name); /* it may end any time, and its slot be another's */
    snprintf(text, sizeof text, "%s has run for %lld ms without letting others run\n", name,
             (long long)(hog->ns / 1000000));
    chengi_incident(CHENG_HOG, -EBUSY, hog->task, text);
}

static void *watchdog_main(void *unused)
{
    struct hog found[HOGS];
    (void)unused;
    chengi_host_enter_own_thread("cheng-watchdog");
    chengi_latch_acquire(&dog.latch);
    while (dog.limit_ns != 0) {
        unsigned count = dog.workers.next == NULL ? 0 : look(found);
        uint32_t news = dog.news;
        int64_t limit = dog.limit_ns;
        chengi_latch_release(&dog.latch);
        for (unsigned i = 0; i < count; i++)
            tell(&found[i]);
        chengi_watch_sleep(chengi_host_now());
        chengi_host_wait(&dog.news, news, chengi_host_now() + limit / LOOKS, false);
        chengi_latch_acquire(&dog.latch);
    }
    dog.runs = false;
    chengi_latch_release(&dog.latch);
    return NULL;
}

int cheng_watch(cheng_duration limit)
{
    int rc = 0;
    if (limit < 0)
        return -EINVAL;
    chengi_latch_acquire(&dog.latch);
    dog.limit_ns = limit != 0 && limit < CHENG_MILLISECOND ? CHENG_MILLISECOND : limit;
    store_relaxed(&dog.news, dog.news + 1); /* the latch orders */
    if (limit != 0 && !dog.runs) {
        rc = chengi_host_start(watchdog_main, NULL, 0);
        dog.runs = rc == 0;
    }
    chengi_latch_release(&dog.latch);
    chengi_host_wake(&dog.news, 1, false);
    return rc;
}

void chengi_watchdog_after_fork(void)
{
    dog.latch = (struct latch){ 0 };
    dog.workers.next = NULL;
    dog.runs = false;
    dog.limit_ns = 0;
}
