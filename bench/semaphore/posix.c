/* glibc's sem_t of one unit, private to the process. */
#include <semaphore.h>

static sem_t semaphore __attribute__((aligned(128)));

__attribute__((constructor)) static void prepare(void)
{
    sem_init(&semaphore, 0, 1);
}

static inline void lock(void)
{
    sem_wait(&semaphore);
}

static inline void unlock(void)
{
    sem_post(&semaphore);
}

#include "../lock/lock.h"
