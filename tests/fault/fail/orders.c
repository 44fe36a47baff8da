/* Scenarios: queues in other orders, coroutines by hand, loops. */
#include <cheng.h>

#include <errno.h>

#include "scenario.h"

enum { MANY = 200 };

/* Puts more than there is room for at first; each put that fails is made again once there is memory. */
static int fill_and_drain(enum cheng_order order)
{
    cheng_queue *queue = NULL;
    int64_t item;
    int rc = cheng_queue_new(&queue, sizeof item, &(cheng_queue_options){ .order = order });
    if (rc < 0)
        return expect(queue == NULL), rc;
    for (item = 0; rc == 0 && item < MANY; item++)
        rc = cheng_queue_put(queue, &item);
    size_t size = cheng_queue_size(queue), got = 0;
    expect(rc < 0 ? size < MANY : size == MANY);
    while (cheng_queue_get_until(queue, &item, CHENG_NOW) == 0)
        got++;
    expect(got == size);
    cheng_queue_free(queue);
    return rc;
}

SCENARIO(queue_lifo, ENOMEM)
{
    return fill_and_drain(CHENG_LIFO);
}

SCENARIO(queue_priority, ENOMEM)
{
    return fill_and_drain(CHENG_PRIORITY);
}

static int twice(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    int rc = cheng_generator_yield(NULL, NULL);
    return rc < 0 ? rc : cheng_generator_yield(NULL, NULL);
}

static int generate(const void *arg, void *result)
{
    cheng_coroutine *generator = NULL;
    (void)arg, (void)result;
    int rc = cheng_coroutine_new(&generator, twice, NULL, NULL);
    if (rc < 0)
        return expect(generator == NULL), rc;
    rc = cheng_generator_next(generator, NULL, NULL);
    if (rc < 0) { /* there was no stack; it may be tried again */
        expect(!cheng_coroutine_is_dead(generator) && !cheng_coroutine_is_active(generator));
        expect(cheng_coroutine_free(generator) == 0);
        return rc;
    }
    expect(cheng_generator_next(generator, NULL, NULL) == 0);
    expect(cheng_generator_next(generator, NULL, NULL) == -EPIPE);
    return cheng_coroutine_free(generator);
}

SCENARIO(generator, ENOMEM, EAGAIN)
{
    cheng_task *task = NULL;
    int status = 0, rc = cheng_start(&task, CHENG_THREAD, generate, NULL, 0, NULL);
    if (rc < 0)
        return rc;
    expect(cheng_join(task, &status) == 0);
    cheng_task_free(task);
    return status;
}

static int nothing(const void *arg, void *result)
{
    (void)arg, (void)result;
    return 0;
}

SCENARIO(loop, ENOMEM, EMFILE, ENFILE, ENOSPC)
{
    cheng_loop *loop = NULL;
    cheng_task *task = NULL;
    int status = 0, rc = cheng_loop_new(&loop, &(cheng_loop_options){ .policy = cheng_policy_priority() });
    if (rc < 0)
        return expect(loop == NULL), rc;
    rc = cheng_start(&task, CHENG_COROUTINE, nothing, NULL, 0, &(cheng_task_options){ .loop = loop });
    if (rc == 0) {
        rc = cheng_loop_run(loop);
        expect(cheng_join(task, &status) == 0);
        cheng_task_free(task);
    }
    expect(cheng_loop_free(loop) == 0);
    return rc < 0 ? rc : status;
}
