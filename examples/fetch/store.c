#include "store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PART_NAME = 48,
    FILE_NAME = 1024, /* not PATH_MAX: it lies on the stack of thousands of coroutines */
};

/* Makes the directories that `path` names, but for what follows its last slash. */
static int make_parents(int dir, const char *path)
{
    char part[FILE_NAME];
    if (strlen(path) >= sizeof part)
        return -ENAMETOOLONG;
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdirat(dir, part, 0777) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

int store_open(struct store *store, const char *dir)
{
    int rc = make_parents(AT_FDCWD, dir);
    if (rc == 0 && mkdir(dir, 0777) < 0 && errno != EEXIST)
        rc = -errno;
    if (rc < 0)
        return rc;
    store->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->dir < 0 || faccessat(store->dir, ".", W_OK | X_OK, AT_EACCESS) < 0) {
        rc = -errno;
        store_close(store);
    }
    return rc;
}

void store_close(struct store *store)
{
    if (store->dir >= 0)
        close(store->dir);
    store->dir = -1;
}

struct stored store_page(unsigned number)
{
    return (struct stored){ .fd = -1, .number = number };
}

static void part_name(char name[PART_NAME], const struct stored *page)
{
    snprintf(name, PART_NAME, ".fetch-%ld-%u.part", (long)getpid(), page->number);
}

static int begin(const struct store *store, struct stored *page)
{
    char name[PART_NAME];
    part_name(name, page);
    page->fd = openat(store->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return page->fd < 0 ? -errno : 0;
}

int store_write(const struct store *store, struct stored *page, const char *data, size_t size)
{
    if (store->dir < 0)
        return 0;
    int rc = page->fd < 0 ? begin(store, page) : 0;
    while (rc == 0 && size > 0) {
        ssize_t n = write(page->fd, data, size);
        if (n >= 0) {
            data += n;
            size -= (size_t)n;
        } else if (errno != EINTR) {
            rc = -errno;
        }
    }
    return rc;
}

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* One segment of the URL's path, until a slash or the end. What %-codes stand for is put in their place, but
 * nothing that would be another segment, end the name or be seen as a command by a terminal. */
static char *put_segment(char *to, const char *limit, const char *from, const char *end)
{
    char *start = to;
    while (from < end && to < limit) {
        int byte = (unsigned char)*from++;
        if (byte == '%' && end - from >= 2 && hex(from[0]) >= 0 && hex(from[1]) >= 0) {
            byte = hex(from[0]) * 16 + hex(from[1]);
            if (byte == '/' || iscntrl(byte))
                byte = '%'; /* stays a code */
            else
                from += 2;
        }
        *to++ = iscntrl(byte) ? '_' : (char)byte;
    }
    if (to - start == 1 && start[0] == '.')
        return start;
    if (to - start == 2 && start[0] == '.' && start[1] == '.') /* would leave the directory */
        start[0] = start[1] = '_';
    return to;
}

/* http://host:80/a//b%20c/?q=1#top becomes a/b c/index.html?q=1, below host:80 when there are several hosts. */
static int file_name(char *name, size_t room, const char *url, bool by_host)
{
    const char *host = strstr(url, "://"), *at = host == NULL ? url : host + 3;
    const char *path = at + strcspn(at, "/?#"), *end = path + strcspn(path, "#");
    const char *query = path + strcspn(path, "?#"), *limit = name + room - sizeof "/index.html";
    char *to = name;
    if (by_host) {
        to = put_segment(to, limit, at, path);
        *to++ = '/';
    }
    for (at = path; at < query;) {
        const char *next = at + strcspn(at, "/?#");
        char *before = to;
        to = put_segment(to, limit, at, next);
        if (next == query)
            break;
        if (to > before && to < limit)
            *to++ = '/';
        at = next + 1;
    }
    if (to == name || to[-1] == '/')
        to = stpcpy(to, "index.html");
    for (at = query; at < end && to < limit; at++) /* its slashes would be directories */
        *to++ = (char)(*at == '/' || iscntrl((unsigned char)*at) ? '_' : *at);
    *to = '\0';
    if (strcmp(name, "db.txt") == 0) /* is there already, and no page */
        to = stpcpy(to, "_");
    return to < limit ? 0 : -ENAMETOOLONG;
}

int store_keep(const struct store *store, struct stored *page, const char *url)
{
    char name[FILE_NAME], part[PART_NAME];
    if (store->dir < 0)
        return 0;
    int rc = page->fd < 0 ? begin(store, page) : 0; /* an empty page is a page */
    if (rc == 0)
        rc = file_name(name, sizeof name, url, store->by_host);
    if (rc < 0)
        return rc;
    part_name(part, page);
    rc = close(page->fd) < 0 ? -errno : 0; /* network file systems tell of a full disk here */
    page->fd = -1;
    if (rc == 0 && renameat(store->dir, part, store->dir, name) < 0) {
        rc = errno == ENOENT ? make_parents(store->dir, name) : -errno;
        if (rc == 0 && renameat(store->dir, part, store->dir, name) < 0)
            rc = -errno;
    }
    if (rc < 0)
        unlinkat(store->dir, part, 0);
    return rc;
}

void store_drop(const struct store *store, struct stored *page)
{
    char part[PART_NAME];
    if (page->fd < 0)
        return;
    part_name(part, page);
    close(page->fd);
    page->fd = -1;
    unlinkat(store->dir, part, 0);
}
