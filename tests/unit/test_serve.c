/* Servers: a task for each client, in every place and with handlers of both kinds. */
#include "unit/delays.h"
#include "unit/sockets.h"

#include <stdatomic.h>

static const enum cheng_kind kinds[] = { CHENG_COROUTINE, CHENG_THREAD };

struct house {
    cheng_socket *listener;
    char service[8];
    cheng_serve_options options;
    cheng_handler *handler;
    atomic_int live, most, begun, cancelled;
    cheng_event open;
    int rc;
};

static int serve(void *context)
{
    struct house *house = context;
    house->rc = cheng_serve(house->listener, house->handler, house, &house->options);
    assert_int_equal(atomic_load(&house->live), 0); /* the handlers have ended */
    return 0;
}

static void house_open(struct house *house, struct actor *actor, int place, cheng_handler *handler,
                       enum cheng_kind kind, size_t most)
{
    *house = (struct house){ .options = { .kind = kind, .max_clients = most }, .handler = handler, .rc = 1 };
    house->listener = listen_here(house->service);
    if (place >= 0) /* else the case starts it */
        actor_start(actor, (enum place)place, serve, house);
}

static void house_close(struct house *house, struct actor *actor)
{
    cheng_socket_close(house->listener);
    assert_int_equal(actor_join(actor), 0);
    assert_int_equal(house->rc, 0);
    cheng_socket_free(house->listener);
}

static void enter(struct house *house)
{
    int now = atomic_fetch_add(&house->live, 1) + 1, most = atomic_load(&house->most);
    while (now > most && !atomic_compare_exchange_weak(&house->most, &most, now))
        ;
    atomic_fetch_add(&house->begun, 1);
}

static int echo(cheng_socket *client, void *context)
{
    struct house *house = context;
    char buffer[512];
    size_t n;
    enter(house);
    while (cheng_socket_read(client, buffer, sizeof buffer, &n) == 0 && n > 0)
        if (cheng_socket_write(client, buffer, n) < 0)
            break;
    atomic_fetch_sub(&house->live, 1);
    return -EIO; /* its own affair */
}

static int client_main(const void *argument, void *result)
{
    const char *service = argument;
    cheng_socket *s;
    char sent[100], back[100];
    size_t n;
    (void)result;
    assert_int_equal(cheng_connect(&s, "127.0.0.1", service), 0);
    for (int i = 0; i < 10; i++) {
        memset(sent, 'a' + i, sizeof sent);
        assert_int_equal(cheng_socket_write(s, sent, sizeof sent), 0);
        read_all(s, back, sizeof back);
        assert_memory_equal(sent, back, sizeof back);
    }
    assert_int_equal(cheng_socket_finish(s), 0);
    assert_int_equal(cheng_socket_read(s, back, sizeof back, &n), 0);
    assert_int_equal(n, 0); /* the connection is closed when the handler returns */
    cheng_socket_free(s);
    return 0;
}

static void visit(struct house *house, unsigned count)
{
    cheng_task *tasks[64];
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(cheng_start(&tasks[i], i % 4 ? CHENG_COROUTINE : CHENG_THREAD, client_main,
                                     house->service, sizeof house->service, NULL),
                         0);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(cheng_join(tasks[i], NULL), 0);
        cheng_task_free(tasks[i]);
    }
}

/* A server of each place and each kind of handler serves them all; returns the most at a time. */
static int serve_each(unsigned clients, unsigned max_clients)
{
    int most = 0;
    EACH_PLACE(place)
    for (unsigned k = 0; k < 2; k++) {
        struct house house;
        struct actor actor;
        house_open(&house, &actor, place, echo, kinds[k], max_clients);
        visit(&house, clients);
        house_close(&house, &actor);
        assert_int_equal(atomic_load(&house.begun), clients);
        most = atomic_load(&house.most) > most ? atomic_load(&house.most) : most;
    }
    return most;
}

TEST(clients_at_once)
{
    serve_each(40, 0);
}

TEST(max_clients)
{
    assert_in_range(serve_each(20, 3), 1, 3);
}

/* ---- ending ---- */

static int not_called(cheng_socket *client, void *context)
{
    (void)client, (void)context;
    return 0;
}

/* Until it is cancelled. */
static int stay(cheng_socket *client, void *context)
{
    struct house *house = context;
    char byte;
    size_t n;
    enter(house);
    int rc = cheng_socket_read(client, &byte, 1, &n);
    atomic_fetch_add(&house->cancelled, rc == -ECANCELED && cheng_cancelled());
    cheng_yield();
    atomic_fetch_sub(&house->live, 1);
    return rc;
}

static void await_begun(struct house *house, int count)
{
    while (atomic_load(&house->begun) < count)
        cheng_sleep(CHENG_MILLISECOND);
}

static void stop_with_clients(int place, enum cheng_kind kind, size_t most, bool cancel)
{
    struct house house;
    struct actor actor;
    int clients[5];
    char byte;
    house_open(&house, &actor, place, stay, kind, most);
    for (int i = 0; i < 5; i++)
        clients[i] = raw_connect(house.service);
    await_begun(&house, most == 0 ? 5 : (int)most);
    if (cancel)
        cheng_cancel(actor.self);
    else
        cheng_socket_close(house.listener);
    assert_int_equal(actor_join(&actor), 0);
    assert_int_equal(house.rc, cancel ? -ECANCELED : 0);
    assert_int_equal(atomic_load(&house.cancelled), most == 0 ? 5 : (int)most);
    cheng_socket_free(house.listener);
    for (int i = 0; i < 5; i++) {
        assert_true(read(clients[i], &byte, 1) <= 0); /* the end, or a reset of who was never accepted */
        close(clients[i]);
    }
}

TEST(closed_with_handlers_that_run)
{
    EACH_PLACE(place)
    for (unsigned k = 0; k < 2; k++)
        stop_with_clients(place, kinds[k], 0, false);
}

TEST(cancelled_with_handlers_that_run)
{
    EACH_PLACE(place)
    for (unsigned k = 0; k < 2; k++)
        stop_with_clients(place, kinds[k], 0, true);
}

static int serve_cancelled(void *context)
{
    cheng_cancel(cheng_current());
    return serve(context);
}

/* As long as clients come, nothing that the server calls waits. */
TEST(cancelled_in_a_flood)
{
    EACH_PLACE(place)
    {
        struct house house;
        struct actor actor;
        cheng_socket *client;
        house_open(&house, &actor, -1, not_called, CHENG_COROUTINE, 0);
        int fd = raw_connect(house.service);
        actor_start(&actor, (enum place)place, serve_cancelled, &house);
        assert_int_equal(actor_join(&actor), 0);
        assert_int_equal(house.rc, -ECANCELED);
        assert_int_equal(cheng_accept_until(&client, house.listener, CHENG_NOW), 0); /* it is still there */
        cheng_socket_free(client);
        cheng_socket_free(house.listener);
        close(fd);
    }
}

/* It waits for a handler to end then, not for a client. */
TEST(closed_or_cancelled_with_all_places_taken)
{
    EACH_PLACE(place)
    {
        stop_with_clients(place, CHENG_COROUTINE, 2, false);
        stop_with_clients(place, CHENG_COROUTINE, 2, true);
    }
}

/* Closed at every moment while clients come: handlers that are just being started are waited for, too. */
TEST(closed_while_clients_come)
{
    for (unsigned i = 0; i < scaled(60); i++) {
        struct house house;
        struct actor actor;
        int clients[8];
        house_open(&house, &actor, (int)(i % PLACES), stay, kinds[i / PLACES % 2], 0);
        for (int c = 0; c < 8; c++)
            clients[c] = raw_connect(house.service);
        for (unsigned spin = 0; spin < i % 20; spin++)
            cheng_yield();
        house_close(&house, &actor);
        for (int c = 0; c < 8; c++)
            close(clients[c]);
    }
}

TEST_EVERYWHERE(end_at_once)
{
    char service[8];
    cheng_socket *listener = listen_here(service);
    assert_int_equal(cheng_serve(NULL, not_called, NULL, NULL), -EINVAL);
    assert_int_equal(cheng_serve(listener, NULL, NULL, NULL), -EINVAL);
    cheng_socket_close(listener);
    assert_int_equal(cheng_serve(listener, not_called, NULL, NULL), 0);
    cheng_socket_free(listener);

    struct pair pair = tcp_pair();
    assert_int_equal(cheng_serve(pair.a, not_called, NULL, NULL), -EINVAL); /* not a listener */
    pair_free(&pair);
}

/* ---- no more descriptors ---- */

TEST(goes_on_when_descriptors_run_out) // novalgrind: it opens descriptors beyond the limit for itself
{
    EACH_PLACE(place)
    {
        struct house house;
        struct actor actor;
        char byte;
        house_open(&house, &actor, place, echo, CHENG_COROUTINE, 0);
        int first = raw_connect(house.service);
        assert_int_equal(write(first, "1", 1), 1);
        assert_int_equal(read(first, &byte, 1), 1);
        int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)atoi(house.service)) };
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        struct rlimit limit = no_more_descriptors();
        assert_int_equal(connect(second, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(write(second, "2", 1), 1);
        cheng_sleep(30 * CHENG_MILLISECOND);
        assert_int_equal(recv(second, &byte, 1, MSG_DONTWAIT), -1); /* it waits in the backlog */
        assert_int_equal(write(first, "x", 1), 1);                  /* the others are served meanwhile */
        assert_int_equal(read(first, &byte, 1), 1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(read(second, &byte, 1), 1);
        assert_int_equal(byte, '2');
        close(first);
        close(second);
        house_close(&house, &actor);
    }
}

/* ---- a handler that blocks its thread ---- */

enum { CLIENTS = 3 };

static int block_for_a_second(const void *argument, void *result)
{
    (void)argument, (void)result;
    return usleep(1000000); /* a call that blocks is what it is about */
}

static int offload(cheng_socket *client, void *context)
{
    struct house *house = context;
    enter(house);
    assert_int_equal(cheng_offload(block_for_a_second, NULL, NULL), 0);
    assert_int_equal(cheng_socket_write(client, "x", 1), 0);
    atomic_fetch_sub(&house->live, 1);
    return 0;
}

/* From before the first client until all have gone; by how long it was late at the most. */
static int tick(const void *argument, void *result)
{
    struct house *house = *(struct house *const *)argument;
    int worst = 0;
    (void)result;
    while (atomic_load(&house->begun) < CLIENTS || atomic_load(&house->live) > 0) {
        int late = late_by_us();
        worst = late > worst ? late : worst;
    }
    return worst;
}

/* Server, handlers and the one that measures on one thread. */
static int one_thread(const void *argument, void *result)
{
    struct house *house = *(struct house *const *)argument;
    cheng_task *ticker;
    int worst = -1, clients[CLIENTS];
    (void)result;
    struct actor actor = { .function = serve, .context = house };
    struct actor *p = &actor;
    assert_int_equal(cheng_start(&actor.handle, CHENG_COROUTINE, actor_main, &p, sizeof p, NULL), 0);
    assert_int_equal(cheng_start(&ticker, CHENG_COROUTINE, tick, &house, sizeof house, NULL), 0);
    cheng_yield(); /* it sleeps */
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = raw_connect(house->service);
    assert_int_equal(cheng_join(ticker, &worst), 0);
    cheng_task_free(ticker);
    cheng_socket_close(house->listener);
    assert_int_equal(actor_join(&actor), 0);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    return worst;
}

TEST(an_offloaded_second_delays_nobody) // serial: bounds a delay
{
    int worst = INT32_MAX;
    /* a machine may have stopped as a whole */
    for (int attempt = 0; attempt < 10 && worst >= 5000; attempt++) {
        struct house house = { .handler = offload }, *p = &house;
        house.listener = listen_here(house.service);
        assert_int_equal(cheng_run(&worst, one_thread, &p, sizeof p), 0);
        cheng_socket_free(house.listener);
        printf("worst delay %d us\n", worst);
    }
    assert_true(worst < 5000 || slowed_down());
}

/* ---- stopping ---- */

static int until_open(cheng_socket *client, void *context)
{
    struct house *house = context;
    (void)client;
    enter(house);
    int rc = cheng_event_wait(&house->open);
    atomic_fetch_add(&house->cancelled, rc == -ECANCELED);
    atomic_fetch_sub(&house->live, 1);
    return rc;
}

static void stop_with_grace(enum cheng_kind kind, int place, cheng_duration grace, bool finish, bool cancel)
{
    struct house house;
    struct actor actor;
    house_open(&house, &actor, -1, until_open, kind, 0);
    house.options.grace = grace;
    actor_start(&actor, (enum place)place, serve, &house);
    int client = raw_connect(house.service);
    while (atomic_load(&house.begun) == 0)
        cheng_yield();
    cheng_socket_close(house.listener);
    if (finish || cancel) /* else it may not wait for long */
        wait_until_blocked(actor.self, CHENGI_WAIT_CONDITION);
    if (finish)
        cheng_event_set(&house.open);
    if (cancel)
        cheng_cancel(actor.self);
    assert_int_equal(actor_join(&actor), 0);
    assert_int_equal(house.rc, 0);
    assert_int_equal(atomic_load(&house.cancelled), !finish);
    cheng_socket_free(house.listener);
    close(client);
}

TEST(grace)
{
    for (int k = 0; k < 2; k++)
        EACH_PLACE(place)
        {
            stop_with_grace(kinds[k], place, 100 * CHENG_SECOND, true, false);
            stop_with_grace(kinds[k], place, CHENG_MILLISECOND, false, false);
            stop_with_grace(kinds[k], place, 100 * CHENG_SECOND, false, true);
        }
}
