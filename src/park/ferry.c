#include "park/ferry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/list.h"
#include "host/host.h"
#include "host/latch.h"
#include "park/park.h"

enum { SEATS = CHENGI_HOST_WORDS - 2 };

/* Lies on the waiting coroutine's stack, which removes it before it returns. */
struct passenger {
    struct link link;
    uint32_t *word;
    uint32_t value;
    uint32_t arrived; /* set by the ferry; the coroutine parks on it */
    unsigned seat;    /* of the words that the ferry sleeps on: which; 0: none */
};

struct ferry {
    struct ferry *next;
    struct latch latch;
    uint32_t news; /* counts changes of the list; the ferry sleeps on it too */
    unsigned count;
    struct link passengers;
};

static struct {
    struct latch latch;
    struct ferry *first; /* never freed */
} harbour;

static unsigned board_list(struct ferry *ferry, struct host_word *words)
{
    unsigned n = 1;
    chengi_latch_acquire(&ferry->latch);
    words[0] = (struct host_word){ &ferry->news, load_relaxed(&ferry->news), false };
    for (struct link *link = ferry->passengers.next; link != &ferry->passengers; link = link->next) {
        struct passenger *p = CHENGI_CONTAINER(link, struct passenger, link);
        p->seat = load_relaxed(&p->arrived) ? 0 : n;
        if (p->seat == 0)
            continue;
        words[n++] = (struct host_word){ p->word, p->value, true };
    }
    chengi_latch_release(&ferry->latch);
    return n;
}

/* Which words have changed, while the list keeps their owners from leaving. A change that was undone meanwhile
 * is told by the bound of every shared wait. Who has left its seat, late or cancelled, may have been sent a wake-up
 * that only the ferry has seen: it is sent on, to a word that may be gone by now and is only an address here. */
static void land(struct ferry *ferry, const struct host_word *words, unsigned n)
{
    bool taken[CHENGI_HOST_WORDS] = { true }; /* the first is the news */
    chengi_latch_acquire(&ferry->latch);
    for (struct link *link = ferry->passengers.next; link != &ferry->passengers; link = link->next) {
        struct passenger *p = CHENGI_CONTAINER(link, struct passenger, link);
        taken[p->seat] = true;
        if (!load_relaxed(&p->arrived) && load_acquire(p->word) != p->value) {
            store_release(&p->arrived, 1);
            chengi_unpark(&p->arrived, 1);
        }
    }
    chengi_latch_release(&ferry->latch);
    for (unsigned i = 1; i < n; i++)
        if (!taken[i])
            chengi_unpark_shared(words[i].word, 1);
}

static void *ferry_main(void *argument)
{
    struct ferry *ferry = argument;
    struct host_word words[CHENGI_HOST_WORDS];
    chengi_host_enter_own_thread("cheng-ferry");
    for (;;) {
        unsigned n = board_list(ferry, words);
        /* an old kernel waits for news only, and looks at the words each millisecond */
        if (chengi_host_wait_many(words, n, 0) == -ENOSYS)
            chengi_host_wait(words[0].word, words[0].value, n == 1 ? 0 : chengi_host_now() + 1000000, false);
        land(ferry, words, n);
    }
    return NULL;
}

static struct ferry *ferry_with_room(void)
{
    struct ferry *ferry;
    chengi_latch_acquire(&harbour.latch);
    for (ferry = harbour.first; ferry != NULL && load_relaxed(&ferry->count) >= SEATS;)
        ferry = ferry->next;
    if (ferry == NULL && (ferry = calloc(1, sizeof *ferry)) != NULL) {
        chengi_list_init(&ferry->passengers);
        if (chengi_host_start(ferry_main, ferry, 0) < 0) {
            free(ferry);
            ferry = NULL;
        } else {
            ferry->next = harbour.first;
            harbour.first = ferry;
        }
    }
    if (ferry != NULL) /* the seat is taken with the harbour latched */
        __atomic_add_fetch(&ferry->count, 1, __ATOMIC_RELAXED);
    chengi_latch_release(&harbour.latch);
    return ferry;
}

static void tell(struct ferry *ferry)
{
    __atomic_add_fetch(&ferry->news, 1, __ATOMIC_RELEASE);
    chengi_host_wake(&ferry->news, 1, false);
}

int chengi_ferry_wait(uint32_t *word, uint32_t value, int64_t deadline_ns, const struct why *why,
                      unsigned flags)
{
    struct passenger self = { .word = word, .value = value };
    struct ferry *ferry = ferry_with_room();
    if (ferry == NULL) { /* no thread to be had: look again soon */
        int64_t soon = chengi_host_now() + 1000000;
        int rc = chengi_park(&self.arrived, 0, soon < deadline_ns ? soon : deadline_ns, why, flags);
        return rc == -ETIMEDOUT && soon < deadline_ns ? 0 : rc;
    }
    chengi_latch_acquire(&ferry->latch);
    chengi_list_push_back(&ferry->passengers, &self.link);
    chengi_latch_release(&ferry->latch);
    tell(ferry);
    int rc = chengi_park(&self.arrived, 0, deadline_ns, why, flags);
    chengi_latch_acquire(&ferry->latch);
    chengi_list_remove(&self.link);
    chengi_latch_release(&ferry->latch);
    __atomic_sub_fetch(&ferry->count, 1, __ATOMIC_RELAXED);
    return load_relaxed(&self.arrived) ? 0 : rc; /* it has a wake-up: neither late nor cancelled this time */
}

void chengi_ferry_after_fork(void)
{
    harbour.latch = (struct latch){ 0 };
    harbour.first = NULL;
}
