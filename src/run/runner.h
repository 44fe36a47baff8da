/* The runner: the record of whatever runs, thread or coroutine. It is also the cheng_task of the public API.
 *
 * Runners live in a table that is never freed: a slot keeps its place and number for ever and is used again
 * with the next generation. So a stale pointer or owner word always names readable memory, and comparing
 * words tells whether it is still the same runner.
 *
 * The word of a runner is what it leaves in a lock that it holds:
 *
 *   bit 0        CHENGI_PARKED    flag of the lock, 0 in a runner's own word
 *   bit 1        CHENGI_STARVING  flag of the lock, 0 here
 *   bits 2-9     generation of the slot, 1 to 255, never 0
 *   bits 10-31   slot
 *
 * How a wait ends is decided by one change of `wake`:
 *
 *   bits 0-1     CHENGI_WAITING -> CHENGI_WOKEN (by a waker), CHENGI_TIMED_OUT (by the worker's timer, or the
 *                thread itself), CHENGI_CANCELLED (by cheng_cancel, or by the waiter that resigns)
 *   bit 2        this wait can be cancelled
 *   bits 3-31    sequence number of the wait: who comes late for an earlier one finds another number
 *
 * Whoever ends the wait for a private word holds the latch of that word's bucket, and takes the waiter off its queue: so
 * a plain store does, and who is in a queue waits. Other waits (a sleep, a shared or several words) are ended by a compare-and-swap.
 * Who ends it touches the runner last: it makes it runnable. */
#ifndef CHENG_RUN_RUNNER_H
#define CHENG_RUN_RUNNER_H

#include <cheng/lock.h>
#include <cheng/task.h>

#include "base/why.h"
#include "run/wheel.h"

enum { CHENGI_PARKED = 1, CHENGI_STARVING = 2, CHENGI_FLAGS = 3, CHENGI_OWNER = ~3 };

enum { CHENGI_WAITING, CHENGI_WOKEN, CHENGI_TIMED_OUT, CHENGI_CANCELLED, CHENGI_OUTCOME = 3 };
enum { CHENGI_CANCELLABLE = 4 };

/* Life of a task: bits of `life`.
 *   KIND     enum cheng_kind, from bit 9: set by the start, with release; 0 in a free slot, and for the library's own
 *            threads. Who walks the table finds tasks by it, and threads that were adopted
 *   DAEMON   not waited for when the process exits
 *   ADOPTED  a thread that is not ours
 *   OF_LOOP  a coroutine of a loop: the exit waits for the thread that runs the loop, if there is one, instead
 *   ENDED    set once by the task itself, with release, after status and result are written
 *   JOINERS  somebody may wait for the end: set by joiners, before they park on the word
 *   DROPPED  the handle was given up: who sets the second of ENDED and DROPPED recycles the slot
 *   JOINED   somebody has seen the status: the failure is collected
 *   WANTED   somebody is parked for a lock that it holds or held: it wakes them when it ends, see
 *            chengi_lot_wake_orphans
 *   LINKED   `links` is there: set and cleared with the bucket of `life` latched. ENDED is not set before it is clear */
enum { CHENGI_ENDED = 1, CHENGI_JOINERS = 2, CHENGI_DROPPED = 4, CHENGI_JOINED = 8, CHENGI_WANTED = 16 };
enum {
    CHENGI_DAEMON = 32,
    CHENGI_ADOPTED = 64,
    CHENGI_LINKED = 128,
    CHENGI_OF_LOOP = 256,
    CHENGI_KIND_SHIFT = 9
};

/* What the end of a task must see to: bits of `leaves`. */
enum { CHENGI_LEAVES_COROUTINES = 1, CHENGI_LEAVES_LOCALS = 2, CHENGI_LEAVES_RANK = 4 };

enum { CHENGI_INLINE_BYTES = 40 };

struct worker;
struct stack;
struct waiter;

struct cheng_task {
    struct {
        uint32_t word;
    } self; /* first: what inline code sees as struct chengi_self */
    uint32_t wake;
    int wake_fd;   /* plus one; 0 until a thread in this slot first waits for a descriptor. It stays with the
                    slot for ever: a waker that comes late must not write to what is another file by now */
    uint32_t turn; /* when it could go on, among those of a loop's policy */

    /* the present wait; written before `wake` says WAITING, read by others with relaxed loads, who compare
     * `wake` before and after */
    struct why why;
    int64_t wait_deadline_ns;

    /* Zero at the start of each life, down to `timer`. Whoever comes late for an earlier life of the slot may look
     * at the first four, so they are written with atomic stores. */
    uint32_t life;
    uint32_t polling;      /* a thread sleeps in poll: wake it by wake_fd */
    struct worker *worker; /* where a coroutine runs; NULL: a thread, which sleeps on `wake` itself */
    uint32_t cancelled; /* set by cheng_cancel with seq_cst; partner: the waiter's look after it enqueued */
    uint16_t shields;
    uint8_t kind; /* enum cheng_kind */
    int status;
    uint32_t leaves;
    struct cheng_task *next; /* in a run queue, an inbox or a list of free slots */
    struct stack *stack;     /* NULL: has not started, may be stolen */
    struct timer timer;

    void *context;  /* a coroutine's saved stack pointer */
    uint32_t *word; /* the private word that the present wait is for, or NULL */
    union {
        struct waiter *waiter;    /* its place in that word's queue: for who has latched the bucket */
        struct cheng_task *child; /* while it can go on: run/policy.c */
    };
    struct cheng_timeout *timeouts; /* the innermost that it is in: park/timeout.h */
    cheng_fn *function;
    const void *argument;
    void *result;
    uint32_t argument_size, result_size, stack_size;
    uint32_t number; /* of its default name */
    uint64_t ident;
    union {
        int64_t rank;       /* a coroutine's, for a loop's policy, if `leaves` says so */
        uint64_t thread_id; /* a thread's, for the system; 0: it does not run yet */
    };
    char *report;                  /* of its last -EDEADLK; owned */
    struct coroutines *coroutines; /* made by hand: task/coroutine.c; NULL: none so far */
    union {
        char text[CHENG_NAME_SIZE];
        uint64_t words[CHENG_NAME_SIZE / 8]; /* how it is written and copied: others may look meanwhile */
    } name;
    _Alignas(16) unsigned char bytes[CHENGI_INLINE_BYTES]; /* small arguments and results */
    struct locals *locals;                                 /* if `leaves` says so: task/local.c */
    struct cheng_link *links;                              /* if `life` says so: task/link.c */
    uint32_t selects; /* calls of cheng_select so far, also in earlier lives: what its order is drawn from */
};

/* The caller's runner; adopts a thread that is not ours. Aborts if there is no memory for it: no caller
 * could be told. */
struct cheng_task *chengi_runner_adopt(void);

static inline struct cheng_task *chengi_runner_self(void)
{
    struct cheng_task *self = (struct cheng_task *)(void *)chengi_self;
    return __builtin_expect(self != NULL, 1) ? self : chengi_runner_adopt();
}

static inline void chengi_runner_become(struct cheng_task *runner)
{
    /* release: partner is the watchdog, which reads the name */
    __atomic_store_n(&chengi_self, (struct chengi_self *)(void *)runner, __ATOMIC_RELEASE);
}

/* A life of a free slot: a handle of it was freed. WANTED may have come late. */
static inline bool chengi_runner_free(uint32_t life)
{
    return (life & ~(uint32_t)CHENGI_WANTED) == 0;
}

/* A free slot with a new ident, everything else zero. NULL: no memory. */
struct cheng_task *chengi_runner_new(enum cheng_kind kind, bool adopted);

/* Ends the generation: from now on every owner word of this runner is stale. By the runner itself. */
void chengi_runner_retire(struct cheng_task *runner);

/* Gives the slot back. */
void chengi_runner_recycle(struct cheng_task *runner);

/* The runner of an owner word (flags are ignored), NULL if the slot has another generation by now. What it
 * points to may become another runner at any time: compare again after looking. */
struct cheng_task *chengi_runner_of(uint32_t word);

/* How many forks lie between the first process and this one: what has seen fewer belongs, as far as tasks go, to a parent, whose
 * other tasks did not come along. Written while the child has one thread. */
extern uint32_t chengi_forks;

static inline bool chengi_runner_alive(uint32_t word)
{
    return chengi_runner_of(word) != NULL;
}

/* The calling thread is this runner until it ends; then chengi_task_thread_ended. -ENOMEM: it must be called by hand. */
int chengi_runner_enter_thread(struct cheng_task *runner);

/* Starts a thread of the library's own. Its record is made by the caller, who can be told that there is no memory for
 * it: so it has no need to be adopted. */
int chengi_runner_start_thread(cheng_fn *function, const void *argument);

/* The task's name, made on the first call if none was given. Valid while the task lives; a rename changes it in place. */
const char *chengi_runner_name(struct cheng_task *runner);

/* The same, as one of the names that it has had. */
void chengi_runner_copy_name(struct cheng_task *runner, char out[CHENG_NAME_SIZE]);

/* Before the task has begun; at any time, and NULL or "" is the default name. */
void chengi_runner_give_name(struct cheng_task *runner, const char *name);
void chengi_runner_rename(struct cheng_task *runner, const char *name);

/* The record in this slot; NULL behind the last that there is. */
struct cheng_task *chengi_runner_at(uint32_t slot);

/* The main thread's record; NULL: it has not called the library yet. */
struct cheng_task *chengi_runner_main(void);

#endif
