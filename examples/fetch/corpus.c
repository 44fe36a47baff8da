#include "corpus.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 64 << 10, FILES_MOST = 1000, DEPTH_MOST = 8 };

static bool is_text(const char *name)
{
    static const char *const endings[] = { ".c", ".h", ".S", ".cpp", ".py", ".go", ".sh", ".md", ".txt" };
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && strcmp(name + length - n, endings[i]) == 0)
            return true;
    }
    return false;
}

/* What may stand in a URL as it is; hidden files, and what a build or fetch itself made, are left out. */
static bool is_wanted(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
            return false;
    static const char *const made[] = { "build", "CMakeFiles", "db.txt" };
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        if (strcmp(name, made[i]) == 0)
            return false;
    return name[0] != '.';
}

/* The letters that HTML gives a meaning. */
static size_t escape(char *to, const char *from, size_t size)
{
    char *start = to;
    for (size_t i = 0; i < size; i++) {
        switch (from[i]) {
        case '<':
            to = stpcpy(to, "&lt;");
            break;
        case '>':
            to = stpcpy(to, "&gt;");
            break;
        case '&':
            to = stpcpy(to, "&amp;");
            break;
        default:
            *to++ = from[i];
        }
    }
    return (size_t)(to - start);
}

static int add(struct corpus *corpus, const char *path, const char *name)
{
    static const size_t widest = sizeof "&amp;" - 1;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0; /* another will do */
    char *text = malloc(FILE_MOST);
    size_t size = text == NULL ? 0 : fread(text, 1, FILE_MOST, file);
    fclose(file);
    if (text != NULL && memchr(text, '\0', size) != NULL) { /* no text, whatever its name says */
        free(text);
        return 0;
    }
    char *html = malloc(size * widest + 1);
    struct document *documents = realloc(corpus->documents, (corpus->count + 1) * sizeof *documents);
    if (documents != NULL)
        corpus->documents = documents;
    char *copy = strdup(name);
    if (text == NULL || html == NULL || documents == NULL || copy == NULL) {
        free(text);
        free(html);
        free(copy);
        return -ENOMEM;
    }
    size = escape(html, text, size);
    free(text);
    char *smaller = realloc(html, size + 1);
    documents[corpus->count++] = (struct document){ copy, smaller != NULL ? smaller : html, size };
    return 0;
}

static int read_folder(struct corpus *corpus, const char *root, const char *below, int depth)
{
    char path[PATH_MAX], name[PATH_MAX];
    struct dirent *entry;
    struct stat status;
    int rc = 0;
    snprintf(path, sizeof path, "%s/%s", root, below);
    DIR *folder = depth > DEPTH_MOST ? NULL : opendir(path);
    while (rc == 0 && folder != NULL && corpus->count < FILES_MOST && (entry = readdir(folder)) != NULL) {
        if (!is_wanted(entry->d_name) ||
            snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", entry->d_name) >= PATH_MAX ||
            snprintf(path, sizeof path, "%s/%s", root, name) >= PATH_MAX || lstat(path, &status) < 0)
            continue;
        if (S_ISDIR(status.st_mode))
            rc = read_folder(corpus, root, name, depth + 1);
        else if (S_ISREG(status.st_mode) && is_text(name))
            rc = add(corpus, path, name);
    }
    if (folder != NULL)
        closedir(folder);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct document *)a)->name, ((const struct document *)b)->name);
}

int corpus_load(struct corpus *corpus)
{
    char beside[PATH_MAX] = ".";
    ssize_t n = readlink("/proc/self/exe", beside, sizeof beside - 1);
    if (n > 0) {
        beside[n] = '\0';
        *strrchr(beside, '/') = '\0';
    }
    const char *roots[] = { FETCH_SOURCES, beside, "." };
    int rc = 0;
    *corpus = (struct corpus){ NULL, 0 };
    for (size_t i = 0; rc == 0 && corpus->count == 0 && i < sizeof roots / sizeof roots[0]; i++)
        rc = read_folder(corpus, roots[i], "", 0);
    if (rc == 0 && corpus->count == 0)
        rc = -ENOENT;
    if (rc < 0)
        corpus_free(corpus);
    else
        qsort(corpus->documents, corpus->count, sizeof *corpus->documents, by_name);
    return rc;
}

void corpus_free(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++) {
        free(corpus->documents[i].name);
        free(corpus->documents[i].html);
    }
    free(corpus->documents);
    *corpus = (struct corpus){ NULL, 0 };
}

const struct document *corpus_find(const struct corpus *corpus, const char *name)
{
    struct document key = { (char *)(size_t)name, NULL, 0 };
    return corpus->count == 0 ? NULL : bsearch(&key, corpus->documents, corpus->count, sizeof key, by_name);
}
