/* fetch: many pages at the same time, by threads or by coroutines.
 *
 *   main.c     puts the parts together   client.c, transfer.c  HTTP: libcurl's work, Cheng's waits
 *   options.c  the command line          page.c                finds title, words and links
 *   fetch.c    workers, queues           store.c               pages as files
 *   report.c   bar, table, db.txt        server.c, corpus.c    the built-in server and its pages
 *
 * The main thread becomes a runtime of one worker (cheng_run) with the main task, the HTTP client and, when
 * --kind says so, the coroutines that fetch; with --kind thread these are threads, and nothing else changes. */
#include <cheng.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "options.h"
#include "report.h"
#include "server.h"
#include "store.h"

static int main_task(const void *arg, void *result)
{
    const struct job *job = *(const struct job *const *)arg;
    (void)result;
    return fetch_all(job);
}

static bool several_hosts(char **urls, size_t count)
{
    const char *first = NULL;
    size_t first_length = 0;
    for (size_t i = 0; i < count; i++) {
        const char *host = strstr(urls[i], "://");
        size_t length = host == NULL ? 0 : (size_t)(host + 3 - urls[i]) + strcspn(host + 3, "/?#");
        if (length == 0)
            continue; /* no URL: that will be said */
        if (first == NULL) {
            first = urls[i];
            first_length = length;
        } else if (length != first_length || strncmp(first, urls[i], length) != 0) {
            return true;
        }
    }
    return false;
}

static void free_urls(char **urls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(urls[i]);
    free(urls);
}

/* The server's; NULL: no memory. */
static char **make_urls(const struct server *server, size_t count)
{
    char **urls = calloc(count, sizeof(char *));
    for (size_t i = 0; urls != NULL && i < count; i++) {
        urls[i] = server_url(server, i);
        if (urls[i] == NULL) {
            free_urls(urls, i);
            urls = NULL;
        }
    }
    return urls;
}

static int run(const struct options *options, char **urls)
{
    struct report report;
    struct store store = { .dir = -1, .by_host = several_hosts(urls, options->pages) };
    int status = 0, rc = options->out == NULL ? 0 : store_open(&store, options->out);
    report_begin(&report, options->pages, rc < 0 ? "" : options->out);
    if (rc < 0)
        report_trouble(&report, "%s: cannot be written, nothing is stored: %s", options->out, strerror(-rc));

    struct job job = {
        .kind = options->kind,
        .workers = options->workers,
        .in_flight = options->in_flight,
        .per_host = options->per_host,
        .urls = urls,
        .count = options->pages,
        .store = &store,
        .report = &report,
    };
    const struct job *shared = &job;
    int64_t start = cheng_clock_ns();
    rc = cheng_run(&status, main_task, &shared, sizeof(const struct job *));
    double seconds = (double)(cheng_clock_ns() - start) / 1e9;
    if (rc < 0 || status < 0)
        report_trouble(&report, "%s", cheng_strerror(rc < 0 ? rc : status));
    store_close(&store);
    return report_end(&report, seconds, options->urls == NULL ? SERVER_DELAY_MS / 1e3 : 0);
}

/* With the built-in server. */
static int run_alone(const struct options *options)
{
    struct server *server;
    int status = 1, rc = server_start(&server);
    if (rc < 0) {
        fprintf(stderr, "fetch: the built-in server: %s\n",
                rc == -ENOENT ? "no texts to serve, neither sources nor *.txt here" : cheng_strerror(rc));
        return 1;
    }
    char **urls = make_urls(server, options->pages);
    if (urls != NULL) {
        status = run(options, urls);
        free_urls(urls, options->pages);
    } else {
        fprintf(stderr, "fetch: %s\n", cheng_strerror(-ENOMEM));
    }
    server_stop(server);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    int status = options_parse(&options, argc, argv);
    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN); /* a closed connection is an error of one page, not the end of all */
    return options.urls == NULL ? run_alone(&options) : run(&options, options.urls);
}
