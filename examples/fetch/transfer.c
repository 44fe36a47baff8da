/* The HTTP of a transfer: how libcurl is set up for it, what it brings, and how its errors are said. */
#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_SECONDS = 30,
    SILENT_SECONDS = 30, /* a connection that brings nothing for so long is given up */
    REDIRECTS = 10,
    BUFFER = 16 << 10 /* each connection has one */
};

static void read_head(struct transfer *t)
{
    const char *type = NULL;
    curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &t->status);
    curl_easy_getinfo(t->handle, CURLINFO_CONTENT_TYPE, &type);
    t->is_text = type == NULL || strncasecmp(type, "text/", 5) == 0 || strcasestr(type, "html") != NULL;
}

static size_t on_data(char *data, size_t one, size_t size, void *context)
{
    struct transfer *t = (struct transfer *)context;
    (void)one;
    if (t->status == 0)
        read_head(t);
    return t->status >= 400 || t->receive(t->context, t, data, size) == 0 ? size : 0;
}

_Static_assert(sizeof(((struct transfer *)0)->error) >= CURL_ERROR_SIZE, "libcurl writes there");

/* What stays the same when a handle is used again. */
CURL *transfer_handle(void)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SILENT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "cheng-fetch");
    const char *authorities = getenv("CURL_CA_BUNDLE");
    if (authorities != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    return easy;
}

void transfer_prepare(struct transfer *t, CURL *easy)
{
    bool local = strncmp(t->url, "http://127.0.0.1:", 17) == 0; /* where no proxy would find it */
    t->handle = easy;
    t->status = 0;
    t->error[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_PROXY, local ? "" : NULL);
    curl_easy_setopt(easy, CURLOPT_URL, t->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
}

/* The commonest ends in plain words; the others in libcurl's own, which are there. */
static void explain(struct transfer *t, CURLcode code)
{
    CURL *easy = t->handle;
    long error = 0;
    curl_off_t got = 0, length = -1;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &got);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    char *to = t->error;
    size_t room = sizeof t->error;
    if (code == CURLE_OK && t->status >= 400)
        snprintf(to, room, "the server answered %ld", t->status);
    else if (code == CURLE_OK)
        to[0] = '\0';
    else if (code == CURLE_URL_MALFORMAT)
        snprintf(to, room, "bad URL");
    else if (code == CURLE_COULDNT_CONNECT)
        snprintf(to, room, "cannot connect: %s",
                 error != 0 ? strerror((int)error) : curl_easy_strerror(code));
    else if (code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING)
        snprintf(to, room,
                 length >= 0 ? "the connection was cut after %lld of %lld bytes"
                             : "the connection was cut after %lld bytes",
                 (long long)got, (long long)length);
    else if (to[0] == '\0')
        snprintf(to, room, "%s", curl_easy_strerror(code));
}

void transfer_finish(struct transfer *t, CURLcode code)
{
    if (t->status == 0)
        read_head(t); /* there was no data */
    curl_easy_getinfo(t->handle, CURLINFO_TOTAL_TIME, &t->seconds);
    explain(t, code);
}
