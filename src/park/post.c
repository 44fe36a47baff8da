/* The posts are a few places for addresses. A handler may interrupt another that is just posting, and any number of threads post
 * at the same time: each place changes by one read-modify-write.
 *
 *   handler                                   the thread
 *   changes the object's word                 news is n
 *   place: NULL, or it already -> address     takes each place's address off, wakes those who wait for it
 *   (release); news + 1; wakes                sleeps while news is n
 *
 * Either the thread takes the address off after it was put there, or sees that the news have changed. An address that is there
 * already is put there again, so that whoever takes it off sees this handler's change too. When all places are taken, everybody
 * who is parked is woken: a wait may end for no reason. */
#include "park/post.h"

#include <cheng/signal.h>

#include "base/compiler.h"
#include "host/host.h"
#include "host/latch.h"
#include "park/park.h"
#include "run/runner.h"

enum { PLACES = 64 };

__thread uint32_t chengi_in_handler __attribute__((tls_model("initial-exec")));

static struct {
    uint32_t *places[PLACES];
    uint32_t overflow; /* wake all */
    uint32_t news;     /* counts posts; the thread sleeps on it */
    struct latch latch;
    bool runs;
} post;

static bool put(uint32_t *word)
{
    for (unsigned i = 0; i < PLACES; i++) {
        uint32_t *there = load_relaxed(&post.places[i]);
        if ((there == NULL || there == word) &&
            cas_release(&post.places[i], &there, word)) /* partner: flush */
            return true;
    }
    return false;
}

void chengi_post(uint32_t *word)
{
    if (!put(word))
        store_release(&post.overflow, 1);                /* partner: flush */
    __atomic_fetch_add(&post.news, 1, __ATOMIC_RELEASE); /* partner: the look in wake_posted */
    chengi_host_wake(&post.news, 1, false);
}

static void flush(void)
{
    for (unsigned i = 0; i < PLACES; i++) {
        uint32_t *word = __atomic_exchange_n(&post.places[i], NULL, __ATOMIC_ACQUIRE); /* partner: put */
        if (word != NULL)
            chengi_unpark(word, UINT32_MAX);
    }
    if (__atomic_exchange_n(&post.overflow, 0, __ATOMIC_ACQUIRE))
        chengi_unpark_everybody();
}

static int wake_posted(const void *unused, void *unused_too)
{
    (void)unused, (void)unused_too;
    chengi_host_enter_own_thread("cheng-signals");
    for (;;) {
        uint32_t news = load_acquire(&post.news);
        flush();
        chengi_host_wait(&post.news, news, 0, false);
    }
    return 0;
}

int cheng_signal_prepare(void)
{
    int rc = 0;
    chengi_latch_acquire(&post.latch);
    if (!post.runs) {
        rc = chengi_runner_start_thread(wake_posted, NULL);
        post.runs = rc == 0;
    }
    chengi_latch_release(&post.latch);
    return rc;
}

void cheng_signal_enter(void)
{
    store_relaxed(&chengi_in_handler, chengi_in_handler + 1);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void cheng_signal_leave(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    store_relaxed(&chengi_in_handler, chengi_in_handler - 1);
}

void chengi_post_after_fork(void)
{
    post.latch = (struct latch){ 0 };
    post.runs = false;
}
