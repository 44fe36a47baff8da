/* glibc's sem_t, which wakes only when somebody waits. */
#include <semaphore.h>

static struct side {
    sem_t semaphore; /* all zero is what sem_init makes of it */
} __attribute__((aligned(128))) sides[2];

static inline void give(int i)
{
    sem_post(&sides[i].semaphore);
}

static inline void take(int i)
{
    sem_wait(&sides[i].semaphore);
}

#include "wake.h"
