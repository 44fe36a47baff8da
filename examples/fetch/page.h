/* What a page says: its title, words and links, found while it arrives, in any pieces. */
#ifndef FETCH_PAGE_H
#define FETCH_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_TITLE = 64 };

/* All zero is a page of which nothing has come yet. */
struct page {
    uint64_t words;
    unsigned links;
    char title[PAGE_TITLE];

    /* where the parser is */
    unsigned char state, tag_length, title_length, matched, quote;
    bool in_word, in_title;
    char tag[8]; /* its first letters are enough to know it */
};

void page_feed(struct page *page, const char *html, size_t size);

#endif
