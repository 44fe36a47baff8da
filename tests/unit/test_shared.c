/* What works between processes: two processes by fork share a lock, a condition, a semaphore, an event and a
 * queue. Deaths at every instant are in fault/test_kill.c. */
#include "unit/harness.h"

#include <cheng.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "arena/layout.h"
#include "queue/shared_ring.h"
#include "sync/shared_lock.h"

enum { SIZE = 1 << 20 };

static cheng_arena *arena;

/* A bound that never passes: what is woken here is woken by somebody, and a lost wake-up is a time-out of the
 * case. That the bound repairs what the dead left undone is shown by fault/test_kill.c. */
static void begin(void)
{
    assert_int_equal(cheng_arena_new(&arena, SIZE, &(cheng_arena_options){ .bound = 3600 * CHENG_SECOND }),
                     0);
}

static void *take(size_t size)
{
    void *block = cheng_arena_alloc(arena, size);
    assert_non_null(block);
    return block;
}

static cheng_lock *make_lock(void)
{
    cheng_lock *lock = take(sizeof *lock);
    assert_int_equal(cheng_lock_share(arena, lock), 0);
    return lock;
}

static cheng_event *make_event(void)
{
    cheng_event *event = take(sizeof *event);
    assert_int_equal(cheng_event_share(arena, event), 0);
    return event;
}

static cheng_semaphore *make_semaphore(unsigned value)
{
    cheng_semaphore *semaphore = take(sizeof *semaphore);
    assert_int_equal(cheng_semaphore_share(arena, semaphore, value), 0);
    return semaphore;
}

static cheng_queue *make_queue(size_t item_size, size_t capacity)
{
    cheng_queue *queue;
    cheng_queue_options options = { .capacity = capacity, .arena = arena };
    assert_int_equal(cheng_queue_new(&queue, item_size, &options), 0);
    return queue;
}

static void wait_for(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static pid_t start(void (*run)(void *), void *arg)
{
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run(arg);
        _exit(0);
    }
    return child;
}

static void in_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- lock ---- */

TEST(share_wants_an_object_in_the_arena)
{
    begin();
    cheng_arena *other = arena;
    cheng_lock lock = { 0 };
    cheng_event event = { 0 };
    cheng_semaphore semaphore = { 0 };
    cheng_condition condition = { 0 };
    assert_int_equal(cheng_lock_share(arena, &lock), -EINVAL);
    assert_int_equal(cheng_event_share(arena, &event), -EINVAL);
    assert_int_equal(cheng_semaphore_share(arena, &semaphore, 1), -EINVAL);
    assert_int_equal(cheng_condition_share(arena, &condition), -EINVAL);
    assert_int_equal(lock.kind | event.kind | semaphore.kind | condition.kind, 0);
    char *block = take(64);
    assert_int_equal(cheng_lock_share(arena, (cheng_lock *)(void *)(block + 1)), -EINVAL);
    assert_int_equal(cheng_semaphore_share(arena, (cheng_semaphore *)(void *)block, (unsigned)INT_MAX + 1),
                     -EINVAL);
    begin();
    assert_int_equal(cheng_lock_share(arena, (cheng_lock *)(void *)block), -EINVAL); /* another arena's */
    assert_int_equal(cheng_lock_share(other, (cheng_lock *)(void *)block), 0);
}

TEST(lock_in_one_process)
{
    begin();
    cheng_lock *lock = make_lock();
    assert_int_not_equal(lock->word, 0);
    assert_false(cheng_lock_locked(lock));
    assert_int_equal(cheng_lock_release(lock), -EPERM);
    for (int i = 0; i < 100; i++) {
        CHENG_WITH(lock) {
            assert_true(cheng_lock_locked(lock));
            assert_int_equal(cheng_lock_acquire_until(lock, CHENG_NOW), -EAGAIN);
            assert_int_equal(cheng_lock_acquire_until(lock, CHENG_FOREVER), -EDEADLK);
            assert_int_equal(cheng_lock_acquire_until(lock, cheng_after(CHENG_MILLISECOND)), -EDEADLK);
            assert_non_null(strstr(cheng_deadlock_report(), "waits for itself"));
            assert_non_null(strstr(cheng_deadlock_report(), "holds since"));
            assert_non_null(strstr(cheng_deadlock_report(), "test_shared.c:"));
        }
        assert_false(cheng_lock_locked(lock));
        assert_true(lock->holder == 0); /* or a task that ends next would look as if it had died holding it */
        assert_int_equal(cheng_lock_release(lock), -EPERM);
    }
    assert_int_equal(cheng_lock_acquire_until(lock, cheng_after(-1)), 0);
    assert_int_equal(cheng_lock_release(lock), 0);
}

static void *try_from_thread(void *arg)
{
    cheng_lock *lock = arg;
    assert_int_equal(cheng_lock_release(lock), -EPERM);
    assert_int_equal(cheng_lock_acquire_until(lock, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_lock_acquire_until(lock, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    return NULL;
}

static void try_from_process(void *arg)
{
    try_from_thread(arg);
}

TEST(held_by_another)
{
    begin();
    cheng_lock *lock = make_lock();
    cheng_lock_acquire(lock);
    in_thread(try_from_thread, lock);
    wait_for(start(try_from_process, lock));
    assert_int_equal(cheng_lock_release(lock), 0);
}

static void *abandon(void *arg)
{
    cheng_lock_acquire((cheng_lock *)arg);
    return NULL;
}

static void abandon_in_process(void *arg)
{
    abandon(arg);
}

/* A thread that ended holding it is found by its own process; others see it held, until that one ends. */
TEST(abandoned_by_a_thread)
{
    begin();
    cheng_lock *lock = make_lock();
    for (int i = 0; i < 300; i++) { /* past a round of the generations of a runner's slot */
        in_thread(abandon, lock);
        if (i % 100 == 0)
            wait_for(start(try_from_process, lock));
        assert_int_equal(cheng_lock_acquire_until(lock, i % 2 ? CHENG_NOW : CHENG_FOREVER), -EOWNERDEAD);
        assert_int_equal(cheng_lock_release(lock), 0);
        assert_int_equal(cheng_lock_acquire_until(lock, CHENG_NOW), 0);
        assert_int_equal(cheng_lock_release(lock), 0);
    }
}

TEST(abandoned_by_a_process)
{
    begin();
    cheng_lock *lock = make_lock();
    for (int i = 0; i < 20; i++) {
        wait_for(start(abandon_in_process, lock));
        assert_int_equal(cheng_lock_acquire_until(lock, i % 2 ? CHENG_NOW : CHENG_FOREVER), -EOWNERDEAD);
        assert_int_equal(cheng_lock_release(lock), 0);
        assert_int_equal(cheng_lock_acquire_until(lock, CHENG_NOW), 0);
        assert_int_equal(cheng_lock_release(lock), 0);
    }
}

struct counted {
    cheng_lock *lock;
    cheng_condition *changed;
    int64_t a, b, turn, rounds;
};

static void *take_over(void *arg)
{
    struct counted *counted = arg;
    int rc = cheng_lock_acquire_until(counted->lock, CHENG_FOREVER);
    assert_true(rc == 0 || rc == -EOWNERDEAD);
    counted->a += rc == -EOWNERDEAD;
    assert_int_equal(__atomic_exchange_n(&counted->turn, 1, __ATOMIC_RELAXED), 0);
    for (int i = 0; i < 200; i++)
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&counted->turn, 0, __ATOMIC_RELAXED);
    assert_int_equal(cheng_lock_release(counted->lock), 0);
    return NULL;
}

static void take_over_in_process(void *arg)
{
    take_over(arg);
}

TEST(one_of_many_takes_over)
{
    begin();
    struct counted *counted = take(sizeof *counted);
    counted->lock = make_lock();
    for (int i = 0; i < 100; i++) {
        wait_for(start(abandon_in_process, counted->lock));
        pthread_t threads[3];
        pid_t children[2];
        for (int j = 0; j < 2; j++)
            children[j] = start(take_over_in_process, counted);
        for (int j = 0; j < 3; j++)
            assert_int_equal(pthread_create(&threads[j], NULL, take_over, counted), 0);
        for (int j = 0; j < 3; j++)
            assert_int_equal(pthread_join(threads[j], NULL), 0);
        for (int j = 0; j < 2; j++)
            wait_for(children[j]);
        assert_int_equal(counted->a, i + 1);
    }
}

/* The moment between the two stores of one who takes over: the word is ours, the holder is the dead one's. */
TEST(the_holder_of_another_process_is_not_ours)
{
    begin();
    cheng_lock *lock = make_lock();
    wait_for(start(abandon_in_process, lock));
    uint64_t left = lock->holder;
    assert_true(left != 0);
    assert_int_equal(cheng_lock_acquire_until(lock, CHENG_NOW), -EOWNERDEAD);
    uint64_t mine = lock->holder;
    for (uint64_t task = 0; task < 64;
         task++) { /* a task of theirs that is us, that is another, that is none */
        lock->holder = (left & UINT32_MAX) | ((mine >> 32) ^ task << 8) << 32;
        assert_int_equal(cheng_lock_acquire_until(lock, CHENG_NOW), -EAGAIN);
        assert_int_equal(cheng_lock_acquire_until(lock, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
        assert_int_equal(cheng_lock_release(lock), -EPERM);
    }
    lock->holder = mine;
    assert_int_equal(cheng_lock_release(lock), 0);
}

TEST(a_child_does_not_hold_what_its_parent_holds)
{
    begin();
    cheng_lock *lock = make_lock();
    cheng_lock_acquire(lock);
    wait_for(start(try_from_process, lock));
    assert_int_equal(cheng_lock_release(lock), 0);
}

static void count_up(void *arg)
{
    struct counted *counted = arg;
    for (int64_t i = 0; i < counted->rounds; i++)
        CHENG_WITH(counted->lock) {
            counted->a++;
            counted->b++;
        }
}

static void *count_up_in_thread(void *arg)
{
    count_up(arg);
    return NULL;
}

TEST(mutual_exclusion_of_processes_and_threads)
{
    begin();
    struct counted *counted = take(sizeof *counted);
    counted->lock = make_lock();
    counted->rounds = 20000;
    pid_t children[3];
    pthread_t threads[2];
    for (int i = 0; i < 3; i++)
        children[i] = start(count_up, counted);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up_in_thread, counted), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 3; i++)
        wait_for(children[i]);
    assert_int_equal(counted->a, 5 * counted->rounds);
    assert_int_equal(counted->b, 5 * counted->rounds);
    assert_false(cheng_lock_locked(counted->lock));
}

/* A holder that takes the lock again at once does not starve who waits. */
static void greedy(void *arg)
{
    struct counted *counted = arg;
    while (__atomic_load_n(&counted->turn, __ATOMIC_RELAXED) < 20) {
        cheng_lock_acquire(counted->lock);
        for (int i = 0; i < 2000; i++)
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
        cheng_lock_release(counted->lock);
    }
}

TEST(nobody_starves)
{
    begin();
    struct counted *counted = take(sizeof *counted);
    counted->lock = make_lock();
    pid_t children[2] = { start(greedy, counted), start(greedy, counted) };
    for (int i = 0; i < 20; i++) {
        int64_t before = cheng_clock_ns();
        cheng_lock_acquire(counted->lock);
        assert_true(cheng_clock_ns() - before < CHENG_SECOND);
        cheng_lock_release(counted->lock);
        __atomic_fetch_add(&counted->turn, 1, __ATOMIC_RELAXED);
    }
    wait_for(children[0]);
    wait_for(children[1]);
}

TEST(not_a_lock_or_not_here)
{
    begin();
    cheng_event *event = make_event();
    cheng_lock *lock = make_lock(), copy = *lock;
    assert_int_equal(chengi_shared_lock_acquire((cheng_lock *)(void *)event, CHENG_NOW, NULL), -EINVAL);
    assert_int_equal(cheng_lock_acquire_until(&copy, CHENG_NOW), -EOPNOTSUPP); /* copied out of its arena */
    assert_int_equal(cheng_lock_release(&copy), -EOPNOTSUPP);
    cheng_lock *private_one = take(sizeof *private_one);
    assert_int_equal(cheng_lock_acquire_until(private_one, CHENG_NOW), 0); /* only the slow path looks */
    assert_int_equal(cheng_lock_acquire_until(lock, CHENG_NOW), 0);
}

/* ---- condition ---- */

static void answer_turns(void *arg)
{
    struct counted *counted = arg;
    for (int64_t i = 0; i < counted->rounds; i++)
        CHENG_WITH(counted->lock) {
            while (counted->turn == 0)
                assert_int_equal(cheng_condition_wait(counted->changed, counted->lock), 0);
            counted->turn = 0;
            cheng_condition_notify(counted->changed, 1);
        }
}

TEST(condition_between_processes)
{
    begin();
    struct counted *counted = take(sizeof *counted);
    counted->lock = make_lock();
    counted->changed = take(sizeof *counted->changed);
    counted->rounds = 2000;
    assert_int_equal(cheng_condition_share(arena, counted->changed), 0);
    pid_t child = start(answer_turns, counted);
    for (int64_t i = 0; i < counted->rounds; i++)
        CHENG_WITH(counted->lock) {
            while (counted->turn == 1)
                assert_int_equal(cheng_condition_wait(counted->changed, counted->lock), 0);
            counted->turn = 1;
            cheng_condition_notify(counted->changed, 1);
        }
    wait_for(child);
}

TEST(condition_errors)
{
    begin();
    cheng_lock *lock = make_lock(), private_lock = { 0 };
    cheng_condition *condition = take(sizeof *condition), private_condition = { 0 };
    assert_int_equal(cheng_condition_share(arena, condition), 0);
    assert_int_equal(cheng_condition_wait(condition, lock), -EPERM);
    CHENG_WITH(lock) {
        assert_int_equal(cheng_condition_wait_until(condition, lock, CHENG_NOW), -EAGAIN);
        /* A wait may end for no reason: only the deadline's own error is certain to come in the end. */
        cheng_deadline deadline = cheng_after(20 * CHENG_MILLISECOND);
        int rc;
        while ((rc = cheng_condition_wait_until(condition, lock, deadline)) == 0)
            ;
        assert_int_equal(rc, -ETIMEDOUT);
        assert_int_equal(cheng_condition_wait(&private_condition, lock), -EINVAL);
    }
    CHENG_WITH(&private_lock)
        assert_int_equal(cheng_condition_wait(condition, &private_lock), -EINVAL);
}

/* ---- semaphore ---- */

static void take_units(void *arg)
{
    cheng_semaphore *semaphores = arg;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(cheng_semaphore_acquire(&semaphores[0]), 0);
        assert_int_equal(cheng_semaphore_release(&semaphores[1], 1), 0);
    }
}

TEST(semaphore_between_processes)
{
    begin();
    cheng_semaphore *semaphores = take(2 * sizeof *semaphores);
    assert_int_equal(cheng_semaphore_share(arena, &semaphores[0], 0), 0);
    assert_int_equal(cheng_semaphore_share(arena, &semaphores[1], 3), 0);
    pid_t children[2] = { start(take_units, semaphores), start(take_units, semaphores) };
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(cheng_semaphore_acquire(&semaphores[1]), 0);
        assert_int_equal(cheng_semaphore_release(&semaphores[0], 1), 0);
    }
    wait_for(children[0]);
    wait_for(children[1]);
    assert_int_equal(cheng_semaphore_value(&semaphores[0]), 0);
    assert_int_equal(cheng_semaphore_value(&semaphores[1]), 3);
}

TEST(semaphore_errors)
{
    begin();
    cheng_semaphore *semaphore = make_semaphore(0);
    assert_int_equal(cheng_semaphore_acquire_until(semaphore, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_semaphore_acquire_until(semaphore, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_semaphore_release(semaphore, INT_MAX), 0);
    assert_int_equal(cheng_semaphore_release(semaphore, 1), -EOVERFLOW);
    cheng_semaphore *private_one = take(sizeof *private_one);
    assert_int_equal(cheng_semaphore_acquire_until(private_one, cheng_after(CHENG_SECOND)), -EINVAL);
}

/* ---- event ---- */

static void answer_events(void *arg)
{
    cheng_event *events = arg;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(cheng_event_wait(&events[0]), 0);
        cheng_event_clear(&events[0]);
        cheng_event_set(&events[1]);
    }
}

TEST(event_between_processes)
{
    begin();
    cheng_event *events = take(2 * sizeof *events);
    assert_int_equal(cheng_event_share(arena, &events[0]), 0);
    assert_int_equal(cheng_event_share(arena, &events[1]), 0);
    pid_t child = start(answer_events, events);
    for (int i = 0; i < 2000; i++) {
        cheng_event_set(&events[0]);
        assert_int_equal(cheng_event_wait(&events[1]), 0);
        cheng_event_clear(&events[1]);
    }
    wait_for(child);
}

TEST(event_errors)
{
    begin();
    cheng_event *event = make_event();
    assert_int_equal(cheng_event_wait_until(event, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_event_wait_until(event, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    cheng_event_set(event);
    assert_int_equal(cheng_event_wait_until(event, CHENG_NOW), 0);
    cheng_event *private_one = take(sizeof *private_one);
    assert_int_equal(cheng_event_wait_until(private_one, cheng_after(CHENG_SECOND)), -EINVAL);
}

/* ---- queue ---- */

TEST(queue_errors)
{
    begin();
    cheng_queue *queue;
    cheng_queue_options options = { .capacity = 3, .arena = arena };
    assert_int_equal(cheng_queue_new(&queue, 0, &options), -EINVAL);
    assert_int_equal(cheng_queue_new(&queue, 65537, &options), -EINVAL);
    assert_int_equal(
        cheng_queue_new(&queue, 65536, &(cheng_queue_options){ .capacity = 100, .arena = arena }), -ENOMEM);
    assert_int_equal(cheng_queue_new(&queue, 4, &(cheng_queue_options){ .arena = arena }), -EINVAL);
    size_t used = cheng_arena_used(arena);
    queue = make_queue(sizeof(int), 3);
    assert_int_equal(cheng_arena_free(arena), -EBUSY);
    int item = 77;
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(item, 77);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_queue_put(queue, &i), 0);
    assert_int_equal(cheng_queue_size(queue), 3);
    assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_queue_put_until(queue, &item, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_queue_put_until(queue, &item, cheng_after(-1)), -ETIMEDOUT);
    cheng_queue_close(queue);
    cheng_queue_close(queue);
    assert_int_equal(cheng_queue_put(queue, &item), -EPIPE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(-1)), 0);
        assert_int_equal(item, i);
    }
    assert_int_equal(cheng_queue_get(queue, &item), -EPIPE);
    assert_int_equal(cheng_queue_size(queue), 0);
    cheng_queue_free(queue);
    assert_int_equal(cheng_arena_used(arena), used);
    assert_int_equal(cheng_arena_free(arena), 0);
}

enum { PRODUCERS = 2, CONSUMERS = 2, ITEMS = 10000 };

struct flow {
    cheng_queue *queue;
    uint32_t producer; /* the next one's number */
    uint8_t seen[PRODUCERS][ITEMS];
};

struct item {
    uint32_t producer, number;
    unsigned char filling[24];
};

static void produce(void *arg)
{
    struct flow *flow = arg;
    struct item item = { .producer = __atomic_fetch_add(&flow->producer, 1, __ATOMIC_RELAXED) };
    for (item.number = 0; item.number < ITEMS; item.number++) {
        memset(item.filling, (int)item.number, sizeof item.filling);
        assert_int_equal(cheng_queue_put(flow->queue, &item), 0);
    }
}

static void consume(void *arg)
{
    struct flow *flow = arg;
    struct item item;
    int64_t last[PRODUCERS] = { -1, -1 };
    int rc;
    while ((rc = cheng_queue_get(flow->queue, &item)) == 0) {
        for (size_t i = 0; i < sizeof item.filling; i++)
            assert_int_equal(item.filling[i], (unsigned char)item.number);
        assert_true(item.number > last[item.producer]); /* in order, each producer's */
        last[item.producer] = item.number;
        __atomic_fetch_add(&flow->seen[item.producer][item.number], 1, __ATOMIC_RELAXED);
    }
    assert_int_equal(rc, -EPIPE);
}

TEST(queue_between_processes)
{
    for (size_t capacity = 1; capacity < 200; capacity = capacity * 5 + 2) {
        begin();
        struct flow *flow = take(sizeof *flow);
        flow->queue = make_queue(sizeof(struct item), capacity);
        pid_t producers[PRODUCERS], consumers[CONSUMERS];
        for (int i = 0; i < CONSUMERS; i++)
            consumers[i] = start(consume, flow);
        for (int i = 0; i < PRODUCERS; i++)
            producers[i] = start(produce, flow);
        for (int i = 0; i < PRODUCERS; i++)
            wait_for(producers[i]);
        cheng_queue_close(flow->queue);
        for (int i = 0; i < CONSUMERS; i++)
            wait_for(consumers[i]);
        for (int i = 0; i < PRODUCERS; i++)
            for (int j = 0; j < ITEMS; j++)
                assert_int_equal(flow->seen[i][j], 1);
        cheng_queue_free(flow->queue);
        assert_int_equal(cheng_arena_free(arena), 0);
    }
}

static void *close_later(void *arg)
{
    usleep(20000); /* the other should be asleep by now; if not, the case is merely easier */
    cheng_queue_close((cheng_queue *)arg);
    return NULL;
}

TEST(close_wakes_who_waits)
{
    begin();
    cheng_queue *empty = make_queue(4, 1), *full = make_queue(4, 1);
    int item = 1;
    pthread_t threads[2];
    assert_int_equal(cheng_queue_put(full, &item), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, close_later, empty), 0);
    assert_int_equal(cheng_queue_get(empty, &item), -EPIPE);
    assert_int_equal(pthread_create(&threads[1], NULL, close_later, full), 0);
    assert_int_equal(cheng_queue_put(full, &item), -EPIPE);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    cheng_queue_free(empty);
    cheng_queue_free(full);
}

static void *close_now(void *arg)
{
    cheng_queue_close((cheng_queue *)arg);
    return NULL;
}

/* The same, with close anywhere in the call: nobody goes to sleep on a queue that has just been closed. */
TEST(close_races_with_going_to_sleep)
{
    begin();
    for (int i = 0; i < 2000; i++) {
        cheng_queue *queue = make_queue(4, 1);
        int item = 1;
        pthread_t thread;
        if (i % 2 == 0)
            assert_int_equal(cheng_queue_put(queue, &item), 0);
        assert_int_equal(pthread_create(&thread, NULL, close_now, queue), 0);
        for (int j = 0; j < i * 7 % 4000; j++)
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
        int rc = i % 2 == 0 ? cheng_queue_put(queue, &item) : cheng_queue_get(queue, &item);
        assert_int_equal(rc, -EPIPE);
        assert_int_equal(pthread_join(thread, NULL), 0);
        cheng_queue_free(queue);
    }
}

TEST(only_the_maker_frees_the_queue)
{
    begin();
    cheng_queue *queue = make_queue(sizeof(int), 8);
    size_t used = cheng_arena_used(arena);
    pid_t child = fork();
    if (child == 0) {
        int item = 5;
        assert_int_equal(cheng_queue_put(queue, &item), 0);
        cheng_queue_free(queue);
        _exit(0);
    }
    wait_for(child);
    int item = 0;
    assert_int_equal(cheng_arena_used(arena), used);
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
    assert_int_equal(item, 5);
    cheng_queue_free(queue);
    assert_true(cheng_arena_used(arena) < used);
}

/* ---- threads and coroutines of one process, and another process ---- */

static int count_up_as_task(const void *arg, void *result)
{
    (void)result;
    count_up((void *)(uintptr_t)arg);
    return 0;
}

TEST(coroutines_threads_and_processes_share_a_lock)
{
    begin();
    struct counted *counted = take(sizeof *counted);
    counted->lock = make_lock();
    counted->rounds = 3000;
    pid_t child = start(count_up, counted);
    cheng_task *tasks[6];
    for (int i = 0; i < 6; i++)
        assert_int_equal(cheng_start(&tasks[i], i < 4 ? CHENG_COROUTINE : CHENG_THREAD, count_up_as_task,
                                     counted, 0, NULL),
                         0);
    for (int i = 0; i < 6; i++) {
        int status = -1;
        assert_int_equal(cheng_join(tasks[i], &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(tasks[i]);
    }
    wait_for(child);
    assert_int_equal(counted->a, 7 * counted->rounds);
    assert_int_equal(counted->b, 7 * counted->rounds);
}

static int consume_as_task(const void *arg, void *result)
{
    (void)result;
    consume((void *)(uintptr_t)arg);
    return 0;
}

TEST(a_process_puts_and_coroutines_get)
{
    begin();
    struct flow *flow = take(sizeof *flow);
    flow->queue = make_queue(sizeof(struct item), 16);
    pid_t child = start(produce, flow);
    cheng_task *tasks[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, consume_as_task, flow, 0, NULL), 0);
    wait_for(child);
    cheng_queue_close(flow->queue);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(flow->seen[0][i], 1);
    cheng_queue_free(flow->queue);
}

static int wait_in_get(const void *arg, void *result)
{
    cheng_queue *queue = (cheng_queue *)(uintptr_t)arg;
    int item;
    (void)result;
    return cheng_queue_get(queue, &item);
}

TEST(cancel_ends_a_wait_on_shared_memory)
{
    begin();
    cheng_queue *queue = make_queue(sizeof(int), 4);
    for (int kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++) {
        cheng_task *task;
        int status = 0;
        assert_int_equal(cheng_start(&task, (enum cheng_kind)kind, wait_in_get, queue, 0, NULL), 0);
        usleep(10000); /* asleep by now, or not: it ends in any case */
        cheng_cancel(task);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, -ECANCELED);
        cheng_task_free(task);
    }
    int item = 1;
    assert_int_equal(cheng_queue_put(queue, &item), 0);
    assert_int_equal(cheng_queue_get_until(queue, &item, CHENG_NOW), 0);
    cheng_queue_free(queue);
}

/* An unrelated process: its arena is at another address. */
static void open_by_name(const char *name)
{
    struct shared_ring *ring;
    struct {
        cheng_lock lock;
        uint64_t ring;
    } * root;
    int item;
    assert_int_equal(cheng_arena_attach(&arena, name), 0);
    root = cheng_arena_root(arena);
    assert_non_null(root);
    CHENG_WITH(&root->lock) {
        assert_int_equal(chengi_shared_ring_open(&ring, arena, arena->base + root->ring), 0);
        assert_int_equal(chengi_shared_ring_get(ring, &item, CHENG_NOW), 0);
        item++;
        assert_int_equal(chengi_shared_ring_put(ring, &item, CHENG_NOW), 0);
        chengi_shared_ring_free(ring);
    }
    assert_int_equal(cheng_lock_acquire_until(&root->lock, CHENG_NOW), 0); /* and dies with it */
}

TEST(objects_of_an_unrelated_process) // noqemu: novalgrind: starts itself again
{
    const char *inherited = getenv("CHENG_TEST_ARENA");
    if (inherited != NULL) {
        open_by_name(inherited);
        return;
    }
    char name[64];
    snprintf(name, sizeof name, "/cheng-test-shared-%d", (int)getpid());
    cheng_arena_options options = { .name = name, .bound = 5 * CHENG_MILLISECOND };
    assert_int_equal(cheng_arena_new(&arena, SIZE, &options), 0);
    struct {
        cheng_lock lock;
        uint64_t ring;
    } *root = take(sizeof *root);
    struct shared_ring *ring, *other;
    int item = 41;
    assert_int_equal(cheng_lock_share(arena, &root->lock), 0);
    assert_int_equal(chengi_shared_ring_new(&ring, arena, sizeof item, 4), 0);
    assert_int_equal(chengi_shared_ring_put(ring, &item, CHENG_NOW), 0);
    root->ring = (uint64_t)((const unsigned char *)chengi_shared_ring_part(ring) - arena->base);
    void *no_ring = (void *)(((uintptr_t)take(1024) + 63) & ~(uintptr_t)63);
    assert_int_equal(chengi_shared_ring_open(&other, arena, no_ring), -EBADMSG);
    assert_int_equal(chengi_shared_ring_open(&other, arena, root), -EINVAL); /* not aligned as one */
    assert_int_equal(chengi_shared_ring_open(&other, arena, &root), -EINVAL);
    cheng_arena_set_root(arena, root);
    pid_t child = fork();
    if (child == 0) {
        setenv("CHENG_TEST_ARENA", name, 1);
        execl("/proc/self/exe", "test_shared", "objects_of_an_unrelated_process", (char *)NULL);
        _exit(127);
    }
    wait_for(child);
    assert_int_equal(chengi_shared_ring_get(ring, &item, CHENG_NOW), 0);
    assert_int_equal(item, 42);
    assert_int_equal(cheng_lock_acquire_until(&root->lock, CHENG_FOREVER), -EOWNERDEAD);
    chengi_shared_ring_free(ring);
    assert_int_equal(cheng_arena_unlink(name), 0);
}

/* ---- corruption ---- */

TEST(each_bit_of_a_lock_flipped)
{
    begin();
    cheng_lock *lock = make_lock(), saved = *lock;
    for (unsigned bit = 0; bit < sizeof *lock * 8; bit++) {
        ((unsigned char *)lock)[bit / 8] ^= (unsigned char)(1 << bit % 8);
        int rc = cheng_lock_acquire_until(lock, cheng_after(20 * CHENG_MILLISECOND));
        bool held = rc == 0 || rc == -EOWNERDEAD;
        assert_true(held || rc == -EBADMSG || rc == -EOPNOTSUPP || rc == -EINVAL || rc == -ETIMEDOUT);
        (void)cheng_lock_release(lock);
        *lock = saved;
    }
}

TEST(each_bit_of_a_queue_flipped)
{
    begin();
    struct shared_ring *ring, *other;
    uint64_t item = 1;
    assert_int_equal(chengi_shared_ring_new(&ring, arena, sizeof item, 4), 0);
    unsigned char *part = (unsigned char *)(uintptr_t)chengi_shared_ring_part(ring);
    assert_int_equal(chengi_shared_ring_put(ring, &item, CHENG_NOW), 0);
    assert_int_equal(chengi_shared_ring_put(ring, &item, CHENG_NOW), 0);
    unsigned char saved[192];
    memcpy(saved, part, sizeof saved);
    unsigned noticed = 0;
    for (unsigned bit = 0; bit < sizeof saved * 8; bit++) {
        part[bit / 8] ^= (unsigned char)(1 << bit % 8);
        for (int i = 0; i < 3; i++) {
            int got = chengi_shared_ring_get(ring, &item, cheng_after(0));
            int put = chengi_shared_ring_put(ring, &item, cheng_after(0));
            noticed += got != 0 && put != 0;
        }
        (void)chengi_shared_ring_size(ring);
        chengi_shared_ring_close(ring);
        if (chengi_shared_ring_open(&other, arena, part) == 0)
            chengi_shared_ring_free(other);
        memcpy(part, saved, sizeof saved);
    }
    assert_true(noticed >= 3 * (64 + 64 + 32)); /* both indexes and the magic, each bit */
    assert_int_equal(chengi_shared_ring_get(ring, &item, CHENG_NOW), 0);
    chengi_shared_ring_free(ring);
}

TEST(the_header_overwritten_under_its_objects)
{
    begin();
    cheng_lock *lock = make_lock();
    cheng_queue *queue = make_queue(4, 1);
    cheng_event *event = make_event();
    cheng_semaphore *semaphore = make_semaphore(0);
    int item = 0;
    memset(arena->base, 0xff, 64); /* magic, size, rows: all that is fixed */
    assert_int_equal(cheng_lock_acquire_until(lock, CHENG_FOREVER), -EBADMSG);
    assert_int_equal(cheng_event_wait_until(event, cheng_after(CHENG_MILLISECOND)), -EBADMSG);
    assert_int_equal(cheng_semaphore_acquire_until(semaphore, cheng_after(CHENG_MILLISECOND)), -EBADMSG);
    assert_int_equal(cheng_queue_put_until(queue, &item, CHENG_NOW), -EBADMSG);
    assert_int_equal(cheng_queue_get_until(queue, &item, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT); /* never locks */
    cheng_queue_free(queue);
    assert_int_equal(cheng_arena_free(arena), 0);
}
