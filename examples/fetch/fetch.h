/* The job itself: workers fetch pages, the main task hears of each. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include <cheng.h>

#include "report.h"
#include "store.h"

struct job {
    enum cheng_kind kind;
    unsigned workers, in_flight, per_host; /* options.h */
    char **urls;
    size_t count;
    struct store *store;
    struct report *report;
};

/* By a coroutine of cheng_run, the main task. Calls report_page for each page, as they come. 0 or a negative errno
 * when the work could not begin; what befalls single pages is told to the report. */
int fetch_all(const struct job *job);

#endif
