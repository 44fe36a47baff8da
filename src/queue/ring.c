#include "queue/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "host/host.h"
#include "host/latch.h"
#include "park/post.h"
#include "run/runner.h"

enum { CLOSED = 1, WAITERS = 2, TICKET_SHIFT = 2, SLOT_HEADER = 8, LEAST_SIZE = 2 };
enum { PATIENCE_LEAST = 100, PATIENCE_MOST = 3200, LOOK_AWAY = 10 }; /* relaxed rounds */
enum { STRETCH = 128 };                                              /* items */

/* All rings. Whoever changes the chain of `next` does so by one store, so that a fork's child finds it whole. */
static struct {
    struct latch latch;
    struct ring *first;
} rings;

static void enlist(struct ring *ring)
{
    chengi_runner_self(); /* from now on the child of a fork is told of it */
    chengi_latch_acquire(&rings.latch);
    ring->next = rings.first;
    ring->link = &rings.first;
    store_release(&rings.first, ring); /* partner: the child, by the fork */
    if (ring->next != NULL)
        ring->next->link = &ring->next;
    chengi_latch_release(&rings.latch);
}

static void strike_off(struct ring *ring)
{
    chengi_latch_acquire(&rings.latch);
    store_release(ring->link, ring->next);
    if (ring->next != NULL)
        ring->next->link = ring->link;
    chengi_latch_release(&rings.latch);
}

int chengi_ring_init(struct ring *ring, size_t item_size, size_t capacity)
{
    if (capacity > UINT32_MAX >> 2)
        return -ENOMEM;
    size_t size = LEAST_SIZE; /* with one slot, "holds put n" and "free for put n + 1" would look alike */
    while (size < capacity)
        size *= 2;
    size_t stride = (SLOT_HEADER + item_size + 7) & ~(size_t)7;
    unsigned char *slots = malloc(size * stride);
    if (slots == NULL)
        return -ENOMEM;
    memset(ring, 0, sizeof *ring);
    ring->slots = slots;
    ring->mask = (uint32_t)(size - 1);
    ring->stride = (uint32_t)stride;
    ring->item_size = item_size;
    ring->capacity = capacity;
    ring->tail.patience = ring->head.patience = chengi_host_spin_limit();
    for (uint32_t i = 0; i < size; i++)
        memcpy(slots + i * stride, &i, sizeof i);
    enlist(ring);
    return 0;
}

void chengi_ring_destroy(struct ring *ring)
{
    strike_off(ring);
    free(ring->slots);
}

static inline uint32_t *slot_at(const struct ring *ring, uint64_t ticket)
{
    return (uint32_t *)(void *)(ring->slots + (ticket & ring->mask) * (size_t)ring->stride);
}

static inline void copy(void *to, const void *from, size_t size)
{
    /* a move, no call. With -flto, GCC would take the 8 for the size of any item, and warn */
    if (likely(size == 8))
        memcpy(chengi_host_opaque(to), chengi_host_opaque(from), 8);
    else
        memcpy(to, from, size);
}

/* The half of the word that waiters park on: it holds the flags and 30 bits of the ticket. */
static inline uint32_t *low_half(struct ring_end *end)
{
    return chengi_low_half(&end->word);
}

static inline uint64_t ticket_of(uint64_t word)
{
    return word >> TICKET_SHIFT;
}

/* With the bucket locked: nobody can park meanwhile. */
static void clear_flag(void *context, bool woken, bool more)
{
    struct ring_end *end = context;
    (void)more;
    if (!woken)
        __atomic_fetch_and(&end->word, ~(uint64_t)WAITERS, __ATOMIC_RELEASE);
}

static inline void wake_waiter(struct ring_end *end)
{
    chengi_unpark_one(low_half(end), clear_flag, end);
}

/* Full (empty) at the moment? Else somebody is between taking a ticket and finishing with its slot. A putter's
 * tail, read first, may be older than head, and even behind it: that is not full. */
static bool really_blocked(const struct ring *ring, uint64_t tail, uint64_t head, bool putting)
{
    int64_t size = (int64_t)(ticket_of(tail) - ticket_of(head));
    return putting ? size >= (int64_t)ring->capacity : size == 0;
}

/* ---- fork ---- */

void chengi_rings_after_fork(void)
{
    struct ring **link = &rings.first;
    rings.latch = (struct latch){ 0 };
    for (struct ring *ring = rings.first; ring != NULL; link = &ring->next, ring = ring->next) {
        ring->link = link;
        ring->forks_put = ticket_of(ring->tail.word);
        ring->forks_get = ticket_of(ring->head.word);
    }
}

/* A get came upon the slot of a put that the fork has cut off: it takes nothing. */
static void skip_put(struct ring *ring)
{
    uint64_t head = load_relaxed(&ring->head.word), ticket = ticket_of(head);
    uint32_t *slot = slot_at(ring, ticket);
    if (ticket >= ring->forks_put || load_acquire(slot) != (uint32_t)ticket)
        return;
    uint64_t next = (ticket + 1) << TICKET_SHIFT | (head & (CLOSED | WAITERS));
    if (!cas_seq_cst(&ring->head.word, &head, next))
        return;
    store_release(slot, (uint32_t)ticket + ring->mask + 1); /* as get's last store */
    if (head & WAITERS)
        wake_waiter(&ring->head);
}

/* A put came upon the slot of a get that the fork has cut off: the item was the parent's. */
static void finish_get(struct ring *ring)
{
    uint64_t ticket = ticket_of(load_relaxed(&ring->tail.word));
    uint32_t held = (uint32_t)ticket - ring->mask;
    if (ticket > ring->mask && ticket - ring->mask - 1 < ring->forks_get)
        (void)cas_release(slot_at(ring, ticket), &held, (uint32_t)ticket); /* partner: put's first load */
}

/* How many puts (gets) could follow one another now. */
static size_t may_follow(const struct ring *ring, bool putting)
{
    uint64_t head = ticket_of(load_relaxed(&ring->head.word)),
             tail = ticket_of(load_relaxed(&ring->tail.word));
    size_t size = tail < head ? 0 : (size_t)(tail - head); /* the tail may be the older */
    return !putting ? size : size < ring->capacity ? ring->capacity - size : 0;
}

/* One call's waiting. */
struct turn {
    unsigned spins; /* relaxed rounds left before it parks */
    bool spun;      /* since it last parked */
    unsigned flags;
};

/* A wake-up across cores takes longer than the other side needs to fill or empty the ring, so that both would go on
 * sleeping by turns. A thread therefore looks again for a while: for longer when that has helped, up to PATIENCE_MOST
 * rounds (50 to 90 µs, what the wake-up costs), for shorter when it slept after all. A coroutine parks at once: others
 * can run. */
static void begin_turn(struct turn *turn, const struct ring_end *end)
{
    unsigned spins = chengi_runner_self()->worker == NULL ? load_relaxed(&end->patience) : 0;
    *turn = (struct turn){ .spins = spins };
}

static void end_turn(const struct turn *turn, struct ring_end *end)
{
    uint32_t patience = load_relaxed(&end->patience);
    if (turn->spun && patience < PATIENCE_MOST)
        store_relaxed(&end->patience, patience * 2);
}

static void lose_patience(struct turn *turn, struct ring_end *end)
{
    uint32_t patience = load_relaxed(&end->patience);
    if (turn->spun && patience > PATIENCE_LEAST)
        store_relaxed(&end->patience, patience / 2);
    turn->spun = false;
}

/* Each look takes the lines that the other side is about to write. Who looked all the time would hold it back to one
 * item for each exchange of a line, and stay right behind it for good: neither full nor empty, and five times slower
 * than one after the other. So it leaves the ring alone for a few rounds; and once more, for twice as many, while the other
 * gets ahead no slower than that, up to a stretch. An item that comes alone is taken after the first look. */
static CHENGI_NOINLINE void look_away(const struct ring *ring, bool putting, struct turn *turn)
{
    size_t stretch = ring->capacity < STRETCH ? ring->capacity : STRETCH, ahead = 0, before;
    unsigned rounds = LOOK_AWAY;
    do {
        for (unsigned i = 0; i < rounds && turn->spins > 0; i++, turn->spins--)
            chengi_host_relax();
        before = ahead;
        ahead = may_follow(ring, putting);
        rounds *= 2;
    } while (ahead > 1 && ahead >= 2 * before && ahead < stretch && turn->spins > 0);
}

/* The other is between taking its ticket and finishing with its slot: bounded by a copy. */
static CHENGI_NOINLINE void let_finish(struct ring *ring, bool putting, struct turn *turn)
{
    if (unlikely(ring->forks_put != 0))
        putting ? finish_get(ring) : skip_put(ring);
    if (turn->spins > 0)
        look_away(ring, putting, turn);
    else
        chengi_host_yield();
}

/* Waits until a put (get) may succeed, and returns 0; or tells why not. */
static int wait_turn(struct ring *ring, bool putting, cheng_deadline deadline, struct turn *turn)
{
    struct ring_end *end = putting ? &ring->head : &ring->tail;
    const struct why why = { putting ? CHENGI_WAIT_PUT : CHENGI_WAIT_GET, ring, NULL };
    /* the end that others move is read last: what it says of the other is then not too old */
    uint64_t own = load_acquire(putting ? &ring->tail.word : &ring->head.word);
    uint64_t word = load_acquire(&end->word);
    /* a putter that parked on a head closed already would not be woken: close has looked for it */
    if ((word & CLOSED) && (putting || ticket_of(word) == ticket_of(own)))
        return -EPIPE;
    if (!really_blocked(ring, putting ? own : word, putting ? word : own, putting)) {
        let_finish(ring, putting, turn);
        return 0;
    }
    if (chengi_is_now(deadline))
        return -EAGAIN;
    if (turn->spins > 0) {
        turn->spun = true;
        look_away(ring, putting, turn);
        return 0;
    }
    lose_patience(turn, end);
    if (!(word & WAITERS) && !cas_seq_cst(&end->word, &word, word | WAITERS))
        return 0;
    int rc = chengi_park(low_half(end), (uint32_t)(word | WAITERS), deadline.at_ns, &why, turn->flags);
    turn->flags = CHENGI_PARK_FRONT; /* if another was faster: keep the place */
    return rc;
}

/* 0, -EPIPE, or -EAGAIN: it is full, or somebody is about to leave the slot. */
static inline int try_put(struct ring *ring, const void *item)
{
    uint64_t tail = load_relaxed(&ring->tail.word);
    for (;;) {
        uint64_t ticket = ticket_of(tail);
        uint32_t *slot = slot_at(ring, ticket);
        if (unlikely(tail & CLOSED))
            return -EPIPE;
        int32_t ahead = (int32_t)(load_acquire(slot) - (uint32_t)ticket); /* partner: get's last store */
        if (unlikely(ahead < 0))
            return -EAGAIN;
        if (unlikely(ahead > 0)) { /* the ticket is taken */
            tail = load_relaxed(&ring->tail.word);
            continue;
        }
        if (ring->capacity <= ring->mask && /* the ring has more slots than it may hold items */
            ticket - ticket_of(load_acquire(&ring->head.word)) >= ring->capacity)
            return -EAGAIN;
        uint64_t next = (ticket + 1) << TICKET_SHIFT | (tail & WAITERS);
        if (likely(cas_seq_cst(&ring->tail.word, &tail, next))) {
            copy((char *)slot + SLOT_HEADER, item, ring->item_size);
            store_release(slot, (uint32_t)ticket + 1); /* partner: get's first load */
            if (unlikely(tail & WAITERS))
                wake_waiter(&ring->tail);
            return 0;
        }
    }
}

/* 0, or -EAGAIN: it is empty, or somebody is about to fill the slot. */
static inline int try_get(struct ring *ring, void *item)
{
    uint64_t head = load_relaxed(&ring->head.word);
    for (;;) {
        uint64_t ticket = ticket_of(head);
        uint32_t *slot = slot_at(ring, ticket);
        int32_t ahead = (int32_t)(load_acquire(slot) - (uint32_t)ticket - 1); /* partner: put's last store */
        if (unlikely(ahead < 0))
            return -EAGAIN;
        if (unlikely(ahead > 0)) { /* the ticket is taken */
            head = load_relaxed(&ring->head.word);
            continue;
        }
        uint64_t next = (ticket + 1) << TICKET_SHIFT | (head & (CLOSED | WAITERS));
        if (likely(cas_seq_cst(&ring->head.word, &head, next))) {
            copy(item, (char *)slot + SLOT_HEADER, ring->item_size);
            store_release(slot, (uint32_t)ticket + ring->mask + 1); /* partner: put's first load */
            if (unlikely(head & WAITERS))
                wake_waiter(&ring->head);
            return 0;
        }
    }
}

static CHENGI_NOINLINE int put_slowly(struct ring *ring, const void *item, cheng_deadline deadline)
{
    struct turn turn;
    int rc;
    if (unlikely(chengi_in_handler != 0)) /* whom it would let go on may be who is interrupted */
        return -EAGAIN;
    begin_turn(&turn, &ring->head);
    do
        rc = wait_turn(ring, true, deadline, &turn);
    while (rc == 0 && (rc = try_put(ring, item)) == -EAGAIN);
    if (rc == 0)
        end_turn(&turn, &ring->head);
    return rc;
}

static CHENGI_NOINLINE int get_slowly(struct ring *ring, void *item, cheng_deadline deadline)
{
    struct turn turn;
    int rc;
    if (unlikely(chengi_in_handler != 0)) { /* likewise; or it is closed */
        turn = (struct turn){ .spins = 1 };
        rc = wait_turn(ring, false, CHENG_NOW, &turn);
        return rc < 0 ? rc : -EAGAIN;
    }
    begin_turn(&turn, &ring->tail);
    do
        rc = wait_turn(ring, false, deadline, &turn);
    while (rc == 0 && (rc = try_get(ring, item)) == -EAGAIN);
    if (rc == 0)
        end_turn(&turn, &ring->tail);
    return rc;
}

int chengi_ring_put(struct ring *ring, const void *item, cheng_deadline deadline)
{
    int rc = try_put(ring, item);
    return likely(rc != -EAGAIN) ? rc : put_slowly(ring, item, deadline);
}

int chengi_ring_get(struct ring *ring, void *item, cheng_deadline deadline)
{
    int rc = try_get(ring, item);
    return likely(rc != -EAGAIN) ? rc : get_slowly(ring, item, deadline);
}

/* The same looks as wait_turn's, once. What they say of a closed ring, a try tells. */
int chengi_ring_await(struct ring *ring, bool putting, struct park_point *point)
{
    struct ring_end *end = putting ? &ring->head : &ring->tail;
    uint64_t own = load_acquire(putting ? &ring->tail.word : &ring->head.word);
    uint64_t word = load_acquire(&end->word);
    if ((word & CLOSED) || !really_blocked(ring, putting ? own : word, putting ? word : own, putting))
        return 0;
    if (!(word & WAITERS) && !cas_seq_cst(&end->word, &word, word | WAITERS))
        return 0;
    point->word = low_half(end);
    point->value = (uint32_t)(word | WAITERS);
    return 1;
}

void chengi_ring_close(struct ring *ring)
{
    __atomic_fetch_or(&ring->tail.word, CLOSED, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&ring->head.word, CLOSED, __ATOMIC_SEQ_CST); /* so that parked putters' word changes */
    chengi_unpark(low_half(&ring->tail), UINT32_MAX);
    chengi_unpark(low_half(&ring->head), UINT32_MAX);
}

uint64_t chengi_ring_puts(const struct ring *ring)
{
    return ticket_of(load_acquire(&ring->tail.word)); /* partner: put's swap, also in join of queue.c */
}

uint64_t chengi_ring_gets(const struct ring *ring)
{
    return ticket_of(load_acquire(&ring->head.word)); /* partner: get's swap */
}

/* Reads what others may be overwriting: whole words, of which a slot has a whole number. Not for ThreadSanitizer: what
 * such a read gives is thrown away. */
__attribute__((no_sanitize("thread"))) static void read_words(void *to, const void *from, size_t size)
{
    const volatile uint64_t *words = from;
    for (size_t at = 0; at < size; at += sizeof *words) {
        uint64_t word = words[at / sizeof *words];
        memcpy((char *)to + at, &word, size - at < sizeof word ? size - at : sizeof word);
    }
}

/* A slot is overwritten only after the head has left it: so if the head is still there, what was read is the item. */
int chengi_ring_peek(struct ring *ring, void *item)
{
    for (;;) {
        uint64_t head = load_acquire(&ring->head.word);
        uint32_t *slot = slot_at(ring, ticket_of(head));
        if (load_acquire(slot) == (uint32_t)ticket_of(head) + 1) { /* partner: put's last store */
            read_words(item, (char *)slot + SLOT_HEADER, ring->item_size);
            __atomic_thread_fence(__ATOMIC_ACQUIRE); /* the reads before the look */
            if (ticket_of(load_relaxed(&ring->head.word)) == ticket_of(head))
                return 0;
        } else if (chengi_ring_puts(ring) == ticket_of(head)) {
            return head & CLOSED ? -EPIPE : -EAGAIN;
        } else {
            if (unlikely(ring->forks_put != 0))
                skip_put(ring);
            chengi_host_yield(); /* bounded by what a put still has to do: a copy */
        }
    }
}

/* A put that is under way still fills its slot, which nobody will look at. */
size_t chengi_ring_drop(struct ring *ring)
{
    uint64_t tail = chengi_ring_puts(ring), head = load_relaxed(&ring->head.word);
    while (!cas_seq_cst(&ring->head.word, &head, tail << TICKET_SHIFT | (head & (CLOSED | WAITERS))))
        ;
    return (size_t)(tail - ticket_of(head));
}
