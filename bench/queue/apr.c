/* APR's queue of pointers: a ring behind a mutex and two conditions. */
#include <apr_general.h>
#include <apr_pools.h>
#include <apr_queue.h>
#include <stdint.h>

#define CAPACITY 1024

static apr_queue_t *queue;

static void open_queue(void)
{
    apr_pool_t *pool;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    apr_queue_create(&queue, CAPACITY, pool);
}

static inline void put(uintptr_t item)
{
    while (apr_queue_push(queue, (void *)item) != APR_SUCCESS)
        ; /* interrupted */
}

static inline uintptr_t get(void)
{
    void *item;
    while (apr_queue_pop(queue, &item) != APR_SUCCESS)
        ;
    return (uintptr_t)item;
}

#include "queue.h"
