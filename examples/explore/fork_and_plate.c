/* Two at table: one takes the fork and then the plate, the other the plate and then the fork. Fixed: both begin with
 * the fork. */
#include "example.h"

static cheng_lock fork_, plate;

static int fork_first(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&fork_) {
        cheng_sleep(100 * CHENG_MILLISECOND);
        CHENG_WITH(&plate) {
            cheng_yield(); /* eats */
        }
    }
    return 0;
}

static int plate_first(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&plate) {
        cheng_sleep(100 * CHENG_MILLISECOND);
        CHENG_WITH(&fork_) {
            cheng_yield();
        }
    }
    return 0;
}

static void broken(void *unused)
{
    (void)unused;
    together(CHENG_COROUTINE, (struct person[]){ { "Alice", fork_first }, { "Bob", plate_first } }, 2);
}

static void fixed(void *unused)
{
    (void)unused;
    together(CHENG_COROUTINE, (struct person[]){ { "Alice", fork_first }, { "Bob", fork_first } }, 2);
}

int main(int argc, char **argv)
{
    return explore(argc, argv, broken, fixed);
}
