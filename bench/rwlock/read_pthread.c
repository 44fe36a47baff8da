/* glibc's pthread_rwlock_t, to read. */
#include <pthread.h>

static pthread_rwlock_t rwlock __attribute__((aligned(128))) = PTHREAD_RWLOCK_INITIALIZER;

static inline void lock(void)
{
    pthread_rwlock_rdlock(&rwlock);
}

static inline void unlock(void)
{
    pthread_rwlock_unlock(&rwlock);
}

#include "../lock/lock.h"
