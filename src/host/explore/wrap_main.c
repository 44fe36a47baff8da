/* A main around the program's own, which is explored as it is: linked with --wrap=main. */
#include <cheng/explore.h>

#include <stdio.h>
#include <stdlib.h>

int __real_main(int argc, char **argv, char **environment);
int __wrap_main(int argc, char **argv, char **environment);

struct call {
    int argc;
    char **argv, **environment;
};

static void program(void *argument)
{
    const struct call *call = argument;
    exit(__real_main(call->argc, call->argv, call->environment));
}

int __wrap_main(int argc, char **argv, char **environment)
{
    struct call call = { argc, argv, environment };
    cheng_explore_result result;
    cheng_explore_options options = { .name = "main", .result = &result };
    if (cheng_explore(program, &call, &options) != CHENG_FOUND_NOTHING)
        return 1;
    fprintf(stderr, "cheng-explore: main: nothing found in %llu schedules%s\n",
            (unsigned long long)result.schedules, result.complete ? ": these are all" : "");
    return 0;
}
