/* Waiting for descriptors that are not ours, in threads and coroutines. */
#include "unit/sockets.h"

static void make_pipe(int fds[2])
{
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

TEST_EVERYWHERE(ready)
{
    int fds[2];
    unsigned found = 99;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    const int flags = fcntl(fds[0], F_GETFL);
    assert_int_equal(cheng_poll(fds[0], CHENG_WRITABLE, &found, CHENG_FOREVER), 0);
    assert_int_equal(found, CHENG_WRITABLE);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE | CHENG_WRITABLE, &found, CHENG_FOREVER), 0);
    assert_int_equal(found, CHENG_WRITABLE);
    assert_int_equal(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 3; i++) { /* it stays readable */
        assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, CHENG_FOREVER), 0);
        assert_int_equal(found, CHENG_READABLE);
    }
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE | CHENG_WRITABLE, &found, CHENG_FOREVER), 0);
    assert_int_equal(found, CHENG_READABLE | CHENG_WRITABLE);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, NULL, CHENG_FOREVER), 0);
    assert_int_equal(fcntl(fds[0], F_GETFL), flags);
    close_both(fds);
}

TEST_EVERYWHERE(deadlines)
{
    int fds[2];
    unsigned found = 99;
    make_pipe(fds);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, cheng_deadline_at(1)), -ETIMEDOUT);
    int64_t before = cheng_clock_ns();
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_true(cheng_clock_ns() - before >= 20 * CHENG_MILLISECOND);
    assert_int_equal(found, 99);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, CHENG_NOW), 0);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, cheng_deadline_at(1)), 0); /* tries once */
    assert_int_equal(found, CHENG_READABLE);
    close_both(fds);
}

TEST_EVERYWHERE(errors)
{
    unsigned found = 99;
    const int never = 900; /* a small one could come to life as a descriptor of the library's */
    assert_int_equal(cheng_poll(-1, CHENG_READABLE, &found, CHENG_FOREVER), -EBADF);
    assert_int_equal(cheng_poll(never, CHENG_READABLE, &found, CHENG_FOREVER), -EBADF);
    assert_int_equal(cheng_poll(never, CHENG_READABLE, &found, CHENG_NOW), -EBADF);
    assert_int_equal(cheng_poll(never, CHENG_READABLE, &found, cheng_deadline_at(1)), -EBADF);
    assert_int_equal(cheng_poll(0, 0, &found, CHENG_NOW), -EINVAL);
    assert_int_equal(cheng_poll(0, 4, &found, CHENG_NOW), -EINVAL);
    assert_int_equal(found, 99);
}

TEST_EVERYWHERE(hang_up)
{
    int fds[2];
    unsigned found = 0;
    make_pipe(fds);
    close(fds[1]);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, CHENG_FOREVER), 0);
    assert_int_equal(found, CHENG_READABLE);
    close(fds[0]);
    make_pipe(fds);
    close(fds[0]);
    assert_int_equal(cheng_poll(fds[1], CHENG_WRITABLE, &found, CHENG_FOREVER), 0);
    assert_int_equal(found, CHENG_WRITABLE);
    close(fds[1]);
}

TEST_EVERYWHERE(regular_file)
{
    unsigned found = 0;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(cheng_poll(fd, CHENG_READABLE | CHENG_WRITABLE, &found, CHENG_FOREVER),
                     0); /* always ready */
    assert_int_equal(found, CHENG_READABLE | CHENG_WRITABLE);
    close(fd);
}

/* A number that was closed and is another file now, while the worker knew the first. */
TEST_EVERYWHERE(numbers_are_used_again)
{
    int fds[2], first = -1;
    for (int i = 0; i < 5; i++) {
        unsigned found = 0;
        make_pipe(fds);
        first = first < 0 ? fds[0] : first;
        assert_int_equal(fds[0], first);
        assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, cheng_after(CHENG_MILLISECOND)),
                         -ETIMEDOUT);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, CHENG_FOREVER), 0);
        close_both(fds);
    }
}

/* Who has stopped waiting holds nothing back: the other side learns of the end at once. */
TEST_EVERYWHERE(closed_after_a_time_out)
{
    int fds[2];
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, NULL, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    close(fds[0]);
    assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);
    close(fds[1]);
}

/* ---- two who wait ---- */

struct waiting {
    int fd;
    unsigned events, found;
    int rc;
};

static int wait_for_it(void *context)
{
    struct waiting *w = context;
    w->rc = cheng_poll(w->fd, w->events, &w->found, CHENG_FOREVER);
    return 0;
}

static int wait_task(const void *argument, void *result)
{
    (void)result;
    return wait_for_it(*(void *const *)argument);
}

TEST(cancel)
{
    EACH_PLACE(place)
    {
        struct waiting w = { .events = CHENG_READABLE, .rc = 1, .found = 99 };
        struct actor actor;
        int fds[2];
        make_pipe(fds);
        w.fd = fds[0];
        actor_start(&actor, (enum place)place, wait_for_it, &w);
        wait_until_blocked(actor.self, CHENGI_WAIT_READ);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), 0);
        assert_int_equal(w.rc, -ECANCELED);
        assert_int_equal(w.found, 99);
        close_both(fds);
    }
}

TEST(another_wakes_it)
{
    EACH_PLACE(place)
    for (unsigned i = 0; i < scaled(50); i++) {
        struct waiting w = { .events = CHENG_READABLE, .rc = 1 };
        struct actor actor;
        int fds[2];
        make_pipe(fds);
        w.fd = fds[0];
        actor_start(&actor, (enum place)place, wait_for_it, &w);
        if (i % 2)
            wait_until_blocked(actor.self, CHENGI_WAIT_READ);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(actor_join(&actor), 0);
        assert_int_equal(w.rc, 0);
        assert_int_equal(w.found, CHENG_READABLE);
        close_both(fds);
    }
}

/* Coroutines of one worker share its poller. */
static int reader_and_writer(const void *argument, void *result)
{
    int fds[2];
    char block[4096] = { 0 };
    unsigned found = 0;
    (void)argument, (void)result;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    while (write(fds[0], block, sizeof block) > 0)
        ;
    struct waiting reader = { fds[0], CHENG_READABLE, 0, 1 }, writer = { fds[0], CHENG_WRITABLE, 0, 1 }, *arg;
    cheng_task *one, *two;
    arg = &reader;
    assert_int_equal(cheng_start(&one, CHENG_COROUTINE, wait_task, &arg, sizeof arg, NULL), 0);
    wait_until_blocked(one, CHENGI_WAIT_READ);
    arg = &writer;
    assert_int_equal(cheng_start(&two, CHENG_COROUTINE, wait_task, &arg, sizeof arg, NULL), 0);
    wait_until_blocked(two, CHENGI_WAIT_WRITE);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, cheng_after(CHENG_SECOND)), -EBUSY);
    assert_int_equal(cheng_poll(fds[0], CHENG_WRITABLE, &found, cheng_after(CHENG_SECOND)), -EBUSY);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, CHENG_NOW),
                     -EAGAIN); /* who does not wait may look */

    assert_int_equal(write(fds[1], "x", 1), 1); /* one of the two; the other is armed anew */
    assert_int_equal(cheng_join(one, NULL), 0);
    assert_int_equal(reader.rc, 0);
    assert_int_equal(reader.found, CHENG_READABLE);
    assert_true(cheng_task_is_alive(two));
    while (read(fds[1], block, sizeof block) > 0)
        ;
    assert_int_equal(cheng_join(two, NULL), 0);
    assert_int_equal(writer.rc, 0);
    assert_int_equal(writer.found, CHENG_WRITABLE);
    cheng_task_free(one);
    cheng_task_free(two);

    arg = &reader; /* who was cancelled leaves the place free */
    reader.rc = 1;
    assert_int_equal(cheng_start(&one, CHENG_COROUTINE, wait_task, &arg, sizeof arg, NULL), 0);
    while (read(fds[0], block, sizeof block) > 0)
        ;
    wait_until_blocked(one, CHENGI_WAIT_READ);
    cheng_cancel(one);
    assert_int_equal(cheng_join(one, NULL), 0);
    assert_int_equal(reader.rc, -ECANCELED);
    cheng_task_free(one);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, &found, CHENG_FOREVER), 0);
    close_both(fds);
    return 0;
}

TEST(reader_and_writer)
{
    int status = -1;
    assert_int_equal(cheng_run(&status, reader_and_writer, NULL, 0), 0);
    assert_int_equal(status, 0);
}

/* A descriptor that was polled, then made a socket: its events belong to the socket from then on. */
TEST_EVERYWHERE(polled_then_adopted)
{
    int fds[2];
    char byte;
    size_t n;
    cheng_socket *s;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(cheng_poll(fds[0], CHENG_READABLE, NULL, cheng_after(CHENG_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(cheng_socket_adopt(&s, fds[0]), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cheng_socket_read_until(s, &byte, 1, &n, cheng_after(CHENG_MILLISECOND)),
                         -ETIMEDOUT);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(cheng_socket_read_until(s, &byte, 1, &n, CHENG_FOREVER), 0);
    }
    cheng_socket_free(s);
    close(fds[1]);
}

/* Entries for numbers far apart. */
TEST_EVERYWHERE(high_numbers)
{
    int fds[2];
    make_pipe(fds);
    for (int at = 60; at < 2000; at = at * 2 + 1) {
        int high = fcntl(fds[0], F_DUPFD_CLOEXEC, at);
        if (high < 0)
            break; /* the limit */
        assert_int_equal(cheng_poll(high, CHENG_READABLE, NULL, cheng_after(1)), -ETIMEDOUT);
        close(high);
    }
    close_both(fds);
}
