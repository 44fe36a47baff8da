/* The built-in server's texts: real files, made to HTML. */
#ifndef FETCH_CORPUS_H
#define FETCH_CORPUS_H

#include <stddef.h>

struct document {
    char *name; /* "src/task/task.c": letters, digits and ._-/ only */
    char *html; /* the file, escaped; not ended by 0 */
    size_t size;
};

struct corpus {
    struct document *documents; /* sorted by name */
    size_t count;
};

/* Reads the project's sources, or, if they are no longer where this program was built, what text lies beside the
 * program or in the working directory. 0, -ENOENT when there is none, or -ENOMEM. */
int corpus_load(struct corpus *corpus);
void corpus_free(struct corpus *corpus);

/* NULL: no such document. */
const struct document *corpus_find(const struct corpus *corpus, const char *name);

#endif
