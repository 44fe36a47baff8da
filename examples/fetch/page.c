/* A small reading of HTML, as a state machine that can stop at any byte: a page need not fit in memory.
 * It knows comments, quoted attributes, and that script and style hold no words. */
#include "page.h"

#include <ctype.h>
#include <string.h>

enum state {
    TEXT,
    OPENED,  /* after < */
    NAME,    /* in a tag's name */
    INSIDE,  /* between its attributes */
    VALUE,   /* in a quoted value */
    COMMENT, /* until --> */
    RAW,     /* in script or style: until their end tag */
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void title_add(struct page *p, char c)
{
    if (is_space(c))
        c = ' ';
    if (iscntrl((unsigned char)c)) /* it will be printed on a terminal */
        return;
    if (c == ' ' && (p->title_length == 0 || p->title[p->title_length - 1] == ' '))
        return;
    if (p->title_length < PAGE_TITLE - 1)
        p->title[p->title_length++] = c;
}

/* Most bytes of a page are here. */
static const char *text(struct page *p, const char *at, const char *end)
{
    uint64_t words = 0;
    bool in_word = p->in_word;
    const char *from = at;
    for (; at < end && *at != '<'; at++) {
        bool word = !is_space(*at);
        words += word && !in_word;
        in_word = word;
    }
    p->words += words;
    p->in_word = in_word;
    if (p->in_title)
        for (; from < at; from++)
            title_add(p, *from);
    return at;
}

static bool tag_is(const struct page *p, const char *name)
{
    return p->tag_length == strlen(name) && memcmp(p->tag, name, p->tag_length) == 0;
}

static void tag_ends(struct page *p)
{
    p->in_word = false;
    p->state = TEXT;
    if (tag_is(p, "title"))
        p->in_title = p->title_length == 0; /* drawings have titles, too: the first counts */
    else if (tag_is(p, "/title"))
        p->in_title = false;
    else if (tag_is(p, "script") || tag_is(p, "style"))
        p->state = RAW;
    p->matched = 0;
}

/* Moves on in `pattern` when c is its next letter. True at its end. */
static bool match(struct page *p, const char *pattern, char c)
{
    char lower = (char)tolower((unsigned char)c);
    p->matched = lower == pattern[p->matched] ? p->matched + 1 : lower == pattern[0];
    return pattern[p->matched] == '\0';
}

static void inside(struct page *p, char c)
{
    if (c == '>')
        tag_ends(p);
    else if (c == '"' || c == '\'') {
        p->quote = (unsigned char)c;
        p->state = VALUE;
    } else if (tag_is(p, "a") && match(p, " href=", is_space(c) ? ' ' : c)) {
        p->links++;
        p->matched = 0;
    }
}

static void name(struct page *p, char c)
{
    if (c == '>' || is_space(c)) {
        p->state = INSIDE;
        p->matched = 0;
        inside(p, c);
    } else if (p->tag_length < sizeof p->tag) {
        p->tag[p->tag_length++] = (char)tolower((unsigned char)c);
        if (p->tag_length == 3 && memcmp(p->tag, "!--", 3) == 0) {
            p->state = COMMENT;
            p->matched = 0;
        }
    }
}

static void opened(struct page *p, char c)
{
    if (isalpha((unsigned char)c) || c == '/' || c == '!' || c == '?') {
        p->state = NAME;
        p->tag_length = 0;
        name(p, c);
    } else { /* "a < b" */
        p->state = TEXT;
        p->words += !p->in_word;
        p->in_word = !is_space(c);
    }
}

static void comment(struct page *p, char c)
{
    if (c == '-')
        p->matched = p->matched < 2 ? p->matched + 1 : 2;
    else if (c == '>' && p->matched == 2)
        p->state = TEXT;
    else
        p->matched = 0;
}

static void raw(struct page *p, char c)
{
    const char *end = p->tag[1] == 'c' ? "</script" : "</style";
    if (match(p, end, c)) {
        p->tag_length = 0; /* whatever stands before its > */
        p->state = INSIDE;
    }
}

void page_feed(struct page *p, const char *html, size_t size)
{
    for (const char *at = html, *end = html + size; at < end; at++) {
        switch ((enum state)p->state) {
        case TEXT:
            at = text(p, at, end);
            if (at == end)
                return;
            p->state = OPENED;
            break;
        case OPENED:
            opened(p, *at);
            break;
        case NAME:
            name(p, *at);
            break;
        case INSIDE:
            inside(p, *at);
            break;
        case VALUE:
            if ((unsigned char)*at == p->quote)
                p->state = INSIDE;
            break;
        case COMMENT:
            comment(p, *at);
            break;
        case RAW:
            raw(p, *at);
            break;
        }
    }
}
