/* nsync_mu. */
#include <nsync.h>

static nsync_mu mutex __attribute__((aligned(128)));

static inline void lock(void)
{
    nsync_mu_lock(&mutex);
}

static inline void unlock(void)
{
    nsync_mu_unlock(&mutex);
}

#include "lock.h"
