/* Pages as files: DIR/path/of/the/url. Each is written beside its place and renamed once it is complete, so that
 * what has a page's name is a whole page. */
#ifndef FETCH_STORE_H
#define FETCH_STORE_H

#include <stdbool.h>
#include <stddef.h>

struct store {
    int dir;      /* -1: pages are not stored */
    bool by_host; /* the pages are from several hosts, which get a directory each */
};

struct stored {
    int fd; /* -1: not begun */
    unsigned number;
};

/* Makes the directory, and those above it. 0 or a negative errno. */
int store_open(struct store *store, const char *dir);
void store_close(struct store *store);

/* Functions of one page, each 0 or a negative errno; `number` must be its own. They work on files only, which are
 * always ready, so they are allowed where nothing may block. A page that was not ended by store_keep has to be
 * ended by store_drop. */
struct stored store_page(unsigned number);
int store_write(const struct store *store, struct stored *page, const char *data, size_t size);
int store_keep(const struct store *store, struct stored *page, const char *url);
void store_drop(const struct store *store, struct stored *page);

#endif
