/* What the user sees, and db.txt. Everything here is called by the main task only. */
#ifndef FETCH_REPORT_H
#define FETCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "page.h"

/* What became of a page: an item of the queue from the workers to the main task. */
struct outcome {
    const char *url;
    uint64_t bytes, words;
    unsigned links;
    double seconds;
    char title[PAGE_TITLE];
    char error[256]; /* "": none */
};

struct report {
    size_t expected, fetched, failed;
    uint64_t bytes, words, links;
    double sum; /* of the seconds that the pages took */
    uint64_t most_words;
    char longest[PAGE_TITLE];
    FILE *db; /* NULL: could not be written, which was said */
    bool trouble;
    bool bar; /* stdout is a terminal */
    int64_t drawn_ns;
};

/* db.txt is opened in `dir` ("" if it could not be had: then it is not written; NULL: the working directory). */
void report_begin(struct report *report, size_t expected, const char *dir);

/* One page is done: its line in db.txt, or its error's on stderr; the bar. */
void report_page(struct report *report, const struct outcome *outcome);

/* A line on stderr, after which the exit status will be 1. */
void report_trouble(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The table. `delay`: the seconds that each page takes at least, 0 if that is not known. Returns the exit status. */
int report_end(struct report *report, double seconds, double delay);

#endif
