/* GLib's GAsyncQueue. It has no bound: its producers never wait, and its items are list nodes. */
#include <glib.h>
#include <stdint.h>

static GAsyncQueue *queue;

static void open_queue(void)
{
    queue = g_async_queue_new();
}

static inline void put(uintptr_t item)
{
    g_async_queue_push(queue, (gpointer)item);
}

static inline uintptr_t get(void)
{
    return (uintptr_t)g_async_queue_pop(queue);
}

#include "queue.h"
