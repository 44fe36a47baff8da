/* Ten threads do one thing with A and then B, and another with B and then A. One alone never hangs; two may. Fixed:
 * both things take A first. */
#include "example.h"

enum { THREADS = 10 };

static cheng_lock a, b;

static void first_thing(void)
{
    CHENG_WITH(&a) {
        CHENG_WITH(&b) {}
    }
}

static void second_thing(void)
{
    CHENG_WITH(&b) {
        cheng_sleep(2 * CHENG_SECOND);
        CHENG_WITH(&a) {}
    }
}

static void second_thing_in_order(void)
{
    CHENG_WITH(&a) {
        CHENG_WITH(&b) {
            cheng_sleep(2 * CHENG_SECOND);
        }
    }
}

static int both(const void *arg, void *result)
{
    (void)arg, (void)result;
    first_thing();
    second_thing();
    return 0;
}

static int both_in_order(const void *arg, void *result)
{
    (void)arg, (void)result;
    first_thing();
    second_thing_in_order();
    return 0;
}

static void ten(cheng_fn *function)
{
    struct person people[THREADS];
    for (int i = 0; i < THREADS; i++)
        people[i] = (struct person){ NULL, function }; /* Thread-1, Thread-2, … */
    together(CHENG_THREAD, people, THREADS);
}

static void broken(void *unused)
{
    (void)unused;
    ten(both);
}

static void fixed(void *unused)
{
    (void)unused;
    ten(both_in_order);
}

int main(int argc, char **argv)
{
    return explore(argc, argv, broken, fixed);
}
