/* A dump, from within, while the tasks that it tells of start, wait and end. */
#include "explore/explored.h"

#include <string.h>

static cheng_event event;
static unsigned selves;

static void look(const char *text, void *context)
{
    (void)context;
    selves += strncmp(text, "MainThread,", 11) == 0 && strstr(text, ": runs\n") != NULL;
    if (strstr(text, "waits for lock") != NULL) /* a lock without an owner is about to be given */
        assert_true(strstr(text, " holds since ") == NULL || strstr(text, "test_dump.c:") != NULL);
}

static void dump(void)
{
    selves = 0;
    cheng_dump(look, NULL);
    assert_int_equal(selves, 1);
}

struct box {
    cheng_lock lock;
};
static struct box *box;

/* Who has waited for the lock frees it: who looks at it must know that somebody still waits. */
static int use_and_free(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_lock_acquire(&box->lock);
    cheng_lock_release(&box->lock);
    free(box);
    return 0;
}

static int look_once(const void *arg, void *result)
{
    (void)arg, (void)result;
    cheng_dump(look, NULL);
    return 0;
}

EXPLORED(a_lock_that_goes)
{
    box = calloc(1, sizeof *box);
    cheng_lock_acquire(&box->lock);
    cheng_task *a = start(CHENG_THREAD, use_and_free, 0), *b = start(CHENG_THREAD, look_once, 0);
    cheng_yield();
    cheng_lock_release(&box->lock);
    finish(b);
    finish(a);
}

static int wait_for_event(const void *arg, void *result)
{
    (void)arg, (void)result;
    return cheng_event_wait(&event);
}

EXPLORED(tasks_that_come_and_go)
{
    event = (cheng_event){ 0 };
    cheng_task *a = start(CHENG_COROUTINE, wait_for_event, 0);
    dump();
    cheng_event_set(&event);
    dump();
    finish(a);
    dump();
}
