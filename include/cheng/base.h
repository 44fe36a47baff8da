/* cheng/base.h: what every other header uses.
 *
 * Errors are values. A function that can fail returns 0 or a negative errno; results come through
 * out-parameters, which a failing call leaves untouched. The codes that this library gives a meaning
 * of its own:
 *
 *   -ETIMEDOUT   the deadline passed
 *   -EAGAIN      full, empty or held, and the caller asked not to block (CHENG_NOW)
 *   -ECANCELED   the calling task was cancelled (cheng_cancel)
 *   -EDEADLK     waiting would never end: the caller waits, over others, for itself
 *   -EPERM       the caller is not the owner
 *   -EOVERFLOW   a count would pass its bound
 *   -EOWNERDEAD  the owner died while it held the lock; the caller holds it now and should repair what
 *                the lock protects
 *   -EPIPE       closed, or a broken barrier: what the caller waits for will not come
 *   -EBADF       a socket that this side has closed
 *   -EBUSY       somebody else is at it (a second reader of a socket, freeing what is in use)
 *   -ENOTSUP     not possible here, or not built yet
 *   -EOPNOTSUPP  an object in an arena that is not attached here. On Linux the same number as -ENOTSUP: a switch
 *                names one of them
 *   -EBADMSG     shared memory that is corrupted
 *   -EINVAL, -ENOMEM, -EMFILE, ... as the system means them
 *
 * Names: a call that ends in _until has a plain spelling without a deadline, where that is of use; cheng_poll, cheng_socket_wait,
 * cheng_condition_wait_for and the look-ups have one spelling, with the deadline last, which may be CHENG_FOREVER. */
#ifndef CHENG_BASE_H
#define CHENG_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHENG_API __attribute__((visibility("default")))
#define CHENG_NODISCARD __attribute__((warn_unused_result))

#define CHENG_STRINGIFY_(x) #x
#define CHENG_STRINGIFY(x) CHENG_STRINGIFY_(x)
#define CHENG_PASTE_(a, b) a##b
#define CHENG_PASTE(a, b) CHENG_PASTE_(a, b)

/* The call site, a literal "file:line": what deadlock reports print. */
#define CHENG_HERE __FILE__ ":" CHENG_STRINGIFY(__LINE__)

#ifdef __cplusplus
extern "C" {
#endif

/* What a code of this library means, in one line. Accepts the negative code or the positive errno.
 * Never NULL, never to be freed; thread-safe and async-signal-safe. */
CHENG_API const char *cheng_strerror(int error);

#ifdef __cplusplus
}
#endif
#endif
