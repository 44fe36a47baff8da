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
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        const char *host = strstr(urls[i], "://");
        size_t length = host == NULL ? 0 : (size_t)(host + 3 - urls[i]) + strcspn(host + 3, "/?#");
        if (i == 0)
            first = length;
        else if (length != first || strncmp(urls[0], urls[i], length) != 0)
            return true;
    }
    return false;
}

/* The server's URLs, or NULL. */
static char **server_urls(const struct server *server, size_t count)
{
    char **urls = calloc(count, sizeof(char *));
    for (size_t i = 0; urls != NULL && i < count; i++)
        if ((urls[i] = server_url(server, i)) == NULL)
            return NULL; /* the program ends */
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

    struct job job = { options->kind, options->workers, options->in_flight, urls, options->pages,
                       &store,        &report };
    const struct job *shared = &job;
    int64_t start = cheng_clock_ns();
    rc = cheng_run(&status, main_task, &shared, sizeof(const struct job *));
    double seconds = (double)(cheng_clock_ns() - start) / 1e9;
    if (rc < 0 || status < 0)
        report_trouble(&report, "%s", cheng_strerror(rc < 0 ? rc : status));
    store_close(&store);
    return report_end(&report, seconds, options->urls == NULL ? SERVER_DELAY_MS / 1e3 : 0);
}

int main(int argc, char **argv)
{
    struct options options;
    struct server *server = NULL;
    int status = options_parse(&options, argc, argv);
    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN); /* a closed connection is an error of one page, not the end of all */

    char **urls = options.urls;
    if (urls == NULL) {
        int rc = server_start(&server);
        if (rc < 0)
            return fprintf(stderr, "fetch: the built-in server: %s\n",
                           rc == -ENOENT ? "no texts to serve (sources, or *.txt here)" : cheng_strerror(rc)),
                   1;
        urls = server_urls(server, options.pages);
        if (urls == NULL)
            return fprintf(stderr, "fetch: %s\n", cheng_strerror(-ENOMEM)), 1;
    }
    status = run(&options, urls);
    server_stop(server);
    if (urls != options.urls) {
        for (unsigned i = 0; i < options.pages; i++)
            free(urls[i]);
        free(urls);
    }
    return status;
}
