/* cheng/timeout.h: one deadline for all that a task does between two lines (Python: gevent.Timeout).
 *
 * Within, each wait that a cancel could end (all but acquiring a lock) ends at the latest when the time is up: with
 * -ECANCELED, also the waits that come after it, so that calls several levels down unwind. Scopes nest; the end says whose time was up.
 *
 * @code
 * int fetch_both(void)
 * {
 *     cheng_timeout all;
 *     cheng_timeout_begin(&all, cheng_after(CHENG_SECOND));
 *     int rc = cheng_sleep(100 * CHENG_MILLISECOND);
 *     if (rc == 0)
 *         rc = cheng_sleep(100 * CHENG_MILLISECOND);
 *     return cheng_timeout_end(&all) == -ETIMEDOUT ? -ETIMEDOUT : rc;
 * }
 * @endcode
 *
 * A wait's own deadline that comes first gives -ETIMEDOUT as ever. cheng_shield holds scopes off, too, and cheng_cancelled
 * tells of them. A scope concerns the calling task only, not what it starts. */
#ifndef CHENG_TIMEOUT_H
#define CHENG_TIMEOUT_H

#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's, untouched until its end: on the stack of the function that begins and ends it. */
typedef struct cheng_timeout {
    int64_t at_ns;    /* its own deadline; 0: never */
    int64_t until_ns; /* the first of it and of those around it */
    struct cheng_timeout *outer;
    bool ended; /* a wait, or something that asked */
} cheng_timeout;

/* Begins a scope. CHENG_NOW: no wait at all. Does not block. */
CHENG_API void cheng_timeout_begin(cheng_timeout *timeout, cheng_deadline deadline);

/* Ends the innermost scope. -ETIMEDOUT: a wait was ended because its time was up, or cheng_cancelled said so; 0: neither, or an
 * outer one's was. -EPERM: it is not the calling task's innermost; nothing happens. */
CHENG_API int cheng_timeout_end(cheng_timeout *timeout);

#ifdef __cplusplus
}
#endif
#endif
