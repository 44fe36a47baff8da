/* Sleeping on words: the futex system calls. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/host.h"
#include "host/latch.h"

#ifndef SYS_futex_waitv /* kernel headers older than 5.16 */
#define SYS_futex_waitv 449
#endif

/* The kernel's struct futex_waitv, which older headers lack. */
struct futex_vector {
    uint64_t value, address;
    uint32_t flags, reserved;
};
enum { FUTEX_VECTOR_SIZE_U32 = 2, FUTEX_VECTOR_PRIVATE = FUTEX_PRIVATE_FLAG };

static struct timespec *to_timespec(int64_t ns, struct timespec *t)
{
    if (ns == 0)
        return NULL;
    t->tv_sec = ns > 0 ? ns / 1000000000 : 0;
    t->tv_nsec = ns > 0 ? ns % 1000000000 : 0;
    return t;
}

int chengi_host_wait(uint32_t *word, uint32_t value, int64_t deadline_ns, bool shared)
{
    struct timespec t;
    /* the BITSET form takes an absolute deadline */
    int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    long rc = syscall(SYS_futex, word, op, value, to_timespec(deadline_ns, &t), NULL, FUTEX_BITSET_MATCH_ANY);
    return rc < 0 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

void chengi_host_wake(uint32_t *word, unsigned n, bool shared)
{
    int op = FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    syscall(SYS_futex, word, op, n > INT_MAX ? INT_MAX : (int)n, NULL, NULL, 0);
}

int chengi_host_wait_many(const struct host_word *words, unsigned n, int64_t deadline_ns)
{
    struct futex_vector vector[CHENGI_HOST_WORDS];
    struct timespec t;
    for (unsigned i = 0; i < n; i++)
        vector[i] = (struct futex_vector){
            .value = words[i].value,
            .address = (uint64_t)(uintptr_t)words[i].word,
            .flags = FUTEX_VECTOR_SIZE_U32 | (words[i].shared ? 0 : (uint32_t)FUTEX_VECTOR_PRIVATE),
        };
    long rc = syscall(SYS_futex_waitv, vector, n, 0, to_timespec(deadline_ns, &t), CLOCK_MONOTONIC);
    if (rc < 0 && errno == EPERM) /* a filter's way to say that it is not there */
        return -ENOSYS;
    if (rc < 0 && (errno == ETIMEDOUT || errno == ENOSYS))
        return -errno;
    return 0;
}

/* Bounded: the spin limit, then 10 yields, then sleeps of 50 µs for as long as the holder needs. */
void chengi_latch_acquire_slow(struct latch *latch)
{
    unsigned limit = chengi_host_spin_limit();
    for (unsigned round = 0;; round++) {
        /* relaxed: only a hint, the compare-and-swap decides */
        if (load_relaxed(&latch->word) == 0 && chengi_latch_try(latch))
            return;
        if (round < limit)
            chengi_host_relax();
        else if (round < limit + 10)
            chengi_host_yield();
        else
            chengi_host_wait(&latch->word, 1, chengi_host_now() + 50000, false);
    }
}
