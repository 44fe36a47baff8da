/* The lock in shared memory, between processes. Deaths at every instant are in fault/kill. */
#include "unit/shared_objects.h"

#include "sync/shared_lock.h"

TEST(in_one_process)
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
            assert_non_null(strstr(cheng_deadlock_report(), "test_shared_lock.c:"));
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

static int count_up_as_task(const void *arg, void *result)
{
    (void)result;
    count_up((void *)(uintptr_t)arg);
    return 0;
}

TEST(coroutines_threads_and_processes_share_it)
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

TEST(each_bit_flipped)
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
