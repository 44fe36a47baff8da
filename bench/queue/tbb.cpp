/* TBB's concurrent_bounded_queue. */
#include <cstdint>
#include <tbb/concurrent_queue.h>

static tbb::concurrent_bounded_queue<std::uintptr_t> queue;

static void open_queue()
{
    queue.set_capacity(1024);
}

static inline void put(std::uintptr_t item)
{
    queue.push(item);
}

static inline std::uintptr_t get()
{
    std::uintptr_t item;
    queue.pop(item);
    return item;
}

#include "queue.h"
