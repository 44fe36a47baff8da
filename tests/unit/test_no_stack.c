/* Coroutines for which there is no room for a stack: who waits, for how long, and how that ends. */
#include <sys/resource.h>

#include "unit/sockets.h"
#include "unit/workers.h"

enum { STACKS_IN_A_REGION = 256 };

/* There is room for what is mapped, and a little more, but not for another region of stacks. */
static void limit_memory(void)
{
    unsigned long pages;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    struct rlimit limit = { .rlim_max = RLIM_INFINITY };
    limit.rlim_cur = pages * chengi_host_page_size() + (32 << 20);
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

static const cheng_task_options huge = { .stack_size = CHENGI_STACK_MOST };

static int return_42(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 42;
}

static int begun;
static cheng_semaphore leave;

static int stay(const void *argument, void *result)
{
    (void)argument, (void)result;
    begun++;
    return cheng_semaphore_acquire(&leave);
}

static cheng_task *start(cheng_fn *function, const cheng_task_options *options)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, function, NULL, 0, options), 0);
    return task;
}

/* Each shortage has a second of its own, however long ago the last one was. */
static int two_shortages(const void *argument, void *result)
{
    cheng_task *late;
    int status = 0;
    (void)argument, (void)result;
    limit_memory(); /* one region is there: we run on a stack of it */
    for (int i = 1; i < STACKS_IN_A_REGION; i++)
        cheng_task_free(start(stay, NULL));
    while (begun < STACKS_IN_A_REGION - 1)
        cheng_yield();

    cheng_task_free(start(stay, NULL));
    (void)cheng_sleep(20 * CHENG_MILLISECOND);
    assert_int_equal(begun, STACKS_IN_A_REGION - 1);
    assert_int_equal(cheng_semaphore_release(&leave, 1), 0); /* whose stack the new one gets */
    while (begun < STACKS_IN_A_REGION)
        (void)cheng_sleep(CHENG_MILLISECOND);

    (void)cheng_sleep(1100 * CHENG_MILLISECOND);
    late = start(return_42, NULL);
    assert_int_equal(cheng_join_until(late, &status, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_semaphore_release(&leave, STACKS_IN_A_REGION), 0);
    assert_int_equal(cheng_join(late, &status), 0);
    assert_int_equal(status, 42);
    cheng_task_free(late);
    return 0;
}

TEST(each_shortage_has_its_second) // noasan: notsan: novalgrind: noqemu: bounds the address space
{
    assert_int_equal(cheng_run(NULL, two_shortages, NULL, 0), 0);
}

static int lift_the_limit(const void *argument, void *result)
{
    (void)result;
    assert_int_equal(setrlimit(RLIMIT_AS, argument), 0);
    return 0;
}

/* One task ends; the next wants a stack that cannot be had; the one after it wants an ordinary one: the very stack
 * that the first is still looking around on. */
static int end_with_one_that_cannot_begin(const void *argument, void *result)
{
    const struct rlimit *had = argument;
    (void)result;
    struct rlimit few = { (rlim_t)600 << 20, had->rlim_max };
    assert_int_equal(setrlimit(RLIMIT_AS, &few), 0);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, return_42, NULL, 0, &huge), 0);
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, lift_the_limit, had, sizeof *had, NULL), 0);
    return 0;
}

TEST(a_large_one_cannot_begin) // noasan: notsan: novalgrind: noqemu: bounds the address space
{
    struct rlimit had;
    assert_int_equal(getrlimit(RLIMIT_AS, &had), 0);
    assert_int_equal(cheng_run(NULL, end_with_one_that_cannot_begin, &had, sizeof had), 0);
}

/* Others come and go on stacks that are there; that does not help one that needs a larger one. */
static int churn(const void *argument, void *result)
{
    int status = 0;
    (void)argument, (void)result;
    limit_memory();
    cheng_task *large = start(return_42, &huge);
    cheng_deadline end = cheng_after(4 * CHENG_SECOND);
    while (cheng_task_is_alive(large) && cheng_clock_ns() < end.at_ns) {
        cheng_task *small = start(return_42, NULL);
        assert_int_equal(cheng_join(small, NULL), 0);
        cheng_task_free(small);
    }
    assert_int_equal(cheng_join_until(large, &status, CHENG_NOW), 0);
    assert_int_equal(status, -ENOMEM);
    cheng_task_free(large);
    return 0;
}

TEST(others_come_and_go) // noasan: notsan: novalgrind: noqemu: bounds the address space
{
    assert_int_equal(cheng_run(NULL, churn, NULL, 0), 0);
}

/* The hook that is told of the failure may wait, though whoever finds it is about to wait itself. */
static cheng_event told, answer;
static cheng_task *teller;

static void wait_in_the_hook(const cheng_incident *incident)
{
    assert_int_equal(incident->error, -ENOMEM);
    teller = cheng_current();
    cheng_event_set(&told);
    assert_int_equal(cheng_event_wait(&answer), 0);
}

static int answer_late(void *context)
{
    cheng_event *asked_for = context;
    assert_int_equal(cheng_event_wait(&told), 0);
    wait_until_blocked(teller, CHENGI_WAIT_EVENT);
    cheng_event_set(&answer);
    cheng_event_set(asked_for);
    return 0;
}

static int wait_meanwhile(const void *argument, void *result)
{
    (void)result;
    limit_memory();
    assert_int_equal(cheng_start(NULL, CHENG_COROUTINE, return_42, NULL, 0, &huge), 0);
    return cheng_event_wait(*(cheng_event *const *)argument);
}

TEST(the_hook_may_wait) // noasan: notsan: novalgrind: noqemu: bounds the address space
{
    static cheng_event asked_for;
    cheng_event *at = &asked_for;
    struct actor actor;
    int status = -1;
    cheng_set_incident_hook(wait_in_the_hook);
    actor_start(&actor, IN_THREAD, answer_late, at);
    assert_int_equal(cheng_run(&status, wait_meanwhile, &at, sizeof at), 0);
    assert_int_equal(status, 0);
    assert_int_equal(actor_join(&actor), 0);
}

/* A server that has no stack for a client sends it away, and takes the next. */
struct served {
    cheng_socket *listener;
    char service[8];
    cheng_event full;
    int handled;
};

static int handle(cheng_socket *client, void *context)
{
    (void)client;
    ((struct served *)context)->handled++;
    return 0;
}

static void meet_the_end(struct served *served)
{
    cheng_socket *socket;
    char byte;
    size_t got = 1;
    assert_int_equal(cheng_connect(&socket, "127.0.0.1", served->service), 0);
    assert_int_equal(cheng_socket_read_until(socket, &byte, 1, &got, cheng_after(5 * CHENG_SECOND)), 0);
    assert_int_equal(got, 0);
    cheng_socket_free(socket);
}

static int come_twice(void *context)
{
    struct served *served = context;
    assert_int_equal(cheng_event_wait(&served->full), 0);
    meet_the_end(served);
    assert_int_equal(served->handled, 0);
    assert_int_equal(cheng_semaphore_release(&leave, STACKS_IN_A_REGION), 0);
    meet_the_end(served);
    assert_int_equal(served->handled, 1);
    cheng_socket_close(served->listener);
    return 0;
}

static int serve_without_a_stack(const void *argument, void *result)
{
    struct served *served = *(struct served *const *)argument;
    (void)result;
    limit_memory();
    for (int i = 1; i < STACKS_IN_A_REGION; i++)
        cheng_task_free(start(stay, NULL));
    while (begun < STACKS_IN_A_REGION - 1)
        cheng_yield();
    cheng_event_set(&served->full);
    return cheng_serve(served->listener, handle, served, NULL);
}

TEST(a_server_goes_on) // noasan: notsan: novalgrind: noqemu: bounds the address space
{
    struct served served = { 0 }, *at = &served;
    struct actor actor;
    int status = -1;
    served.listener = listen_here(served.service);
    actor_start(&actor, IN_THREAD, come_twice, &served);
    assert_int_equal(cheng_run(&status, serve_without_a_stack, &at, sizeof at), 0);
    assert_int_equal(status, 0);
    assert_int_equal(actor_join(&actor), 0);
    cheng_socket_free(served.listener);
}

/* ---- where one worker has stacks, and the other's task needs one ---- */

static cheng_event go[2];
static uint32_t others_begun, all_taken, has_run;

static int stay_there(const void *argument, void *result)
{
    (void)argument, (void)result;
    __atomic_fetch_add(&others_begun, 1, __ATOMIC_SEQ_CST);
    return cheng_semaphore_acquire(&leave);
}

static int run(const void *argument, void *result)
{
    (void)argument, (void)result;
    set_flag(&has_run);
    return 0;
}

/* The first takes all stacks but one, which the second keeps hot; then both sleep. */
static int take_stacks(const void *argument, void *result)
{
    unsigned me = settle();
    (void)argument, (void)result;
    if (me == 0) {
        for (int i = 0; i < STACKS_IN_A_REGION - 3; i++)
            cheng_task_free(start(stay_there, NULL));
        while (read_flag(&others_begun) < STACKS_IN_A_REGION - 3)
            cheng_yield();
        set_flag(&all_taken);
        assert_true(hog_until(&has_run));
    } else {
        assert_true(hog_until(&all_taken));
        cheng_task *task = start(return_42, NULL);
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
        set_flag(&has_run);
    }
    return cheng_event_wait(&go[me]);
}

TEST(another_worker_has_one) // noasan: notsan: novalgrind: noqemu: bounds the address space
{
    start_workers(2);
    inject(take_stacks);
    inject(take_stacks);
    while (!read_flag(&has_run))
        cheng_yield();
    wait_until_all_sleep();
    assert_int_equal(runtime.workers[1].hot_count, 1);
    __atomic_store_n(&has_run, 0, __ATOMIC_SEQ_CST);
    limit_memory();
    inject(run); /* wakes the first */
    assert_true(hog_until(&has_run));
    cheng_semaphore_release(&leave, STACKS_IN_A_REGION); /* the exit waits for all */
    cheng_event_set(&go[0]);
    cheng_event_set(&go[1]);
}
