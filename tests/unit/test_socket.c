/* Stream sockets, in threads, in coroutines of the default runtime and of cheng_run: talking, and peers that are gone.
 * Every promise and every error of cheng/socket.h is here, in test_socket_*.c and in test_connect.c. */
#include <sys/wait.h>

#include "unit/sockets.h"

/* ---- talking ---- */

static int talk(void *context)
{
    struct pair pair = tcp_pair();
    char buffer[16];
    size_t n = 99;
    (void)context;
    assert_int_equal(cheng_socket_write(pair.a, "hello", 5), 0);
    read_all(pair.b, buffer, 5);
    assert_memory_equal(buffer, "hello", 5);
    assert_int_equal(cheng_socket_write(pair.b, "abcdef", 6), 0);
    assert_int_equal(cheng_socket_read(pair.a, buffer, 4, &n), 0); /* as many as there is room for */
    assert_int_equal(n, 4);
    assert_int_equal(cheng_socket_read(pair.a, buffer, 4, &n), 0); /* as many as there are */
    assert_int_equal(n, 2);
    assert_int_equal(cheng_socket_write(pair.a, "", 0), 0);
    pair_free(&pair);
    return 0;
}

TEST(talk)
{
    everywhere(talk, NULL);
}

TEST_EVERYWHERE(half_close)
{
    struct pair pair = tcp_pair();
    char buffer[8];
    size_t n = 99;
    assert_int_equal(cheng_socket_write(pair.a, "question", 8), 0);
    assert_int_equal(cheng_socket_finish(pair.a), 0);
    read_all(pair.b, buffer, 8);
    for (int i = 0; i < 3; i++) { /* the end stays the end */
        n = 99;
        assert_int_equal(cheng_socket_read(pair.b, buffer, 8, &n), 0);
        assert_int_equal(n, 0);
    }
    assert_int_equal(cheng_socket_write(pair.b, "answer", 6), 0);
    read_all(pair.a, buffer, 6);
    assert_int_equal(cheng_socket_write(pair.a, "x", 1), -EPIPE);
    pair_free(&pair);
}

/* What came together with the end, while the reader waited: one event tells of both. */
static int read_two_and_the_end(void *context)
{
    cheng_socket *s = context;
    char buffer[100];
    size_t n = 99, have = 0;
    do {
        assert_int_equal(
            cheng_socket_read_until(s, buffer, sizeof buffer, &n, cheng_after(10 * CHENG_SECOND)), 0);
        have += n;
    } while (n > 0);
    return (int)have;
}

static int reader_task(const void *argument, void *result)
{
    (void)result;
    return read_two_and_the_end(*(void *const *)argument);
}

TEST_EVERYWHERE(end_with_the_last_bytes)
{
    for (int i = 0; i < 4; i++) {
        struct pair pair = i % 2 ? tcp_pair() : unix_pair();
        cheng_task *task;
        int status;
        assert_int_equal(cheng_start(&task, CHENG_COROUTINE, reader_task, &pair.a, sizeof pair.a, NULL), 0);
        wait_until_blocked(task, CHENGI_WAIT_READ);
        assert_int_equal(cheng_socket_write(pair.b, "ab", 2), 0); /* no poll comes in between */
        if (i < 2)
            assert_int_equal(cheng_socket_finish(pair.b), 0);
        else
            cheng_socket_close(pair.b);
        assert_int_equal(cheng_join(task, &status), 0);
        assert_int_equal(status, 2);
        cheng_task_free(task);
        pair_free(&pair);
    }
}

TEST_EVERYWHERE(descriptors_are_private)
{
    char service[8];
    cheng_socket *listener = listen_here(service), *sockets[3] = { listener };
    assert_int_equal(cheng_connect(&sockets[1], "127.0.0.1", service), 0);
    assert_int_equal(cheng_accept(&sockets[2], listener), 0);
    for (int i = 0; i < 3; i++) {
        int fd = cheng_socket_fd(sockets[i]);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        cheng_socket_free(sockets[i]);
    }
}

TEST(adopt)
{
    cheng_socket *s = NULL;
    int fds[2];
    char byte;
    size_t n;
    assert_int_equal(cheng_socket_adopt(&s, -1), -EBADF);
    assert_null(s);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(cheng_socket_adopt(&s, fds[0]), 0); /* no socket: told at the first use */
    assert_int_equal(cheng_socket_read(s, &byte, 1, &n), -ENOTSOCK);
    cheng_socket_free(s);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
}

/* ---- peers that are gone ---- */

TEST_EVERYWHERE(reset)
{
    char service[8], buffer[8];
    cheng_socket *listener = listen_here(service), *s;
    size_t n;
    for (int waiting = 0; waiting < 2; waiting++) {
        int client = raw_connect(service);
        struct linger now = { 1, 0 }; /* close sends a reset */
        assert_int_equal(cheng_accept(&s, listener), 0);
        assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
        if (waiting) /* so that a poller knows the socket */
            assert_int_equal(cheng_socket_read_until(s, buffer, 8, &n, cheng_after(CHENG_MILLISECOND)),
                             -ETIMEDOUT);
        close(client);
        assert_int_equal(cheng_socket_read(s, buffer, 8, &n), -ECONNRESET);
        assert_int_equal(cheng_socket_read(s, buffer, 8, &n), 0); /* told once; then it is the end */
        assert_int_equal(n, 0);
        assert_int_equal(cheng_socket_write(s, "x", 1), -EPIPE);
        cheng_socket_free(s);
    }
    cheng_socket_free(listener);
}

/* The default action of SIGPIPE would end the test. */
static int write_to_nobody(void *context)
{
    struct pair pair = context == NULL ? unix_pair() : tcp_pair();
    int rc = 0;
    cheng_socket_free(pair.b);
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = cheng_socket_write(pair.a, "x", 1);
    assert_true(rc == -EPIPE || rc == -ECONNRESET);
    assert_int_equal(cheng_socket_write(pair.a, "x", 1), -EPIPE);
    cheng_socket_free(pair.a);
    return 0;
}

TEST(no_sigpipe)
{
    everywhere(write_to_nobody, NULL);
    everywhere(write_to_nobody, &(int){ 1 });
}

static int give_up_writing(void *context)
{
    cheng_socket *s = *(cheng_socket **)context;
    static const char block[1 << 16];
    int rc;
    do
        rc = cheng_socket_write(s, block, sizeof block);
    while (rc == 0);
    return rc;
}

TEST(peer_closes_under_a_writer)
{
    EACH_PLACE(place)
    {
        struct pair pair = tcp_pair();
        struct actor actor;
        fill(pair.a);
        actor_start(&actor, (enum place)place, give_up_writing, &pair.a);
        wait_until_blocked(actor.self, CHENGI_WAIT_WRITE);
        cheng_socket_free(pair.b); /* unread bytes: a reset */
        int rc = actor_join(&actor);
        assert_true(rc == -EPIPE || rc == -ECONNRESET);
        cheng_socket_free(pair.a);
    }
}

/* ---- fork ---- */

TEST(sockets_in_a_forks_child)
{
    struct pair pair = unix_pair();
    char byte = 0;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(cheng_socket_write(pair.b, "x", 1) == 0 && talk(NULL) == 0 ? 0 : 1);
    read_all(pair.a, &byte, 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pair_free(&pair);
}

static int read_in_vain(void *context)
{
    char byte;
    size_t n;
    return cheng_socket_read(context, &byte, 1, &n);
}

/* Who was inside a socket has not come along: in the child it is nobody's, and closing it closes it. */
static int use_in_child(struct pair *pair, const struct pair *other)
{
    char byte;
    size_t n;
    int rc = cheng_socket_read_until(pair->a, &byte, 1, &n, CHENG_NOW), fd = cheng_socket_fd(pair->a);
    cheng_socket_close(pair->a);
    return rc == -EAGAIN && fcntl(fd, F_GETFD) == -1 && cheng_socket_fd(other->a) == -EBADF && talk(NULL) == 0
               ? 0
               : 1;
}

TEST(read_by_another_at_a_fork)
{
    EACH_PLACE(place)
    {
        struct pair pair = unix_pair(), other = unix_pair();
        struct actor actor;
        int status;
        cheng_socket_free(other.b);
        cheng_socket_close(other.a);
        actor_start(&actor, (enum place)place, read_in_vain, pair.a);
        wait_until_blocked(actor.self, CHENGI_WAIT_READ);
        pid_t child = fork();
        if (child == 0)
            _exit(use_in_child(&pair, &other));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(cheng_socket_write(pair.b, "y", 1), 0); /* here all is as it was */
        assert_int_equal(actor_join(&actor), 0);
        pair_free(&pair);
        cheng_socket_free(other.a);
    }
}
