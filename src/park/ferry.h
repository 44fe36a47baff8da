/* The ferry: carries the changes of shared words, on which only kernel threads can sleep, to coroutines.
 *
 * A helper thread sleeps on up to 126 shared words at once and on one of its own. A coroutine that wants to wait
 * adds its word to a ferry with room, and parks on a private word that the ferry sets. Its worker is never
 * blocked, and its deadline and cancel are those of an ordinary wait. */
#ifndef CHENG_PARK_FERRY_H
#define CHENG_PARK_FERRY_H

#include <stdint.h>

#include "base/why.h"

/* Blocks the calling coroutine while the shared word holds the value. As chengi_park. */
int chengi_ferry_wait(uint32_t *word, uint32_t value, int64_t deadline_ns, const struct why *why,
                      unsigned flags);

void chengi_ferry_after_fork(void);

#endif
