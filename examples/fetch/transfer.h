/* The HTTP of a transfer: how libcurl is set up for it, and what its end means. By the client's driver only. */
#ifndef FETCH_TRANSFER_H
#define FETCH_TRANSFER_H

#include <curl/curl.h>

#include "client.h"

/* A handle for any number of transfers, one at a time; NULL: no memory. */
CURL *transfer_handle(void);

/* Makes the handle fetch this one; libcurl's private pointer is the transfer. */
void transfer_prepare(struct transfer *transfer, CURL *easy);

/* Fills in the answer. */
void transfer_finish(struct transfer *transfer, CURLcode code);

#endif
