#include "report.h"

#include <cheng.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 40, LABEL_WIDTH = 20, BIG_NUMBER = 32 };

static const int64_t redraw_ns = 50000000; /* a terminal may be slower than the network */

void report_begin(struct report *r, size_t expected, const char *dir)
{
    *r = (struct report){ .expected = expected, .bar = isatty(STDOUT_FILENO) };
    if (dir != NULL && *dir == '\0')
        return;
    char *path = NULL;
    if (asprintf(&path, "%s%sdb.txt", dir == NULL ? "" : dir, dir == NULL ? "" : "/") < 0 ||
        (r->db = fopen(path, "ae")) == NULL)
        report_trouble(r, "%s: cannot be written: %s", path == NULL ? "db.txt" : path, strerror(errno));
    free(path);
}

static void clear_bar(const struct report *r)
{
    if (r->bar) {
        fputs("\r\033[K", stdout);
        fflush(stdout);
    }
}

static void draw_bar(struct report *r)
{
    static const char full[BAR_WIDTH + 1] = "########################################";
    int64_t now = cheng_clock_ns();
    size_t done = r->fetched + r->failed;
    int width = (int)(done * BAR_WIDTH / r->expected);
    if (!r->bar || now - r->drawn_ns < redraw_ns)
        return;
    r->drawn_ns = now;
    printf("\r[%-*.*s] %zu of %zu pages, %.1f MB\033[K", BAR_WIDTH, width, full, done, r->expected,
           (double)r->bytes / 1e6);
    fflush(stdout);
}

void report_trouble(struct report *r, const char *format, ...)
{
    va_list arguments;
    clear_bar(r);
    r->drawn_ns = 0;
    r->trouble = true;
    va_start(arguments, format);
    fputs("fetch: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void report_page(struct report *r, const struct outcome *o)
{
    if (o->error[0] != '\0') {
        r->failed++;
        report_trouble(r, "%s: %s", o->url, o->error);
    } else {
        r->fetched++;
        r->bytes += o->bytes;
        r->words += o->words;
        r->links += o->links;
        r->sum += o->seconds;
        if (o->words > r->most_words) {
            r->most_words = o->words;
            memcpy(r->longest, o->title, sizeof r->longest);
        }
        if (r->db != NULL)
            fprintf(r->db, "url:<%s> size:[%" PRIu64 "]\n", o->url, o->bytes);
    }
    draw_bar(r);
}

/* 1234567 as 1,234,567. */
static const char *grouped(char text[BIG_NUMBER], uint64_t n)
{
    char *at = text + BIG_NUMBER - 1;
    *at = '\0';
    for (int digits = 0; digits == 0 || n > 0; digits++, n /= 10) {
        if (digits > 0 && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + n % 10);
    }
    return at;
}

static void row(const char *label, uint64_t n)
{
    char text[BIG_NUMBER];
    printf("%-*s%s\n", LABEL_WIDTH, label, grouped(text, n));
}

int report_end(struct report *r, double seconds, double delay)
{
    clear_bar(r);
    if (r->db != NULL) {
        bool failed = ferror(r->db);
        if (fclose(r->db) != 0 || failed)
            report_trouble(r, "db.txt: could not be written completely");
    }
    /* The sum of the pages' own times is too much: while many are under way, each also waits for the others. */
    double alone = delay > 0 ? delay * (double)r->fetched : r->sum;
    row("pages", r->fetched);
    if (r->failed > 0)
        row("failed", r->failed);
    row("bytes", r->bytes);
    row("words", r->words);
    row("links", r->links);
    if (r->longest[0] != '\0') {
        char text[BIG_NUMBER];
        printf("%-*s%s (%s words)\n", LABEL_WIDTH, "longest", r->longest, grouped(text, r->most_words));
    }
    printf("%-*s%.3f s\n", LABEL_WIDTH, "wall time", seconds);
    printf("%-*s%.1f s at %s\n", LABEL_WIDTH, "one after another", alone, delay > 0 ? "least" : "most");
    if (seconds > 0 && alone > 0)
        printf("%-*s%.0f times\n", LABEL_WIDTH, "speed-up", alone / seconds);
    if (fflush(stdout) != 0 || ferror(stdout))
        report_trouble(r, "the table could not be written");
    return r->trouble ? 1 : 0;
}
