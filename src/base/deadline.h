/* Deadlines as the layers take them apart: CHENG_NOW, or nanoseconds of which 0 is never. */
#ifndef CHENG_BASE_DEADLINE_H
#define CHENG_BASE_DEADLINE_H

#include <cheng/time.h>

static inline bool chengi_is_now(cheng_deadline deadline)
{
    return deadline.at_ns == INT64_MIN;
}

#endif
