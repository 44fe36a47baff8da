/* What the examples of this folder share: `./noodles` explores the broken form, `./noodles fixed` the other. */
#ifndef EXAMPLES_EXPLORE_EXAMPLE_H
#define EXAMPLES_EXPLORE_EXAMPLE_H

#include <cheng.h>
#include <cheng/explore.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Somebody who has something to do. */
struct person {
    const char *name;
    cheng_fn *does;
};

/* They all do it at the same time. */
static inline void together(enum cheng_kind kind, const struct person *people, size_t n)
{
    cheng_task *tasks[16];
    for (size_t i = 0; i < n; i++) {
        cheng_task_options options = { .name = people[i].name };
        if (cheng_start(&tasks[i], kind, people[i].does, NULL, 0, &options) < 0)
            abort();
    }
    for (size_t i = 0; i < n; i++) {
        cheng_join(tasks[i], NULL);
        cheng_task_free(tasks[i]);
    }
}

/* The exit status: 1 if something was found. */
static inline int explore(int argc, char **argv, cheng_explore_fn *broken, cheng_explore_fn *fixed)
{
    bool is_fixed = argc > 1 && strcmp(argv[1], "fixed") == 0;
    cheng_explore_result result = { .schedules = 0 };
    cheng_explore_options options = { .name = is_fixed ? "fixed" : "broken",
                                      .schedules = 2000,
                                      .result = &result };
    if (cheng_explore(is_fixed ? fixed : broken, NULL, &options) != CHENG_FOUND_NOTHING)
        return 1;
    printf("nothing found in %llu schedules%s\n", (unsigned long long)result.schedules,
           result.complete ? ", and there are no others" : "");
    return 0;
}

#endif
