/* What cheng_select can wait for: three functions for each kind of case, where the thing itself lives. A new kind of thing
 * needs no more than these and a line in io/select.c.
 *
 * The call (io/select.c) first attempts its cases in random order. If none can be done, it lets each case say what it
 * waits for, and parks on all of that at once (chengi_park_any). Then it makes all cases leave, and attempts again,
 * beginning with the one that was woken: so a wake is used for what it was meant for, as in the thing's own call.
 *
 * A channel's part of a call is done by the other side. For these the call has a word, its claim:
 *
 *   from     to        by
 *   OPEN     number    the other side of that case, with the channel's lock; it has then done the case
 *   OPEN     CLOSED    the call, after it was parked, before it attempts anything or returns
 *
 * One of them comes first. If it was another side, that case is what the call returns, and a wake that came from
 * another word is passed on: it may have been meant for something that is still there. */
#ifndef CHENG_PARK_SELECT_H
#define CHENG_PARK_SELECT_H

#include <cheng/select.h>

#include "park/any.h"

enum { CHENGI_SELECT_OPEN = 0, CHENGI_SELECT_ROOM = 48 };
#define CHENGI_SELECT_CLOSED UINT32_MAX

/* A case while the call waits. */
struct select_wait {
    struct park_point *point; /* what `await` found, also in the next attempt */
    uint32_t *claim;
    uint32_t number;
    _Alignas(8) unsigned char room[CHENGI_SELECT_ROOM]; /* the kind's own, from await to leave */
};

struct selectable {
    /* One try, which does not block: 0 or a negative errno: done; -EAGAIN: not yet. `wait`: NULL before the first
     * await of this call. */
    int (*attempt)(cheng_case *c, const struct select_wait *wait);
    /* 1: waits, and if it parks on a word or a descriptor of its own, has set the point; 0: attempt it again; negative:
     * done, with this error. */
    int (*await)(const cheng_case *c, struct select_wait *wait);
    /* Undoes an await that returned 1; NULL: there is nothing to undo. Returns the result, if the other side has done the
     * case. */
    int (*leave)(const cheng_case *c, struct select_wait *wait);
};

extern const struct selectable chengi_select_put, chengi_select_get, chengi_select_event,
    chengi_select_semaphore, chengi_select_poll, chengi_select_socket;

#endif
