/* Runners: slots, generations, and what a slot leaves to its next user. */
#include "unit/actors.h"

#include <pthread.h>

#include "run/stack.h"

TEST(a_slot_comes_back_with_another_generation)
{
    struct cheng_task *runner = chengi_runner_new(CHENG_COROUTINE, false);
    assert_non_null(runner);
    uint32_t slot = runner->self.word >> 10, first = runner->self.word;
    uint64_t ident = runner->ident;
    for (unsigned i = 0; i < 600; i++) { /* past the 255 generations */
        uint32_t word = runner->self.word;
        assert_int_equal(word & CHENGI_FLAGS, 0);
        assert_true((word & 0x3fc) != 0); /* so an owner word is never 0 */
        assert_int_equal(word >> 10, slot);
        assert_ptr_equal(chengi_runner_of(word | CHENGI_PARKED | CHENGI_STARVING), runner);
        chengi_runner_retire(runner);
        assert_null(chengi_runner_of(word));
        chengi_runner_recycle(runner);
        assert_ptr_equal(chengi_runner_new(CHENG_COROUTINE, false), runner); /* the hottest first */
        assert_true(runner->ident > ident);
        ident = runner->ident;
        assert_int_equal(runner->life, 0);
        assert_int_equal(runner->cancelled, 0);
        assert_int_equal(runner->why.kind, CHENGI_WAIT_NONE);
    }
    assert_int_not_equal(runner->self.word, first);
}

TEST(many_runners)
{
    enum { COUNT = 5000 };
    static struct cheng_task *runners[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        runners[i] = chengi_runner_new(CHENG_COROUTINE, false);
        assert_non_null(runners[i]);
        assert_ptr_equal(chengi_runner_of(runners[i]->self.word), runners[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        chengi_runner_retire(runners[i]);
        chengi_runner_recycle(runners[i]);
    }
    assert_null(chengi_runner_of(UINT32_MAX)); /* a slot that never was */
    assert_null(chengi_runner_of(0));
}

/* ---- what a slot leaves to its next user ---- */

static int return_seven(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 7;
}

static int run_once_more(const void *argument, void *result)
{
    int *runs = *(int *const *)argument, status = 0;
    (void)result;
    assert_int_equal(++*runs, 1); /* it came again: as a coroutine of its own runtime */
    assert_int_equal(cheng_run(&status, return_seven, NULL, 0), 0);
    assert_int_equal(status, 7);
    return 0;
}

TEST(run_in_a_thread_whose_stack_is_as_large_as_a_coroutines)
{
    cheng_task *task;
    cheng_task_options options = { .stack_size = CHENGI_STACK_DEFAULT };
    int counter = 0, *runs = &counter, status = -1;
    assert_int_equal(cheng_start(&task, CHENG_THREAD, run_once_more, &runs, sizeof runs, &options), 0);
    assert_int_equal(cheng_join(task, &status), 0);
    assert_int_equal(status, 0);
    cheng_task_free(task);
}

/* Fills its magazine with slots that have had a task with a large argument and result, and leaves them. */
static void *use_slots(void *unused)
{
    cheng_task *tasks[40];
    char bytes[200] = { 0 };
    cheng_task_options options = { .result_size = sizeof bytes };
    for (int i = 0; i < 40; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, return_seven, bytes, sizeof bytes, &options),
                         0);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    return unused;
}

static void *run_in_foreign_thread(void *unused)
{
    int status = 0;
    assert_true(cheng_task_ident(cheng_current()) > 1 << 22); /* a slot that was used before */
    assert_int_equal(cheng_run(&status, return_seven, NULL, 0), 0);
    assert_int_equal(status, 7);
    return unused;
}

static void in_foreign_thread(void *(*function)(void *))
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, function, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

TEST(foreign_thread_in_a_used_slot)
{
    in_foreign_thread(use_slots);
    in_foreign_thread(run_in_foreign_thread);
}

static void *start_and_end(void *unused)
{
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, return_seven, NULL, 0, NULL), 0);
    return unused;
}

static void *free_and_end(void *task)
{
    cheng_task_free(task);
    return NULL;
}

static uint64_t slot_of_new_task(void)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, return_seven, NULL, 0, NULL), 0);
    assert_int_equal(cheng_join(task, NULL), 0);
    uint64_t slot = (cheng_task_ident(task) - 1) & ((1 << 22) - 1);
    cheng_task_free(task);
    return slot;
}

TEST(threads_that_only_start_tasks_keep_no_slots)
{
    for (int i = 0; i < 300; i++)
        in_foreign_thread(start_and_end);
    pthread_t thread;
    cheng_task *task;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, return_seven, NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_int_equal(pthread_create(&thread, NULL, free_and_end, task), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    for (int i = 0; i < 40; i++)
        assert_true(slot_of_new_task() < 1024); /* one chunk */
}
