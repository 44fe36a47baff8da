/* Ending somebody else's wait: claim it with a compare-and-swap, then deliver. */
#ifndef CHENG_PARK_WAKE_H
#define CHENG_PARK_WAKE_H

#include <stdbool.h>

#include "run/runner.h"

struct wakee {
    struct cheng_task *runner;
    bool coroutine;
};

/* True: the wait ends with this outcome, and the caller must deliver. */
bool chengi_wake_claim(struct cheng_task *runner, uint32_t outcome, struct wakee *wakee);
void chengi_wake_deliver(const struct wakee *wakee);

#endif
