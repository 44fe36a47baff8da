/* moodycamel's BlockingConcurrentQueue. It has no bound (its producers never wait), and no order between
 * the items of different producers. */
#include <concurrentqueue/blockingconcurrentqueue.h>
#include <cstdint>

static moodycamel::BlockingConcurrentQueue<std::uintptr_t> queue(1024);

static void open_queue()
{
}

static inline void put(std::uintptr_t item)
{
    queue.enqueue(item);
}

static inline std::uintptr_t get()
{
    std::uintptr_t item;
    queue.wait_dequeue(item);
    return item;
}

#include "queue.h"
