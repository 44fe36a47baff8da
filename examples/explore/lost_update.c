/* The lost update: clerks read how many are left, think, and write one less. What another has sold meanwhile is
 * forgotten. On most days nobody notices. */
#include "example.h"

static cheng_lock till;
static int left;

static void sell(void)
{
    int seen = left;
    cheng_sleep(100 * CHENG_MILLISECOND); /* takes no time here: the explorer's clock is virtual */
    left = seen - 1;
}

static int clerk(const void *arg, void *result)
{
    (void)arg, (void)result;
    sell();
    return 0;
}

static int careful_clerk(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&till) {
        sell();
    }
    return 0;
}

static void broken(void *unused)
{
    (void)unused;
    left = 100;
    together(CHENG_THREAD, (struct person[]){ { "Alice", clerk }, { "Bob", clerk } }, 2);
}

static void fixed(void *unused)
{
    (void)unused;
    left = 100;
    together(CHENG_THREAD, (struct person[]){ { "Alice", careful_clerk }, { "Bob", careful_clerk } }, 2);
    if (left != 98)
        abort();
}

int main(int argc, char **argv)
{
    return explore(argc, argv, broken, fixed);
}
