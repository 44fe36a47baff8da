/* Once: a lock around the function, and a word that says that it need not be looked at any more.
 *
 *   completed
 *   0 -> 1   who holds the lock and has run the function: release; partner is the acquire of those who come later */
#include <cheng/once.h>

#include <errno.h>

#include "base/compiler.h"
#include "sync/lock.h"

#undef cheng_lock_release
#undef cheng_once_call
#undef cheng_once_call_until

_Static_assert(sizeof(cheng_once) == 24, "24 bytes, private or shared");

int chengi_once_call_at(cheng_once *once, cheng_once_fn *function, void *arg, cheng_deadline deadline,
                        const char *site)
{
    if (cheng_once_is_done(once))
        return 0;
    int rc = chengi_lock_acquire_cancellable(&once->lock, deadline, site);
    if (rc < 0 && rc != -EOWNERDEAD) /* that one ended inside the function */
        return rc;
    rc = 0;
    if (!load_relaxed(&once->completed)) { /* only who holds the lock sets it */
        rc = function(arg);
        if (rc >= 0)
            store_release(&once->completed, 1);
    }
    cheng_lock_release(&once->lock);
    return rc < 0 ? rc : 0;
}

int cheng_once_call(cheng_once *once, cheng_once_fn *function, void *arg)
{
    return chengi_once_call_at(once, function, arg, CHENG_FOREVER, NULL);
}

int cheng_once_call_until(cheng_once *once, cheng_once_fn *function, void *arg, cheng_deadline deadline)
{
    return chengi_once_call_at(once, function, arg, deadline, NULL);
}

bool cheng_once_is_done(const cheng_once *once)
{
    return load_acquire(&once->completed) != 0;
}
