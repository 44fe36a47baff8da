/* pthread_create and pthread_join. */
#include <pthread.h>
#include <stdlib.h>

static void *nothing(void *arg)
{
    return arg;
}

static void start_and_join(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0)
        abort();
    pthread_join(thread, NULL);
}

#include "thread.h"
