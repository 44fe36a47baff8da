/* A scenario is one operation of the library, begun, checked, and undone again:
 *
 *     SCENARIO(semaphore, ENOMEM)
 *     {
 *         …
 *         return rc; // 0, or the negative errno that the operation gave; everything undone in both cases
 *     }
 *
 * The errnos are those that the headers promise for it. It runs twice in a process of its own: while a call fails,
 * then with all well, when it must give 0. `expect` ends the process with the line that did not hold. */
#ifndef CHENG_FAIL_SCENARIO_H
#define CHENG_FAIL_SCENARIO_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROMISED_MAX = 32 };

struct scenario {
    const char *name;
    int (*body)(void);
    int promised[PROMISED_MAX]; /* up to the first 0 */
    bool may_end;               /* with LAST_WORDS, whatever fails */
    struct {
        const char *call, *in; /* the `which`th call in that function fails always; NULL: none does */
        int which, error;
    } handicap;
    struct scenario *next;
    struct run *clean; /* what it reaches and leaves without a failure */
    unsigned passed;
};

void scenario_register(struct scenario *scenario);

#define SCENARIO_(function, label, ...)                                                                      \
    __attribute__((constructor)) static void register_##label(void)                                          \
    {                                                                                                        \
        static struct scenario entry = { .name = #label, .body = function, __VA_ARGS__ };                    \
        scenario_register(&entry);                                                                           \
    }

#define SCENARIO(name, ...)                                                                                  \
    static int name(void);                                                                                   \
    SCENARIO_(name, name, .promised = { __VA_ARGS__ })                                                       \
    static int name(void)

/* The same scenario as `label`, on a system that lacks something. */
#define HANDICAPPED(label, name, call, in, which, error, ...)                                                \
    SCENARIO_(name, label, .promised = { __VA_ARGS__ }, .handicap = { call, in, which, error })

#define expect(condition)                                                                                    \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition), _Exit(1)))

#endif
