#include "task/offload.h"

#include <cheng/task.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/list.h"
#include "host/host.h"
#include "host/latch.h"
#include "park/park.h"
#include "run/runner.h"

enum { HELPERS_MOST = 64 };
static const int64_t idle_ns = 2000000000;

/* Lies on the waiting coroutine's stack until it is done. */
struct job {
    struct link link;
    cheng_fn *function;
    const void *argument;
    void *result;
    int status;
    /* DONE: set by the helper, its last touch but for the wake. LEFT: by a caller that does not wait for it any
     * more; who sets the second of the two frees a job of copies */
    uint32_t done;
};

enum { DONE = 1, LEFT = 2 };

static struct {
    struct latch latch;
    struct link jobs;
    unsigned helpers, idle, queued;
    uint32_t news; /* counts jobs; idle helpers park on it */
} office;

static struct job *take_job(void)
{
    struct link *link = office.jobs.next == NULL ? NULL : chengi_list_pop_front(&office.jobs);
    if (link == NULL)
        return NULL;
    office.queued--;
    return CHENGI_CONTAINER(link, struct job, link);
}

static void perform(struct job *job)
{
    job->status = job->function(job->argument, job->result);
    uint32_t *done = &job->done;
    /* release: partner is the acquire of the caller. The job may be gone then; its address is a key */
    if (__atomic_fetch_or(done, DONE, __ATOMIC_ACQ_REL) & LEFT)
        free(job);
    else
        chengi_unpark(done, 1);
}

static int helper_main(const void *unused, void *unused_too)
{
    const struct why why = { CHENGI_WAIT_OFFLOAD, &office, NULL };
    int rc = 0;
    (void)unused, (void)unused_too;
    chengi_host_enter_own_thread("cheng-helper");
    chengi_latch_acquire(&office.latch);
    for (;;) {
        struct job *job = take_job();
        if (job == NULL && rc == -ETIMEDOUT)
            break;
        if (job == NULL) {
            uint32_t news = office.news;
            office.idle++;
            chengi_latch_release(&office.latch);
            rc = chengi_park(&office.news, news, chengi_host_now() + idle_ns, &why, 0);
            chengi_latch_acquire(&office.latch);
            office.idle--;
        } else {
            chengi_latch_release(&office.latch);
            perform(job);
            rc = 0;
            chengi_latch_acquire(&office.latch);
        }
    }
    office.helpers--;
    chengi_latch_release(&office.latch);
    return 0;
}

/* Queues the job and makes sure that somebody will do it. */
static int submit(struct job *job)
{
    int rc = 0;
    chengi_latch_acquire(&office.latch);
    if (office.jobs.next == NULL)
        chengi_list_init(&office.jobs);
    bool hire = office.idle <= office.queued && office.helpers < HELPERS_MOST;
    if (hire) {
        rc = chengi_runner_start_thread(helper_main, NULL);
        if (rc == 0)
            office.helpers++;
        else if (office.helpers > 0)
            rc = 0; /* the others will come to it */
    }
    if (rc == 0) {
        chengi_list_push_back(&office.jobs, &job->link);
        office.queued++;
        store_relaxed(&office.news, office.news + 1);
    }
    chengi_latch_release(&office.latch);
    if (rc == 0 && !hire)
        chengi_unpark(&office.news, 1);
    return rc;
}

int cheng_offload(cheng_fn *function, const void *arg, void *result)
{
    if (chengi_runner_self()->worker == NULL)
        return function(arg, result);
    const struct why why = { CHENGI_WAIT_OFFLOAD, NULL, NULL };
    struct job job = { .function = function, .argument = arg, .result = result };
    int rc = submit(&job);
    if (rc < 0)
        return rc;
    while (!load_acquire(&job.done)) /* partner: the release in perform */
        chengi_park(&job.done, 0, 0, &why, CHENGI_PARK_UNCANCELLABLE);
    return job.status;
}

int chengi_offload_copies(cheng_fn *function, const void *arg, size_t arg_size, void *result,
                          size_t result_size, cheng_deadline deadline)
{
    const struct why why = { CHENGI_WAIT_OFFLOAD, NULL, NULL };
    struct job *job = calloc(1, sizeof *job + result_size + arg_size);
    if (job == NULL)
        return -ENOMEM;
    job->function = function;
    job->result = job + 1;
    job->argument = memcpy((char *)(job + 1) + result_size, arg, arg_size);
    int rc = submit(job);
    if (rc < 0) {
        free(job);
        return rc;
    }
    while (rc == 0 && !load_acquire(&job->done)) /* partner: the release in perform */
        rc = chengi_park(&job->done, 0, deadline.at_ns, &why, 0);
    if (rc < 0 && !(__atomic_fetch_or(&job->done, LEFT, __ATOMIC_ACQ_REL) & DONE))
        return rc;
    rc = job->status;
    memcpy(result, job->result, result_size);
    free(job);
    return rc;
}

void chengi_offload_after_fork(void)
{
    office.latch = (struct latch){ 0 };
    office.jobs.next = NULL;
    office.helpers = office.idle = office.queued = 0;
}
