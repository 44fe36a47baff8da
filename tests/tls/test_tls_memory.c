/* Memory that runs out: each allocation of two that shake hands and talk is made to fail, or it and all after it. All of
 * them go through OpenSSL's allocator, ours as well. */
#include "tls/certificates.h"

#include <limits.h>
#include <stdatomic.h>

static atomic_long calls, live;
static long failing = LONG_MAX; /* that call, counted from 0 */
static bool lasting;            /* and all after it */

static bool fails(void)
{
    long call = atomic_fetch_add(&calls, 1);
    return call == failing || (lasting && call > failing);
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (fails())
        return NULL;
    atomic_fetch_add(&live, 1);
    return malloc(size);
}

static void *resize(void *old, size_t size, const char *file, int line)
{
    if (old == NULL)
        return allocate(size, file, line);
    return fails() ? NULL : realloc(old, size);
}

static void give_back(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    atomic_fetch_sub(&live, memory != NULL);
    free(memory);
}

__attribute__((constructor(101))) static void take_over(void) /* before OpenSSL's first */
{
    if (CRYPTO_set_mem_functions(allocate, resize, give_back) != 1)
        abort();
}

static bool allowed(int rc)
{
    return rc == 0 || rc == -ENOMEM || rc == -EPROTO || rc == -EINVAL || rc == -ECONNABORTED ||
           rc == -ECONNRESET || rc == -EKEYREJECTED || rc == -EPIPE || rc == -EBADF;
}

static int converse(struct link_of_two *l)
{
    char buffer[64];
    int rc = cheng_tls_write(l->client.tls, "hello", 5);
    if (rc == 0)
        rc = cheng_tls_finish_until(l->client.tls, CHENG_FOREVER);
    if (rc == 0)
        rc = cheng_tls_read_exactly(l->server.tls, buffer, 5);
    return rc;
}

/* Two connect, talk and end; 0: nothing failed. */
static int live_once(void *context)
{
    const struct world *w = context;
    struct link_of_two l = try_link(w->client_config, w->server_config, "localhost");
    assert_true(allowed(l.client.rc) && allowed(l.server.rc));
    int rc = l.client.rc < 0 ? l.client.rc : l.server.rc;
    if (rc == 0)
        rc = converse(&l);
    assert_true(allowed(rc));
    unlink_two(&l);
    return rc;
}

static int live_in_one_thread(struct world *w)
{
    struct actor actor;
    actor_start(&actor, IN_RUN, live_once, w);
    return actor_join(&actor);
}

/* What a life leaves behind in which that allocation fails. */
static long left_by(struct world *w, long call, bool for_good, long *failures)
{
    long before = atomic_load(&live);
    lasting = for_good;
    failing = atomic_load(&calls) + call;
    *failures += live_in_one_thread(w) < 0;
    failing = LONG_MAX;
    return atomic_load(&live) - before;
}

static void each_fails(bool for_good)
{
    struct world w = world_new();
    long count = 0, failures = 0, step = 1;
    for (int i = 0; i < 3; i++) { /* OpenSSL makes much once, and keeps it */
        long before = atomic_load(&live);
        count = atomic_load(&calls);
        assert_int_equal(live_in_one_thread(&w), 0);
        count = atomic_load(&calls) - count;
        assert_true(i < 2 || atomic_load(&live) == before);
    }
    if (!test_long())
        step = count / (long)scaled(300) + 1;
    for (long call = 0; call < count; call += step)
        if (left_by(&w, call, for_good, &failures) > 0) /* what is kept is kept once */
            assert_int_equal(left_by(&w, call, for_good, &failures), 0);
    print_message("%ld allocations, %ld failures\n", count, failures);
    assert_true(failures > 0);
    assert_int_equal(live_in_one_thread(&w), 0);
    world_free(&w);
}

TEST(each_allocation_fails)
{
    each_fails(false);
}

TEST(all_from_one_on_fail)
{
    each_fails(true);
}
