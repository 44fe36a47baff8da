/* Connecting to one of several addresses. They are given by hand: what a name has differs from machine to machine. */
#include "unit/sockets.h"

#include "io/connect.h"

struct race {
    cheng_socket *open;   /* answers */
    cheng_socket *silent; /* has no room for more: the system lets who connects wait */
    cheng_socket *crowd[4];
    int closed; /* holds the port at which nobody listens */
    cheng_endpoint answering, mute, refusing;
};

static int service_of(cheng_socket *s, cheng_endpoint *endpoint)
{
    char service[8];
    snprintf(service, sizeof service, "%d", cheng_socket_port(s));
    return cheng_resolve_endpoint(endpoint, "127.0.0.1", service, CHENG_NOW);
}

static void race_open(struct race *race)
{
    char service[8];
    race->closed = refusing_port(service);
    assert_int_equal(cheng_resolve_endpoint(&race->refusing, "127.0.0.1", service, CHENG_NOW), 0);
    race->open = listen_here(service);
    assert_int_equal(service_of(race->open, &race->answering), 0);
    assert_int_equal(cheng_listen(&race->silent, "127.0.0.1", "0", &(cheng_listen_options){ .backlog = 1 }),
                     0);
    assert_int_equal(service_of(race->silent, &race->mute), 0);
    struct net_addresses only = { 1, { race->mute } };
    for (int i = 0; i < 4; i++) {
        race->crowd[i] = NULL;
        (void)!chengi_connect(&race->crowd[i], &only, cheng_after(20 * CHENG_MILLISECOND));
    }
}

static void race_close(struct race *race)
{
    for (int i = 0; i < 4; i++)
        cheng_socket_free(race->crowd[i]);
    cheng_socket_free(race->silent);
    cheng_socket_free(race->open);
    close(race->closed);
}

static void expect_connected(const struct net_addresses *to, cheng_deadline deadline)
{
    cheng_socket *s = NULL;
    unsigned before = open_descriptors();
    assert_int_equal(chengi_connect(&s, to, deadline), 0);
    assert_true(cheng_socket_fd(s) >= 0);
    cheng_socket_free(s);
    assert_true(open_descriptors() <= before + 1); /* one that a thread keeps to be woken by */
}

static int in_order(void *context)
{
    struct race *race = context;
    struct net_addresses failing = { 3, { race->refusing, race->refusing, race->answering } };
    expect_connected(&failing, cheng_after(CHENG_SECOND));

    struct net_addresses silent = { 3, { race->mute, race->refusing, race->answering } };
    int64_t start = cheng_clock_ns();
    expect_connected(&silent, cheng_after(20 * CHENG_SECOND)); /* long before the silent one's time is over */
    int64_t took = cheng_clock_ns() - start;
    assert_true(took >= 240 * CHENG_MILLISECOND);
    assert_true(slowed_down() || took < 10 * CHENG_SECOND);

    cheng_socket *s = NULL;
    struct net_addresses vain = { 2, { race->refusing, race->mute } };
    assert_int_equal(chengi_connect(&s, &vain, cheng_after(20 * CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(chengi_connect(&s, &vain, CHENG_NOW), -EAGAIN);
    struct net_addresses both_silent = { 2, { race->mute, race->mute } };
    assert_int_equal(chengi_connect(&s, &both_silent, cheng_after(300 * CHENG_MILLISECOND)), -ETIMEDOUT);
    struct net_addresses refusing = { 2, { race->refusing, race->refusing } };
    assert_int_equal(chengi_connect(&s, &refusing, CHENG_FOREVER), -ECONNREFUSED);
    struct net_addresses none = { 0, { race->mute } };
    assert_int_equal(chengi_connect(&s, &none, CHENG_FOREVER), -ENOENT);
    assert_null(s);
    return 0;
}

TEST(in_order) // noqemu: needs the kernel's listen queue as it is on Linux
{
    struct race race;
    race_open(&race);
    everywhere(in_order, &race);
    race_close(&race);
}

static int connect_twice_in_vain(void *context)
{
    struct race *race = context;
    struct net_addresses to = { 2, { race->mute, race->mute } };
    cheng_socket *s;
    int rc = chengi_connect(&s, &to, cheng_after(20 * CHENG_SECOND));
    if (rc == 0)
        cheng_socket_free(s);
    return rc;
}

TEST(cancel) // noqemu: as above
{
    struct race race;
    race_open(&race);
    EACH_PLACE(place)
    {
        struct actor actor;
        actor_start(&actor, (enum place)place, connect_twice_in_vain, &race);
        /* for both: for the first alone it waits to write */
        wait_until_blocked(actor.self, CHENGI_WAIT_READ);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
    }
    race_close(&race);
}

TEST(late_answer) // noqemu: as above
{
    struct race race;
    struct actor actor;
    race_open(&race);
    actor_start(&actor, IN_COROUTINE, connect_twice_in_vain, &race);
    wait_until_blocked(actor.self, CHENGI_WAIT_READ); /* for both: for the first alone it waits to write */
    while (cheng_task_is_alive(
        actor.handle)) { /* there is room now, and the system tries again after a second or so */
        cheng_socket *accepted;
        if (cheng_accept_until(&accepted, race.silent, cheng_after(20 * CHENG_MILLISECOND)) == 0)
            cheng_socket_free(accepted);
    }
    assert_int_equal(actor_join(&actor), 0);
    race_close(&race);
}

TEST_EVERYWHERE(no_descriptors) // novalgrind: it opens descriptors beyond the limit for itself
{
    struct race race;
    cheng_socket *s = NULL;
    race_open(&race);
    struct rlimit before, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(0);
    close(lowest);
    now = before;
    now.rlim_cur = (rlim_t)lowest + 1; /* for the first attempt, but not for what waits for two */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    struct net_addresses to = { 2, { race.mute, race.answering } };
    int rc = chengi_connect(&s, &to, cheng_after(500 * CHENG_MILLISECOND));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(rc == -ETIMEDOUT || rc == -EMFILE);
    assert_null(s);
    race_close(&race);
}
