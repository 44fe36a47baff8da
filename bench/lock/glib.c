/* GLib's GMutex. */
#include <glib.h>

static GMutex mutex __attribute__((aligned(128)));

static inline void lock(void)
{
    g_mutex_lock(&mutex);
}

static inline void unlock(void)
{
    g_mutex_unlock(&mutex);
}

#include "lock.h"
