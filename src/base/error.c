/* What an error code means in this library; the system's words for the rest. */
#include <cheng/base.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

const char *cheng_strerror(int error)
{
    int code = error < 0 && error != INT_MIN ? -error : error;
    switch (code) {
    case 0:
        return "success";
    case ETIMEDOUT:
        return "timed out: the deadline passed, or the peer does not answer";
    case EAGAIN:
        return "would block (full, empty, held), or the system is short of something";
    case ECANCELED:
        return "the calling task was cancelled";
    case EDEADLK:
        return "deadlock: waiting would never end";
    case EPERM:
        return "not the owner, or not permitted";
    case EOWNERDEAD:
        return "the owner died (of a lock: the caller holds it now)";
    case EPIPE:
        return "closed, or broken: what was waited for will not come";
    case EBADF:
        return "the socket or descriptor is closed";
    case ENOENT:
        return "no such file, host, service, name or event";
    case EOVERFLOW:
        return "a count would pass its bound, or a value is too large";
    case EBUSY:
        return "somebody else is using it";
    case ENOTSUP:
        return "not supported here, or in an arena that is not attached";
    case EBADMSG:
        return "the shared memory is corrupted";
    default:
        break;
    }
#ifdef __GLIBC__
    const char *text = strerrordesc_np(code); /* never translated or written to */
#else
    const char *text = strerror(code);
#endif
    return text == NULL ? "unknown error" : text;
}
