#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus.h"

enum { REQUEST_MOST = 2048, PATH_MOST = 512, TOP_MOST = 1024 };

struct server {
    struct corpus corpus;
    cheng_task *thread;
    cheng_event decided; /* listener and port are set, or it failed */
    cheng_socket *listener;
    int port;
    int error;
};

/* ---- answers ---- */

/* `text` goes between `top` and the end of the page. */
static int answer(cheng_socket *client, const char *status, const char *top, const char *text, size_t size)
{
    static const char bottom[] = "</pre></body></html>\n";
    /* One piece, so that it leaves as one. It is held only while it is written: thousands of requests may be
     * waiting for their time meanwhile. */
    size_t room = size + TOP_MOST + 512, page = strlen(top) + size + sizeof bottom - 1;
    char *all = malloc(room);
    if (all == NULL)
        return -ENOMEM;
    int n = snprintf(all, room,
                     "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\n"
                     "Content-Length: %zu\r\n\r\n%s%.*s%s",
                     status, page, top, (int)size, text, bottom);
    int rc = cheng_socket_write(client, all, (size_t)n);
    free(all);
    return rc;
}

static int answer_error(cheng_socket *client, const char *status)
{
    return answer(client, status, "<!DOCTYPE html>\n<html><head><title>Error</title></head><body><pre>",
                  status, strlen(status));
}

/* src/base/error.c, and 7/src/base/error.c when the documents come for the seventh time. */
static const struct document *find(const struct corpus *corpus, const char *name)
{
    const struct document *d = corpus_find(corpus, name);
    size_t digits = strspn(name, "0123456789");
    return d == NULL && digits > 0 && name[digits] == '/' ? corpus_find(corpus, name + digits + 1) : d;
}

static int answer_page(const struct server *server, cheng_socket *client, const char *path)
{
    char top[TOP_MOST];
    const struct document *d = find(&server->corpus, path + 1);
    if (d == NULL)
        return answer_error(client, "404 Not Found");
    const struct document *first = server->corpus.documents, *last = first + server->corpus.count - 1;
    snprintf(top, sizeof top,
             "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>%.200s</title></head><body>\n"
             "<h1>%.200s</h1>\n<p><a href=\"/%.200s\">back</a> <a href=\"/%.200s\">on</a></p>\n<pre>",
             d->name, d->name, (d == first ? last : d - 1)->name, (d == last ? first : d + 1)->name);
    return answer(client, "200 OK", top, d->html, d->size);
}

/* ---- requests ---- */

struct inbox {
    size_t used;
    char bytes[REQUEST_MOST];
};

/* Takes one request: GET, its path, headers that are skipped, an empty line. 0, or negative when there is no other
 * or this is none. */
static int read_request(cheng_socket *client, struct inbox *in, char *path, size_t room)
{
    size_t got;
    char *end;
    while ((end = memmem(in->bytes, in->used, "\r\n\r\n", 4)) == NULL) {
        if (in->used == sizeof in->bytes)
            return -EMSGSIZE;
        int rc = cheng_socket_read(client, in->bytes + in->used, sizeof in->bytes - in->used, &got);
        if (rc < 0 || got == 0)
            return rc < 0 ? rc : -EPIPE;
        in->used += got;
    }
    const char *space = in->used > 5 && memcmp(in->bytes, "GET /", 5) == 0
                            ? memchr(in->bytes + 4, ' ', (size_t)(end - in->bytes) - 4)
                            : NULL;
    size_t length = space == NULL ? 0 : (size_t)(space - in->bytes) - 4;
    if (length == 0 || length >= room)
        return -EBADMSG;
    memcpy(path, in->bytes + 4, length);
    path[length] = '\0';
    in->used -= (size_t)(end + 4 - in->bytes); /* the next request may be here already */
    memmove(in->bytes, end + 4, in->used);
    return 0;
}

/* A coroutine for each connection. */
static int handle(cheng_socket *client, void *context)
{
    const struct server *server = (const struct server *)context;
    struct inbox in;
    char path[PATH_MOST];
    int rc = 0;
    in.used = 0;
    while (rc == 0 && (rc = read_request(client, &in, path, sizeof path)) == 0) {
        rc = cheng_sleep(SERVER_DELAY_MS * CHENG_MILLISECOND);
        if (rc == 0)
            rc = answer_page(server, client, path);
    }
    if (rc == -EBADMSG || rc == -EMSGSIZE)
        (void)answer_error(client, "400 Bad Request");
    return 0;
}

/* ---- the server ---- */

static int serve(const void *arg, void *result)
{
    struct server *server = *(struct server *const *)arg;
    (void)result;
    server->error = cheng_listen(&server->listener, "127.0.0.1", "0", NULL);
    if (server->error == 0)
        server->port = cheng_socket_port(server->listener);
    cheng_event_set(&server->decided);
    return server->error < 0 ? 0 : cheng_serve(server->listener, handle, server, NULL);
}

/* Its own runtime on its own kernel thread: the server must not take part in what is measured. */
static int run(const void *arg, void *result)
{
    struct server *server = *(struct server *const *)arg;
    int status = 0, rc = cheng_run(&status, serve, arg, sizeof(struct server *));
    (void)result;
    if (rc == 0)
        rc = status;
    if (rc < 0 && server->listener == NULL) { /* no runtime, or no stack for serve */
        server->error = rc;
        cheng_event_set(&server->decided);
    }
    return rc;
}

int server_start(struct server **out)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return -ENOMEM;
    int rc = corpus_load(&server->corpus);
    if (rc == 0)
        rc = cheng_start(&server->thread, CHENG_THREAD, run, &server, sizeof(struct server *),
                         &(cheng_task_options){ .name = "server" });
    if (rc == 0) {
        cheng_event_wait(&server->decided);
        rc = server->error;
    }
    if (rc < 0)
        server_stop(server);
    else
        *out = server;
    return rc;
}

void server_stop(struct server *server)
{
    if (server == NULL)
        return;
    if (server->listener != NULL)
        cheng_socket_close(server->listener); /* cheng_serve ends its connections and returns */
    if (server->thread != NULL)
        cheng_join(server->thread, NULL);
    cheng_task_free(server->thread);
    cheng_socket_free(server->listener);
    corpus_free(&server->corpus);
    free(server);
}

char *server_url(const struct server *server, size_t index)
{
    const struct corpus *corpus = &server->corpus;
    const char *name = corpus->documents[index % corpus->count].name;
    size_t round = index / corpus->count;
    char *url;
    int n = round == 0 ? asprintf(&url, "http://127.0.0.1:%d/%s", server->port, name)
                       : asprintf(&url, "http://127.0.0.1:%d/%zu/%s", server->port, round + 1, name);
    return n < 0 ? NULL : url;
}
