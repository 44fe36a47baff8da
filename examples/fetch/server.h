/* A small web server, coroutines on a thread of their own: the one that fetch asks when it is given no URLs. It
 * answers each request after 50 ms, so that fetching one after another shows what it costs. */
#ifndef FETCH_SERVER_H
#define FETCH_SERVER_H

#include <cheng.h>

struct server;

enum { SERVER_DELAY_MS = 50 };

/* Returns once it listens, on a free port of 127.0.0.1. */
CHENG_NODISCARD int server_start(struct server **out);
void server_stop(struct server *server);

/* The URL of page `index`, any number of them: when the documents end they begin again under other names. To be
 * freed; NULL: no memory. */
char *server_url(const struct server *server, size_t index);

#endif
