/* Every primitive between every two kinds: who holds it back and wakes × who waits × how the wait ends.
 *
 *   plain     the waiter blocks, the holder wakes it
 *   deadline  the same, with a deadline that does not come
 *   expires   nobody wakes it before its deadline
 *   cancel    nobody wakes it before it is cancelled (locks are not cancellation points: it waits on)
 *   now       it does not block
 *
 * The holder sits at the controls: it sees that the waiter sleeps before it does what its case says. */
#include "unit/actors.h"

enum way { PLAIN, DEADLINE, EXPIRES, CANCEL, NOW, WAYS };
static const char *const way_names[] = { "plain", "deadline", "expires", "cancel", "now" };

/* READ waits for a writer, WRITE for another, DRAIN is a writer that waits for a reader. */
enum primitive {
    LOCK,
    RLOCK,
    READ,
    WRITE,
    DRAIN,
    CONDITION,
    CONDITION_RLOCK,
    PREDICATE,
    EVENT,
    SEMAPHORE,
    BOUNDED,
    BARRIER,
    ONCE,
    GROUP,
    PUT,
    GET,
    DONE,
    JOIN,
    PRIMITIVES
};
static const struct {
    const char *name;
    enum wait_kind wait;
} primitives[] = { { "lock", CHENGI_WAIT_LOCK },
                   { "rlock", CHENGI_WAIT_LOCK },
                   { "rwlock, to read", CHENGI_WAIT_LOCK },
                   { "rwlock, to write", CHENGI_WAIT_LOCK },
                   { "rwlock, to write after a reader", CHENGI_WAIT_READERS },
                   { "condition", CHENGI_WAIT_CONDITION },
                   { "condition with an rlock", CHENGI_WAIT_CONDITION },
                   { "condition with a predicate", CHENGI_WAIT_CONDITION },
                   { "event", CHENGI_WAIT_EVENT },
                   { "semaphore", CHENGI_WAIT_SEMAPHORE },
                   { "bounded semaphore", CHENGI_WAIT_SEMAPHORE },
                   { "barrier", CHENGI_WAIT_BARRIER },
                   { "once", CHENGI_WAIT_LOCK },
                   { "wait group", CHENGI_WAIT_GROUP },
                   { "put", CHENGI_WAIT_PUT },
                   { "get", CHENGI_WAIT_GET },
                   { "join of a queue", CHENGI_WAIT_DONE },
                   { "join", CHENGI_WAIT_JOIN } };

static bool ignores_cancel(enum primitive primitive)
{
    return primitive <= DRAIN;
}

/* What PUT and GET are measured on; a case may choose another. */
static cheng_queue_options queue_options = { .capacity = 1 };

static int compare_items(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(uint32_t));
}

/* One meeting of a holder and a waiter. */
struct meeting {
    enum primitive primitive;
    enum way way;
    cheng_lock lock;
    cheng_rlock rlock;
    cheng_rwlock rwlock;
    cheng_condition condition;
    bool notified; /* the condition's predicate */
    cheng_event event;
    cheng_semaphore semaphore, bounded;
    cheng_barrier barrier;
    cheng_once once;
    cheng_wait_group group;
    cheng_queue *queue;
    cheng_task *joined;
    struct actor *waiter;
    cheng_event held; /* the holder has done what makes the waiter wait */
    cheng_event over; /* the waiter is done */
    int64_t begun_ns;
};

static bool rendezvous(void)
{
    return queue_options.capacity == CHENG_RENDEZVOUS;
}

/* A rendezvous with a waiter that has left, or has never come. */
static bool not_met(const struct meeting *m)
{
    return rendezvous() && m->way != PLAIN && m->way != DEADLINE;
}

static int wait_for_event(const void *argument, void *result)
{
    (void)result;
    return cheng_event_wait(*(cheng_event *const *)argument);
}

/* The holder's first half: makes the primitive one to wait for. */
static void hold(struct meeting *m)
{
    uint32_t item = 1;
    cheng_event *event = &m->event;
    switch (m->primitive) {
    case LOCK:
        assert_int_equal(cheng_lock_acquire_until(&m->lock, CHENG_NOW), 0);
        break;
    case RLOCK:
        assert_int_equal(cheng_rlock_acquire_until(&m->rlock, CHENG_NOW), 0);
        assert_int_equal(cheng_rlock_acquire_until(&m->rlock, CHENG_NOW), 0);
        break;
    case READ:
    case WRITE:
        assert_int_equal(cheng_rwlock_acquire_write_until(&m->rwlock, CHENG_NOW), 0);
        break;
    case DRAIN:
        assert_int_equal(cheng_rwlock_acquire_read_until(&m->rwlock, CHENG_NOW), 0);
        break;
    case BOUNDED:
        assert_int_equal(cheng_semaphore_acquire_until(&m->bounded, CHENG_NOW), 0);
        break;
    case GROUP:
        assert_int_equal(cheng_wait_group_add(&m->group, 1), 0);
        break;
    case PUT:
        if (!rendezvous())
            assert_int_equal(cheng_queue_put(m->queue, &item), 0);
        break;
    case DONE:
        assert_int_equal(cheng_queue_put(m->queue, &item), 0);
        assert_int_equal(cheng_queue_get(m->queue, &item), 0);
        break;
    case JOIN:
        assert_int_equal(cheng_start(&m->joined, CHENG_COROUTINE, wait_for_event, &event, sizeof event, NULL),
                         0);
        break;
    default:
        break;
    }
}

/* The second half: what the waiter waits for. */
static void give(struct meeting *m)
{
    uint32_t item = 2;
    switch (m->primitive) {
    case LOCK:
        assert_int_equal(cheng_lock_release(&m->lock), 0);
        break;
    case RLOCK:
        assert_int_equal(cheng_rlock_release(&m->rlock), 0);
        assert_int_equal(cheng_rlock_release(&m->rlock), 0);
        break;
    case READ:
    case WRITE:
        assert_int_equal(cheng_rwlock_release_write(&m->rwlock), 0);
        break;
    case DRAIN:
        assert_int_equal(cheng_rwlock_release_read(&m->rwlock), 0);
        break;
    case CONDITION:
    case PREDICATE:
        CHENG_WITH(&m->lock)
            m->notified = true;
        cheng_condition_notify(&m->condition, 1);
        break;
    case CONDITION_RLOCK:
        CHENG_WITH_RLOCK(&m->rlock)
        m->notified = true;
        cheng_condition_notify(&m->condition, 1);
        break;
    case BOUNDED:
        assert_int_equal(cheng_semaphore_release(&m->bounded, 1), 0);
        break;
    case BARRIER: /* the waiter is there, has broken it, or has not come */
        assert_int_equal(cheng_barrier_wait_until(&m->barrier, &item, CHENG_NOW),
                         m->way == NOW                           ? -EAGAIN
                         : m->way == EXPIRES || m->way == CANCEL ? -EPIPE
                                                                 : 0);
        assert_int_equal(item, m->way == PLAIN || m->way == DEADLINE ? 1 : 2);
        break;
    case ONCE:
        break;
    case GROUP:
        assert_int_equal(cheng_wait_group_done(&m->group), 0);
        break;
    case EVENT:
    case JOIN:
        cheng_event_set(&m->event);
        break;
    case SEMAPHORE:
        assert_int_equal(cheng_semaphore_release(&m->semaphore, 1), 0);
        break;
    case PUT:
        assert_int_equal(cheng_queue_get_until(m->queue, &item, CHENG_NOW), not_met(m) ? -EAGAIN : 0);
        assert_int_equal(item, rendezvous() ? 2 : 1);
        break;
    case DONE:
        assert_int_equal(cheng_queue_task_done(m->queue), 0);
        break;
    default:
        assert_int_equal(cheng_queue_put_until(m->queue, &item, CHENG_NOW), not_met(m) ? -EAGAIN : 0);
    }
}

static int hold_and_give(void *context)
{
    struct meeting *m = context;
    hold(m);
    cheng_event_set(&m->held);
    if (m->way == PLAIN || m->way == DEADLINE || m->way == CANCEL)
        wait_until_blocked(m->waiter->self, primitives[m->primitive].wait);
    if (m->way == CANCEL)
        cheng_cancel(m->waiter->self);
    if (m->way == EXPIRES || m->way == NOW || (m->way == CANCEL && !ignores_cancel(m->primitive)))
        assert_int_equal(cheng_event_wait(&m->over), 0); /* only then does the waiter get what it wanted */
    if (m->way == EXPIRES)
        assert_true(cheng_clock_ns() - m->begun_ns >= 2 * CHENG_MILLISECOND);
    give(m);
    return 0;
}

static int holder_main(void *context)
{
    struct meeting *m = context;
    return m->primitive == ONCE ? cheng_once_call(&m->once, hold_and_give, m) : hold_and_give(m);
}

static int never(void *unused)
{
    (void)unused;
    fail_msg("done twice");
    return 0;
}

static bool is_notified(void *context)
{
    return ((const struct meeting *)context)->notified;
}

static int wait_for_predicate(struct meeting *m, cheng_deadline deadline)
{
    assert_int_equal(cheng_lock_acquire_until(&m->lock, CHENG_FOREVER), 0);
    int rc = cheng_condition_wait_for(&m->condition, &m->lock, is_notified, m, deadline);
    assert_int_equal(cheng_lock_release(&m->lock), 0);
    return rc;
}

static int wait_with_rlock(struct meeting *m, cheng_deadline deadline)
{
    int rc = 0;
    assert_int_equal(cheng_rlock_acquire_until(&m->rlock, CHENG_FOREVER), 0);
    assert_int_equal(cheng_rlock_acquire_until(&m->rlock, CHENG_FOREVER), 0);
    while (rc == 0 && !m->notified)
        rc = cheng_condition_wait_rlock_until(&m->condition, &m->rlock, deadline);
    assert_int_equal(cheng_rlock_release(&m->rlock), 0); /* held again, as deep, however the wait ended */
    assert_int_equal(cheng_rlock_release(&m->rlock), 0);
    return rc;
}

static int wait_on_condition(struct meeting *m, cheng_deadline deadline)
{
    int rc = 0;
    assert_int_equal(cheng_lock_acquire_until(&m->lock, CHENG_FOREVER), 0);
    while (rc == 0 && !m->notified)
        rc = cheng_condition_wait_until(&m->condition, &m->lock, deadline);
    assert_int_equal(cheng_lock_release(&m->lock), 0); /* held again, however the wait ended */
    return rc;
}

static int wait_on(struct meeting *m, cheng_deadline deadline)
{
    uint32_t item = 2;
    int rc, status = 77;
    switch (m->primitive) {
    case LOCK:
        rc = cheng_lock_acquire_until(&m->lock, deadline);
        if (rc == 0)
            assert_int_equal(cheng_lock_release(&m->lock), 0);
        return rc;
    case RLOCK:
        rc = cheng_rlock_acquire_until(&m->rlock, deadline);
        if (rc == 0)
            assert_int_equal(cheng_rlock_release(&m->rlock), 0);
        return rc;
    case READ:
        rc = cheng_rwlock_acquire_read_until(&m->rwlock, deadline);
        if (rc == 0)
            assert_int_equal(cheng_rwlock_release_read(&m->rwlock), 0);
        return rc;
    case WRITE:
    case DRAIN:
        rc = cheng_rwlock_acquire_write_until(&m->rwlock, deadline);
        if (rc == 0)
            assert_int_equal(cheng_rwlock_release_write(&m->rwlock), 0);
        return rc;
    case CONDITION:
        return wait_on_condition(m, deadline);
    case CONDITION_RLOCK:
        return wait_with_rlock(m, deadline);
    case PREDICATE:
        return wait_for_predicate(m, deadline);
    case BOUNDED:
        return cheng_semaphore_acquire_until(&m->bounded, deadline);
    case BARRIER:
        rc = cheng_barrier_wait_until(&m->barrier, &item, deadline);
        assert_int_equal(item, rc == 0 ? 0 : 2);
        return rc;
    case ONCE:
        return cheng_once_call_until(&m->once, never, NULL, deadline);
    case GROUP:
        return cheng_wait_group_wait_until(&m->group, deadline);
    case EVENT:
        return cheng_event_wait_until(&m->event, deadline);
    case SEMAPHORE:
        return cheng_semaphore_acquire_until(&m->semaphore, deadline);
    case PUT:
        return cheng_queue_put_until(m->queue, &item, deadline);
    case DONE:
        return cheng_queue_join_until(m->queue, deadline);
    case GET:
        item = 0;
        rc = cheng_queue_get_until(m->queue, &item, deadline);
        assert_int_equal(item, rc == 0 ? 2 : 0);
        return rc;
    default:
        rc = cheng_join_until(m->joined, &status, deadline);
        assert_int_equal(status, rc == 0 ? 0 : 77);
        return rc;
    }
}

static int waiter_main(void *context)
{
    struct meeting *m = context;
    assert_int_equal(cheng_event_wait(&m->held), 0);
    m->begun_ns = cheng_clock_ns();
    cheng_deadline deadlines[WAYS] = { CHENG_FOREVER, cheng_after(60 * CHENG_SECOND),
                                       cheng_after(2 * CHENG_MILLISECOND), CHENG_FOREVER, CHENG_NOW };
    int rc = wait_on(m, deadlines[m->way]);
    assert_int_equal(cheng_cancelled(), m->way == CANCEL);
    cheng_event_set(&m->over);
    return rc;
}

static int expected(enum primitive primitive, enum way way)
{
    switch (way) {
    case EXPIRES:
        return -ETIMEDOUT;
    case CANCEL:
        return ignores_cancel(primitive) ? 0 : -ECANCELED;
    case NOW:
        return -EAGAIN;
    default:
        return 0;
    }
}

/* What the wait left undone is still to be had: nothing was consumed by a wait that failed. */
static void check_rest(struct meeting *m, int rc)
{
    uint32_t item = 0;
    if (m->primitive == SEMAPHORE)
        assert_int_equal(cheng_semaphore_value(&m->semaphore), rc == 0 ? 0 : 1);
    if (m->primitive == BOUNDED) {
        assert_int_equal(cheng_semaphore_value(&m->bounded), rc == 0 ? 0 : 1);
        assert_int_equal(cheng_semaphore_release(&m->bounded, 1), rc == 0 ? 0 : -EOVERFLOW);
    }
    if (m->primitive == BARRIER)
        assert_int_equal(cheng_barrier_broken(&m->barrier), rc == -ETIMEDOUT || rc == -ECANCELED);
    if (m->primitive == ONCE)
        assert_true(cheng_once_is_done(&m->once));
    if (m->primitive == PUT)
        assert_int_equal(cheng_queue_get_until(m->queue, &item, CHENG_NOW),
                         rc == 0 && !rendezvous() ? 0 : -EAGAIN);
    if (m->primitive == GET)
        assert_int_equal(cheng_queue_get_until(m->queue, &item, CHENG_NOW),
                         rc == 0 || rendezvous() ? -EAGAIN : 0);
    assert_false(cheng_lock_locked(&m->lock));
    assert_false(cheng_rlock_locked(&m->rlock));
    assert_int_equal(cheng_rwlock_acquire_write_until(&m->rwlock, CHENG_NOW), 0);
    if (m->joined != NULL) {
        assert_int_equal(cheng_join(m->joined, NULL), 0);
        cheng_task_free(m->joined);
    }
}

static void meet(enum primitive primitive, enum place holds, enum place waits, enum way way)
{
    struct meeting m = { .primitive = primitive,
                         .way = way,
                         .bounded = CHENG_SEMAPHORE_BOUNDED(1),
                         .barrier = CHENG_BARRIER(2, NULL, NULL) };
    struct actor holder, waiter;
    m.waiter = &waiter;
    assert_int_equal(cheng_queue_new(&m.queue, sizeof(uint32_t), &queue_options), 0);
    actor_start(&waiter, waits, waiter_main, &m);
    actor_start(&holder, holds, holder_main, &m);
    int rc = actor_join(&waiter);
    assert_int_equal(actor_join(&holder), 0);
    if (rc != expected(primitive, way))
        fail_msg("%s, held by a %s, wanted by a %s, %s: %s", primitives[primitive].name, place_names[holds],
                 place_names[waits], way_names[way], cheng_strerror(rc));
    check_rest(&m, rc);
    cheng_queue_free(m.queue);
}

static void every_case_of(enum primitive primitive)
{
    unsigned cases = 0;
    for (enum place holds = 0; holds < PLACES; holds++)
        for (enum place waits = 0; waits < PLACES; waits++)
            for (enum way way = 0; way < WAYS; way++, cases++)
                meet(primitive, holds, waits, way);
    printf("%s: %u of the matrix's %d cases (primitive, kind of holder, kind of waiter, way to wait)\n",
           primitives[primitive].name, cases, PRIMITIVES * PLACES * PLACES * WAYS);
    assert_int_equal(cases, PLACES * PLACES * WAYS);
}

TEST(lock)
{
    every_case_of(LOCK);
}

TEST(rlock)
{
    every_case_of(RLOCK);
}

TEST(rwlock_read)
{
    every_case_of(READ);
}

TEST(rwlock_write)
{
    every_case_of(WRITE);
}

TEST(rwlock_write_after_a_reader)
{
    every_case_of(DRAIN);
}

TEST(condition_with_an_rlock)
{
    every_case_of(CONDITION_RLOCK);
}

TEST(condition_with_a_predicate)
{
    every_case_of(PREDICATE);
}

TEST(bounded_semaphore)
{
    every_case_of(BOUNDED);
}

TEST(barrier)
{
    every_case_of(BARRIER);
}

TEST(once)
{
    every_case_of(ONCE);
}

TEST(wait_group)
{
    every_case_of(GROUP);
}

TEST(condition)
{
    every_case_of(CONDITION);
}

TEST(event)
{
    every_case_of(EVENT);
}

TEST(semaphore)
{
    every_case_of(SEMAPHORE);
}

TEST(queue_put)
{
    every_case_of(PUT);
}

TEST(queue_get)
{
    every_case_of(GET);
}

/* PP36 for each making of a queue: between any two of thread, coroutine, and coroutine of another thread's runtime. */
TEST(queues_of_other_orders)
{
    static const cheng_queue_options others[] = {
        { .capacity = 1, .order = CHENG_LIFO },
        { .capacity = 1, .order = CHENG_PRIORITY, .compare = compare_items },
        { .capacity = CHENG_RENDEZVOUS },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        queue_options = others[i];
        every_case_of(PUT);
        every_case_of(GET);
    }
    queue_options = (cheng_queue_options){ .capacity = 0 };
    every_case_of(GET);
}

TEST(queue_join)
{
    every_case_of(DONE);
}

TEST(join)
{
    every_case_of(JOIN);
}
