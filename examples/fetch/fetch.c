#include "fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"

enum { OUTCOMES = 64, THREAD_STACK = 256 << 10 };

/* What the workers share. */
struct shared {
    const struct job *job;
    struct client *client;
    cheng_queue *numbers;  /* of the pages that nobody has begun; closed from the start */
    cheng_queue *outcomes; /* to the main task; closed by the last worker */
    unsigned working;      /* atomic: workers that have not ended, and who starts them */
};

struct worker {
    cheng_task *task;
    cheng_link end;
};

/* A page that is on its way. */
struct arrival {
    struct page page;
    struct stored file;
    const struct store *store;
    uint64_t bytes;
    int error;
};

/* In the client's driver, while the worker waits. */
static int receive(void *context, const struct transfer *transfer, const char *data, size_t size)
{
    struct arrival *a = (struct arrival *)context;
    a->bytes += size;
    if (transfer->is_text)
        page_feed(&a->page, data, size);
    return a->error = store_write(a->store, &a->file, data, size);
}

static bool is_url(const char *url)
{
    const char *host = strncasecmp(url, "http://", 7) == 0    ? url + 7
                       : strncasecmp(url, "https://", 8) == 0 ? url + 8
                                                              : NULL;
    return host != NULL && strcspn(host, "/?#") > 0;
}

static void fetch_page(const struct shared *shared, size_t number, struct outcome *outcome)
{
    const struct store *store = shared->job->store;
    struct arrival a = { .store = store, .file = store_page((unsigned)number) };
    struct transfer t = { .url = outcome->url, .receive = receive, .context = &a };
    if (!is_url(outcome->url)) {
        snprintf(outcome->error, sizeof outcome->error, "bad URL: not http:// or https:// and a host");
        return;
    }
    client_fetch(shared->client, &t);
    if (a.error == 0 && t.error[0] == '\0')
        a.error = store_keep(store, &a.file, outcome->url);
    if (a.error != 0)
        snprintf(outcome->error, sizeof outcome->error, "cannot be stored: %s", strerror(-a.error));
    else
        memcpy(outcome->error, t.error, sizeof outcome->error);
    store_drop(store, &a.file); /* what was not kept */
    outcome->bytes = a.bytes;
    outcome->words = a.page.words;
    outcome->links = a.page.links;
    outcome->seconds = t.seconds;
    memcpy(outcome->title, a.page.title, sizeof outcome->title);
}

/* Thread or coroutine: nothing here can tell. */
static int work(const void *arg, void *result)
{
    const struct shared *shared = *(const struct shared *const *)arg;
    size_t number;
    int rc = 0;
    (void)result;
    while (rc == 0 && cheng_queue_get(shared->numbers, &number) == 0) {
        struct outcome outcome = { .url = shared->job->urls[number] };
        fetch_page(shared, number, &outcome);
        rc = cheng_queue_put(shared->outcomes, &outcome);
    }
    return rc;
}

static void leave(struct shared *shared)
{
    if (__atomic_sub_fetch(&shared->working, 1, __ATOMIC_ACQ_REL) == 0)
        cheng_queue_close(shared->outcomes);
}

/* Also of a coroutine that got no stack, and has done nothing. */
static void worker_ended(cheng_task *task, int status, void *context)
{
    (void)task;
    (void)status;
    leave((struct shared *)context);
}

/* Starts as many workers as the system gives; one is enough to go on. */
static size_t start_workers(struct shared *shared, struct worker *workers)
{
    const struct job *job = shared->job;
    cheng_task_options options = { .stack_size = job->kind == CHENG_THREAD ? THREAD_STACK : 0 };
    size_t n;
    __atomic_store_n(&shared->working, 1, __ATOMIC_RELAXED); /* nobody else is there yet */
    for (n = 0; n < job->workers; n++) {
        struct worker *w = &workers[n];
        int rc = cheng_start(&w->task, job->kind, work, &shared, sizeof(struct shared *), &options);
        if (rc < 0) {
            report_trouble(job->report, "only %zu of %u workers could be started: %s", n, job->workers,
                           cheng_strerror(rc));
            break;
        }
        __atomic_add_fetch(&shared->working, 1, __ATOMIC_RELAXED); /* not yet linked, so it has not left */
        w->end = (cheng_link){ .call = worker_ended, .context = shared };
        cheng_task_link(w->task, &w->end);
    }
    leave(shared);
    return n;
}

static int run_workers(struct shared *shared)
{
    const struct job *job = shared->job;
    struct outcome outcome;
    struct worker *workers = calloc(job->workers, sizeof *workers);
    size_t n = workers == NULL ? 0 : start_workers(shared, workers);
    int rc = n == 0 ? -ENOMEM : 0;
    for (size_t done = 0; rc == 0 && done < job->count; done++) {
        rc = cheng_queue_get(shared->outcomes, &outcome);
        if (rc == 0)
            report_page(job->report, &outcome);
    }
    while (n > 0) {
        cheng_join(workers[--n].task, NULL);
        cheng_task_free(workers[n].task);
    }
    free(workers);
    return rc == -EPIPE ? -ENOMEM : rc; /* closed too early: no worker got a stack */
}

static int fill(cheng_queue *numbers, size_t count)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = cheng_queue_put(numbers, &i); /* has room for all */
    cheng_queue_close(numbers);
    return rc;
}

int fetch_all(const struct job *job)
{
    struct shared shared = { .job = job };
    int rc =
        cheng_queue_new(&shared.numbers, sizeof(size_t), &(cheng_queue_options){ .capacity = job->count });
    if (rc == 0)
        rc = cheng_queue_new(&shared.outcomes, sizeof(struct outcome),
                             &(cheng_queue_options){ .capacity = OUTCOMES });
    if (rc == 0)
        rc = client_new(&shared.client, job->in_flight, job->per_host);
    if (rc == 0)
        rc = fill(shared.numbers, job->count);
    if (rc == 0)
        rc = run_workers(&shared);
    client_free(shared.client);
    cheng_queue_free(shared.outcomes);
    cheng_queue_free(shared.numbers);
    return rc;
}
