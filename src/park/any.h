/* Waiting for several private words at once. */
#ifndef CHENG_PARK_ANY_H
#define CHENG_PARK_ANY_H

#include "park/lot.h"
#include "park/park.h"

/* One of the words of a wait for several, and for a thread a descriptor, as for chengi_park_fd. */
struct park_point {
    uint32_t *word; /* NULL: none */
    uint32_t value;
    int fd;
    unsigned events;      /* 0: no descriptor */
    bool front;           /* before those who wait already */
    struct waiter waiter; /* chengi_park_any's own */
};

/* Blocks the caller while all of the words hold their values, until the deadline (0: never). Which point has ended the
 * wait, if one has: a wake of this word was consumed, and none of another; else `n`. Or as chengi_park. */
int chengi_park_any(struct park_point *points, size_t n, int64_t deadline_ns, const struct why *why);

#endif
