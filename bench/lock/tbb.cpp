/* TBB's adaptive mutex (it spins, then sleeps). */
#include <oneapi/tbb/mutex.h>

alignas(128) static tbb::mutex mutex;

static inline void lock()
{
    mutex.lock();
}

static inline void unlock()
{
    mutex.unlock();
}

#include "lock.h"
