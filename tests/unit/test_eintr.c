/* A signal that a program's handler takes ends no wait: neither early nor with an error, in whatever thread it arrives. */
#include "unit/sockets.h"

#include <pthread.h>
#include <signal.h>

static uint32_t taken;

static void take(int number)
{
    (void)number;
    __atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
}

static cheng_lock lock;
static cheng_condition changed;
static cheng_event event;
static cheng_semaphore semaphore;
static cheng_queue *queue;
static cheng_task *joined;
static struct pair pair;
static int ends[2];

/* Nothing but the cancel ends it. */
static int sleep_long(void)
{
    assert_int_equal(cheng_sleep(60 * CHENG_SECOND), -ECANCELED);
    return 0;
}

static int want_lock(void)
{
    CHENG_WITH(&lock) {}
    return 0;
}

static bool is_set(void *unused)
{
    (void)unused;
    return cheng_event_is_set(&event);
}

static int want_change(void)
{
    cheng_lock own = { 0 };
    int rc = 0;
    CHENG_WITH(&own)
        rc = cheng_condition_wait_for(&changed, &own, is_set, NULL, CHENG_FOREVER);
    return rc;
}

static int want_event(void)
{
    return cheng_event_wait_until(&event, cheng_after(60 * CHENG_SECOND));
}

static int want_unit(void)
{
    return cheng_semaphore_acquire(&semaphore);
}

static int want_item(void)
{
    char item;
    return cheng_queue_get(queue, &item);
}

static int want_end(void)
{
    return cheng_join(joined, NULL);
}

static int want_byte(void)
{
    char byte;
    size_t n;
    return cheng_socket_read(pair.a, &byte, 1, &n);
}

static int want_byte_of_a_pipe(void)
{
    char byte;
    size_t n;
    return cheng_read(ends[0], &byte, 1, &n);
}

static const struct {
    int (*function)(void);
    enum wait_kind kind;
} waits[] = {
    { sleep_long, CHENGI_WAIT_SLEEP },
    { want_lock, CHENGI_WAIT_LOCK },
    { want_change, CHENGI_WAIT_CONDITION },
    { want_event, CHENGI_WAIT_EVENT },
    { want_unit, CHENGI_WAIT_SEMAPHORE },
    { want_item, CHENGI_WAIT_GET },
    { want_end, CHENGI_WAIT_JOIN },
    { want_byte, CHENGI_WAIT_READ },
    { want_byte_of_a_pipe, CHENGI_WAIT_READ },
};

struct call {
    int (*function)(void);
    pthread_t thread;
};

static int wait_here(void *context)
{
    struct call *waiter = context;
    waiter->thread = pthread_self();
    return waiter->function();
}

static int wait_for_event(const void *argument, void *result)
{
    (void)argument, (void)result;
    return cheng_event_wait(&event);
}

static void begin(void)
{
    assert_int_equal(cheng_queue_new(&queue, 1, NULL), 0);
    assert_int_equal(pipe(ends), 0);
    pair = unix_pair();
    cheng_lock_acquire(&lock);
    assert_int_equal(cheng_start(&joined, CHENG_THREAD, wait_for_event, NULL, 0, NULL), 0);
}

/* Everything that any of them waits for. */
static void give(void)
{
    char byte = 'x';
    assert_int_equal(cheng_lock_release(&lock), 0);
    cheng_event_set(&event);
    cheng_condition_notify(&changed, 1);
    assert_int_equal(cheng_semaphore_release(&semaphore, 1), 0);
    assert_int_equal(cheng_queue_put(queue, &byte), 0);
    assert_int_equal(cheng_socket_write(pair.b, &byte, 1), 0);
    assert_int_equal(write(ends[1], &byte, 1), 1);
}

static void end(void)
{
    assert_int_equal(cheng_join(joined, NULL), 0);
    cheng_task_free(joined);
    cheng_queue_free(queue);
    pair_free(&pair);
    close(ends[0]);
    close(ends[1]);
    cheng_event_clear(&event);
    semaphore = (cheng_semaphore){ 0 };
}

/* The thread is in a system call by now, or about to be: some of the signals find it inside. */
static void disturb(pthread_t thread)
{
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        assert_int_equal(cheng_sleep(200 * CHENG_MICROSECOND), 0);
    }
}

TEST(a_handler_ends_no_wait)
{
    const struct sigaction action = { .sa_handler = take }; /* without SA_RESTART */
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    for (size_t w = 0; w < sizeof waits / sizeof *waits; w++)
        EACH_PLACE(place)
        {
            struct call waiter = { .function = waits[w].function };
            struct actor actor;
            begin();
            __atomic_store_n(&taken, 0, __ATOMIC_RELAXED);
            actor_start(&actor, (enum place)place, wait_here, &waiter);
            wait_until_blocked(actor.self, waits[w].kind);
            disturb(waiter.thread);
            while (place != IN_COROUTINE && __atomic_load_n(&taken, __ATOMIC_RELAXED) == 0)
                cheng_yield();
            if (place == IN_COROUTINE) /* the library's own threads leave signals to the program's */
                assert_int_equal(__atomic_load_n(&taken, __ATOMIC_RELAXED), 0);
            else
                assert_in_range(__atomic_load_n(&taken, __ATOMIC_RELAXED), 1, 20);
            assert_true(task_waits(actor.self, waits[w].kind));
            if (waits[w].kind == CHENGI_WAIT_SLEEP)
                cheng_cancel(actor.self);
            give();
            assert_int_equal(actor_join(&actor), 0);
            end();
        }
}
