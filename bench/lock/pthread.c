/* glibc's pthread_mutex_t, default attributes. */
#include <pthread.h>

static pthread_mutex_t mutex __attribute__((aligned(128))) = PTHREAD_MUTEX_INITIALIZER;

static inline void lock(void)
{
    pthread_mutex_lock(&mutex);
}

static inline void unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

#include "lock.h"
