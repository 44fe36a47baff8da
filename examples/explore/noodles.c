/* One bowl of noodles, one fork, three hungry people who try both ways at once: noodles first, fork first. Fixed: the
 * meal has one lock. */
#include "example.h"

static cheng_lock noodles, fork_, meal;
static int eaten;

static int noodles_first(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&noodles) {
        CHENG_WITH(&fork_) {
            eaten++;
        }
    }
    return 0;
}

static int fork_first(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&fork_) {
        cheng_sleep(CHENG_SECOND);
        CHENG_WITH(&noodles) {
            eaten++;
        }
    }
    return 0;
}

static int take_the_meal(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&meal) {
        eaten++;
    }
    return 0;
}

static void broken(void *unused)
{
    (void)unused;
    together(CHENG_THREAD,
             (struct person[]){ { "taibai", noodles_first },
                                { "taibai's other hand", fork_first },
                                { "egon", noodles_first },
                                { "egon's other hand", fork_first },
                                { "wulaoban", noodles_first },
                                { "wulaoban's other hand", fork_first } },
             6);
}

static void fixed(void *unused)
{
    (void)unused;
    eaten = 0;
    together(CHENG_THREAD,
             (struct person[]){ { "taibai", take_the_meal },
                                { "taibai's other hand", take_the_meal },
                                { "egon", take_the_meal },
                                { "egon's other hand", take_the_meal },
                                { "wulaoban", take_the_meal },
                                { "wulaoban's other hand", take_the_meal } },
             6);
    if (eaten != 6)
        abort();
}

int main(int argc, char **argv)
{
    return explore(argc, argv, broken, fixed);
}
