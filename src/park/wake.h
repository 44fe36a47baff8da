/* Ending a wait, one's own or somebody else's. */
#ifndef CHENG_PARK_WAKE_H
#define CHENG_PARK_WAKE_H

#include <stdbool.h>

#include "run/runner.h"

/* Ends a wait, for another reason than that its private word was woken, if `wake`, which says WAITING, is still the
 * present one: takes it off its queue and sets the outcome. True: the caller must make the runner go on. A wait that
 * is published but not in its queue yet is left alone: the waiter looks whether it was cancelled when it joins. */
bool chengi_wait_end(struct cheng_task *runner, uint32_t wake, uint32_t outcome);

#endif
