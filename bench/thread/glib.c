/* GLib's GThread. */
#include <glib.h>

static gpointer nothing(gpointer arg)
{
    return arg;
}

static void start_and_join(void)
{
    g_thread_join(g_thread_new("bench", nothing, NULL));
}

#include "thread.h"
