/* Waking from a signal handler, which may have interrupted its own thread inside the lot or the scheduler: the handler changes
 * the object's word, as always, and posts the address; a thread of ours wakes those who wait for it. */
#ifndef CHENG_PARK_POST_H
#define CHENG_PARK_POST_H

#include <stdint.h>

/* How many brackets of cheng/signal.h the calling thread is in: only it, and its handlers, change it. */
extern __thread uint32_t chengi_in_handler __attribute__((tls_model("initial-exec")));

/* Has all who wait for the word woken soon. Async-signal-safe. The word is only an address. */
void chengi_post(uint32_t *word);

/* In a fork's child. */
void chengi_post_after_fork(void);

#endif
