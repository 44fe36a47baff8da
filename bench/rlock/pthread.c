/* glibc's recursive pthread_mutex_t. */
#include <pthread.h>

static pthread_mutex_t mutex __attribute__((aligned(128))) = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static inline void lock(void)
{
    pthread_mutex_lock(&mutex);
}

static inline void unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

#include "../lock/lock.h"
