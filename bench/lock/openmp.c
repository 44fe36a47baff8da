/* OpenMP's lock, as libgomp has it. */
#include <omp.h>

static omp_lock_t mutex __attribute__((aligned(128))); /* all zero is what omp_init_lock makes of it */

static inline void lock(void)
{
    omp_set_lock(&mutex);
}

static inline void unlock(void)
{
    omp_unset_lock(&mutex);
}

#include "lock.h"
