/* The child of a threaded program's fork: its own thread is all that is left; what others held is owner-dead. */
#include "unit/actors.h"
#include "unit/processes.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "run/worker.h"

/* Runs `what` in a child that a hang would kill. */
static void in_child(void (*what)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20 * (slowed_down() ? 4 : 1));
        what();
        _exit(0);
    }
    wait_for(pid);
}

static int return_42(const void *argument, void *result)
{
    (void)argument, (void)result;
    return 42;
}

static int yield_and_sleep(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_yield();
    return cheng_sleep(CHENG_MILLISECOND) == 0 ? 42 : -EIO;
}

/* Everything a program needs to go on. */
static void start_anew(void)
{
    int status = 0;
    for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++)
        for (int i = 0; i < 20; i++) {
            cheng_task *task;
            assert_int_equal(cheng_start(&task, kind, i % 2 ? return_42 : yield_and_sleep, NULL, 0, NULL), 0);
            assert_int_equal(cheng_join(task, &status), 0);
            assert_int_equal(status, 42);
            cheng_task_free(task);
        }
    assert_int_equal(cheng_run(&status, yield_and_sleep, NULL, 0), 0);
    assert_int_equal(status, 42);
}

/* ---- locks ---- */

static cheng_lock held[PLACES], mine, unused;
static cheng_event stop;

static int hold_until_stopped(void *context)
{
    cheng_lock_acquire((cheng_lock *)context);
    return cheng_event_wait(&stop);
}

static void check_locks(void)
{
    for (enum place place = 0; place < PLACES; place++) {
        assert_true(cheng_lock_locked(&held[place]));
        assert_int_equal(cheng_lock_release(&held[place]), -EPERM);
        assert_int_equal(cheng_lock_acquire_until(&held[place], CHENG_FOREVER), -EOWNERDEAD);
        assert_int_equal(cheng_lock_release(&held[place]), 0);
        assert_int_equal(cheng_lock_acquire_until(&held[place], CHENG_NOW), 0);
        assert_int_equal(cheng_lock_release(&held[place]), 0);
    }
    assert_int_equal(cheng_lock_acquire_until(&mine, CHENG_NOW), -EAGAIN); /* who forks keeps what it holds */
    assert_int_equal(cheng_lock_release(&mine), 0);
    cheng_lock_acquire(&unused);
    assert_int_equal(cheng_lock_release(&unused), 0);
}

TEST(locks_of_others)
{
    struct actor actors[PLACES];
    for (enum place place = 0; place < PLACES; place++) {
        actor_start(&actors[place], place, hold_until_stopped, &held[place]);
        wait_until_blocked(actors[place].self, CHENGI_WAIT_EVENT);
    }
    cheng_lock_acquire(&mine);
    in_child(check_locks);
    in_child(check_locks);
    assert_int_equal(cheng_lock_release(&mine), 0);
    cheng_event_set(&stop); /* nothing has changed here */
    for (enum place place = 0; place < PLACES; place++) {
        assert_int_equal(actor_join(&actors[place]), 0);
        assert_int_equal(cheng_lock_acquire_until(&held[place], CHENG_NOW), -EOWNERDEAD);
    }
}

/* A lock that is reserved for a starving waiter, who did not come along, is no lock for ever. */
static cheng_lock reserved = { .word = CHENGI_STARVING | CHENGI_PARKED };

static void take_reserved(void)
{
    assert_int_equal(cheng_lock_acquire_until(&reserved, CHENG_FOREVER), 0);
    assert_int_equal(cheng_lock_release(&reserved), 0);
    assert_int_equal(reserved.word, 0);
}

TEST(lock_reserved_for_another)
{
    (void)cheng_current();
    in_child(take_reserved);
}

/* ---- tasks that did not come along ---- */

static struct actor sleeper;

/* The parent's workers are woken by descriptors that the child has closed, and whose numbers are soon other files'. */
static void cancel_writes_to_no_file(void)
{
    struct pollfd files[64];
    for (unsigned i = 0; i < 64; i++)
        files[i] = (struct pollfd){ .fd = eventfd(0, EFD_NONBLOCK), .events = POLLIN };
    cheng_cancel(sleeper.self);
    assert_int_equal(poll(files, 64, 0), 0);
}

TEST(cancel_of_a_parents_task)
{
    for (enum place place = 0; place < PLACES; place++) {
        cheng_event_clear(&stop);
        actor_start(&sleeper, place, hold_until_stopped, &held[place]);
        wait_until_blocked(sleeper.self, CHENGI_WAIT_EVENT);
        while (place != IN_THREAD && !__atomic_load_n(&sleeper.self->worker->sleeping, __ATOMIC_ACQUIRE))
            cheng_yield();
        in_child(cancel_writes_to_no_file);
        cheng_event_set(&stop);
        assert_int_equal(actor_join(&sleeper), 0);
    }
}

static int want_mine(void *context)
{
    (void)context;
    int rc = cheng_lock_acquire_until(&mine, CHENG_FOREVER);
    if (rc == 0)
        assert_int_equal(cheng_lock_release(&mine), 0);
    return rc;
}

static int sleep_a_little(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_sleep(20 * CHENG_MILLISECOND);
}

/* The child uses the slots of tasks that it has freed; what those waited for has no meaning any more. */
static void join_in_the_slot_of_who_waited(void)
{
    cheng_task *task, *slot = sleeper.self;
    cheng_task_free(slot);
    assert_int_equal(cheng_start(&task, CHENG_COROUTINE, sleep_a_little, NULL, 0, NULL), 0);
    assert_ptr_equal(task, slot);
    assert_int_equal(cheng_join(task, NULL), 0); /* not -EDEADLK */
    cheng_task_free(task);
}

TEST(a_slot_of_the_parents) // notsan: noasan: noqemu: no threads in a threaded program's child
{
    cheng_lock_acquire(&mine);
    actor_start(&sleeper, IN_COROUTINE, want_mine, NULL);
    wait_until_blocked(sleeper.self, CHENGI_WAIT_LOCK);
    in_child(join_in_the_slot_of_who_waited);
    assert_int_equal(cheng_lock_release(&mine), 0);
    assert_int_equal(actor_join(&sleeper), 0);
}

/* ---- from every kind of task ---- */

/* The library's threads hold the program's signals; a child that is left with such a thread must not: it could not be
 * ended. */
static int fork_and_look_at_signals(const void *argument, void *result)
{
    (void)argument, (void)result;
    sigset_t before;
    pid_t pid = fork();
    if (pid == 0) {
        assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
        _exit(sigismember(&before, SIGTERM) || !sigismember(&before, SIGUSR2));
    }
    wait_for(pid);
    return 0;
}

static int offload_the_fork(const void *argument, void *result)
{
    return cheng_offload(fork_and_look_at_signals, argument, result);
}

TEST(signals)
{
    static cheng_fn *const functions[] = { fork_and_look_at_signals, offload_the_fork };
    sigset_t held_by_us;
    sigemptyset(&held_by_us);
    sigaddset(&held_by_us, SIGUSR2);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &held_by_us, NULL), 0); /* inherited by all threads */
    for (unsigned i = 0; i < 2; i++) {
        cheng_task *task;
        int status = -1;
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, functions[i], NULL, 0, NULL), 0);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(task);
    }
}

static int fork_and_start(void *context)
{
    (void)context;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20 * (slowed_down() ? 4 : 1));
        start_anew();
        assert_int_equal(cheng_sleep(CHENG_MILLISECOND), 0);
        _exit(0);
    }
    wait_for(pid);
    return cheng_sleep(CHENG_MILLISECOND);
}

TEST(from_a_thread_a_coroutine_and_cheng_run) // notsan: noasan: noqemu: threads in a child
{
    start_anew();
    for (unsigned i = 0; i < 6; i++) {
        struct actor actor;
        actor_start(&actor, (enum place)(i % PLACES), fork_and_start, NULL);
        assert_int_equal(actor_join(&actor), 0);
    }
    start_anew();
}

/* A coroutine that forks goes on as a thread in the child, with its lock, name and stack; when its function returns
 * the child exits. */
static int go_on_in_the_child(void *context)
{
    char name[32];
    pid_t pid;
    (void)context;
    snprintf(name, sizeof name, "%s", cheng_name());
    cheng_lock_acquire(&mine);
    pid = fork();
    if (pid == 0) {
        alarm(20 * (slowed_down() ? 4 : 1));
        assert_string_equal(cheng_name(), name);
        assert_int_equal(cheng_lock_release(&mine), 0);
        assert_int_equal(cheng_event_wait_until(&stop, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
        start_anew();
        return 0;
    }
    wait_for(pid);
    assert_int_equal(cheng_lock_release(&mine), 0);
    return 0;
}

TEST(a_coroutine_goes_on_in_the_child) // notsan: noasan: noqemu: no threads in a threaded program's child
{
    for (enum place place = IN_COROUTINE; place < PLACES; place++) {
        struct actor actor;
        actor_start(&actor, place, go_on_in_the_child, NULL);
        assert_int_equal(actor_join(&actor), 0);
    }
}

static void fork_again(void)
{
    start_anew();
    in_child(start_anew);
}

TEST(a_child_of_a_child) // notsan: noasan: noqemu: no threads in a threaded program's child
{
    start_anew();
    in_child(fork_again);
}

/* ---- a lot that has grown ---- */

static int wait_for_stop(const void *argument, void *result)
{
    (void)argument, (void)result;
    cheng_event own = { 0 }; /* each its own word */
    return cheng_event_wait(&own) == -ECANCELED ? 0 : -EIO;
}

TEST(with_many_words_waited_for) // notsan: noasan: noqemu: no threads in a threaded program's child
{
    enum { COUNT = 400 };
    static cheng_task *tasks[10 * COUNT];
    unsigned count = RUNNING_ON_VALGRIND ? COUNT : 10 * COUNT;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, wait_for_stop, NULL, 0, NULL), 0);
    for (unsigned i = 0; i < count; i++)
        wait_until_blocked(tasks[i], CHENGI_WAIT_EVENT);
    in_child(fork_again);
    for (unsigned i = 0; i < count; i++)
        cheng_cancel(tasks[i]);
    for (unsigned i = 0; i < count; i++) {
        int status = 1;
        assert_int_equal(cheng_join(tasks[i], &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(tasks[i]);
    }
}

/* ---- under load ---- */

enum { HAMMERS = 8 };
static cheng_task *of_the_parent[2];

static void join_the_parents_tasks(void)
{
    for (int i = 0; i < 2; i++) {
        int status = 0;
        assert_false(cheng_task_is_alive(of_the_parent[i]));
        assert_int_equal(cheng_join(of_the_parent[i], &status), 0);
        assert_int_equal(status, -EOWNERDEAD);
        cheng_task_free(of_the_parent[i]);
    }
}

TEST(tasks_of_the_parent_have_ended)
{
    static const enum cheng_kind kinds[] = { CHENG_THREAD, CHENG_COROUTINE };
    for (int i = 0; i < 2; i++)
        assert_int_equal(cheng_start(&of_the_parent[i], kinds[i], wait_for_stop, NULL, 0, NULL), 0);
    in_child(join_the_parents_tasks);
    for (int i = 0; i < 2; i++) {
        int status = -1;
        wait_until_blocked(of_the_parent[i], CHENGI_WAIT_EVENT); /* it has begun */
        cheng_cancel(of_the_parent[i]);
        assert_int_equal(cheng_join(of_the_parent[i], &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(of_the_parent[i]);
    }
}

static cheng_lock hammered[4];
static cheng_semaphore units = CHENG_SEMAPHORE(3);
static cheng_queue *queue;
static bool enough;

static int hammer(void *context)
{
    uint64_t random = *(uint64_t *)context;
    int item = 1;
    cheng_task *task;
    while (!__atomic_load_n(&enough, __ATOMIC_RELAXED)) {
        cheng_lock *lock = &hammered[random_below(&random, 4)];
        CHENG_WITH(lock)
            if (random_below(&random, 8) == 0)
                cheng_yield();
        if (cheng_semaphore_acquire_until(&units, cheng_after(50 * CHENG_MICROSECOND)) == 0)
            cheng_semaphore_release(&units, 1);
        if (cheng_queue_put_until(queue, &item, CHENG_NOW) == 0)
            assert_int_equal(cheng_queue_get(queue, &item), 0);
        if (random_below(&random, 8) == 0 &&
            cheng_start(&task, CHENG_COROUTINE, return_42, NULL, 0, NULL) == 0) {
            cheng_join(task, NULL);
            cheng_task_free(task);
        }
    }
    return 0;
}

/* Whatever the others were in the midst of. */
static void use_what_was_hammered(void)
{
    for (int i = 0; i < 4; i++) {
        int rc = cheng_lock_acquire_until(&hammered[i], CHENG_FOREVER);
        assert_true(rc == 0 || rc == -EOWNERDEAD);
        assert_int_equal(cheng_lock_release(&hammered[i]), 0);
        cheng_lock_acquire(&hammered[i]);
        assert_int_equal(cheng_lock_release(&hammered[i]), 0);
    }
    int rc = cheng_semaphore_acquire_until(&units, cheng_after(CHENG_MILLISECOND));
    assert_true(rc == 0 || rc == -ETIMEDOUT);
    assert_int_equal(cheng_semaphore_release(&units, 1), 0);
    start_anew();
}

TEST(while_eight_hammer_everything) // notsan: noasan: noqemu: no threads in a threaded program's child
{
    struct actor actors[HAMMERS];
    uint64_t seed = test_seed(), seeds[HAMMERS];
    assert_int_equal(cheng_queue_new(&queue, sizeof(int), &(cheng_queue_options){ .capacity = 2 }), 0);
    for (unsigned i = 0; i < HAMMERS; i++) {
        seeds[i] = next_random(&seed);
        actor_start(&actors[i], i < 4 ? IN_THREAD : (enum place)(i % PLACES), hammer, &seeds[i]);
    }
    for (unsigned i = 0; i < scaled(test_long() ? 300 : 60); i++)
        in_child(use_what_was_hammered);
    __atomic_store_n(&enough, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < HAMMERS; i++)
        assert_int_equal(actor_join(&actors[i]), 0);
    cheng_queue_free(queue);
}
