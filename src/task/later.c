/* Starting later: a task that sleeps before it begins with what it was started for. */
#include <cheng/task.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "task/start.h"

struct later {
    cheng_deadline when;
    cheng_fn *function;
    const void *argument; /* if its size is 0 */
    size_t argument_size;
    _Alignas(16) unsigned char bytes[];
};

static int run_later(const void *arg, void *result)
{
    const struct later *later = arg;
    int rc = cheng_sleep_until(later->when);
    return rc < 0 ? rc : later->function(later->argument_size == 0 ? later->argument : later->bytes, result);
}

int cheng_start_later(cheng_task **out, enum cheng_kind kind, cheng_deadline when, cheng_fn *function,
                      const void *arg, size_t arg_size, const cheng_task_options *options)
{
    int rc = chengi_start_check(kind, function, arg, arg_size);
    if (rc < 0 || arg_size > CHENGI_ARGUMENT_MOST - sizeof(struct later))
        return rc < 0 ? rc : -EINVAL;
    struct later *later = malloc(sizeof *later + arg_size);
    if (later == NULL)
        return -ENOMEM;
    *later = (struct later){ when, function, arg, arg_size };
    if (arg_size != 0)
        memcpy(later->bytes, arg, arg_size);
    rc = cheng_start(out, kind, run_later, later, sizeof *later + arg_size, options);
    free(later);
    return rc;
}
