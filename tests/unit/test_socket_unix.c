/* Unix sockets: paths, pairs, descriptors. */
#include "unit/sockets.h"

#include <sys/stat.h>

static void talk_once(cheng_socket *listener, const char *host)
{
    cheng_socket *client, *accepted;
    char byte = 0;
    assert_int_equal(cheng_connect(&client, host, NULL), 0);
    assert_int_equal(cheng_accept(&accepted, listener), 0);
    assert_int_equal(cheng_socket_write(client, "x", 1), 0);
    assert_int_equal(cheng_socket_read_exactly(accepted, &byte, 1), 0);
    assert_int_equal(byte, 'x');
    cheng_socket_free(client);
    assert_int_equal(cheng_socket_read_exactly(accepted, &byte, 1), -EPIPE);
    cheng_socket_free(accepted);
}

TEST_EVERYWHERE(path)
{
    char path[100], host[108], text[CHENG_ENDPOINT_TEXT];
    cheng_socket *listener, *other = NULL;
    cheng_endpoint endpoint;
    test_scratch_path(path, sizeof path);
    snprintf(host, sizeof host, "unix:%s", path);
    assert_int_equal(cheng_connect(&other, host, NULL), -ENOENT);
    assert_int_equal(cheng_listen(&listener, host, NULL, NULL), 0);
    talk_once(listener, host);
    assert_int_equal(cheng_listen(&other, host, NULL, NULL), -EADDRINUSE);
    assert_int_equal(cheng_socket_port(listener), -EAFNOSUPPORT);
    assert_int_equal(cheng_resolve_endpoint(&endpoint, host, NULL, CHENG_FOREVER), 0);
    cheng_endpoint_text(&endpoint, text);
    assert_string_equal(text, host);
    cheng_socket_free(listener);
    assert_int_equal(cheng_connect(&other, host, NULL), -ECONNREFUSED); /* the path stays */
    assert_null(other);
}

TEST_EVERYWHERE(abstract_name)
{
    char host[64], text[CHENG_ENDPOINT_TEXT];
    cheng_socket *listener, *client;
    cheng_endpoint endpoint;
    snprintf(host, sizeof host, "unix:@cheng-%d", (int)getpid());
    assert_int_equal(cheng_listen(&listener, host, NULL, NULL), 0);
    talk_once(listener, host);
    assert_int_equal(cheng_connect(&client, host, "of no meaning"), 0);
    assert_int_equal(cheng_socket_peer(client, &endpoint), 0);
    cheng_endpoint_text(&endpoint, text);
    assert_string_equal(text, host);
    cheng_socket_free(client);
    assert_int_equal(cheng_socket_peer(listener, &endpoint), -ENOTCONN);
    cheng_socket_close(listener);
    assert_int_equal(cheng_socket_peer(listener, &endpoint), -EBADF);
    cheng_socket_free(listener);
}

TEST_EVERYWHERE(bad_paths)
{
    char host[200] = "unix:/";
    cheng_socket *s = NULL;
    memset(host + 6, 'a', sizeof host - 7);
    assert_int_equal(cheng_connect(&s, host, NULL), -EINVAL);
    assert_int_equal(cheng_listen(&s, "unix:", NULL, NULL), -EINVAL);
    assert_int_equal(cheng_listen(&s, "unix:/no/such/folder", NULL, NULL), -ENOENT);
    assert_null(s);
}

struct full {
    cheng_socket *listener, *waiting;
    char host[64];
};

static int connect_to_full(void *context)
{
    struct full *full = context;
    cheng_socket *s = NULL;
    assert_int_equal(cheng_connect_until(&s, full->host, NULL, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_connect_until(&s, full->host, NULL, cheng_deadline_at(1)), -ETIMEDOUT);
    assert_int_equal(cheng_connect_until(&s, full->host, NULL, cheng_after(5 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_null(s);
    return 0;
}

static int connect_at_last(void *context)
{
    struct full *full = context;
    cheng_socket *s;
    int rc = cheng_connect(&s, full->host, NULL);
    if (rc == 0)
        cheng_socket_free(s);
    return rc;
}

/* The system does not let a unix socket wait for room in the listener's queue: it says no. */
TEST(full_backlog)
{
    EACH_PLACE(place)
    {
        struct full full;
        struct actor actor;
        cheng_socket *accepted;
        snprintf(full.host, sizeof full.host, "unix:@cheng-full-%d", (int)getpid());
        assert_int_equal(
            cheng_listen(&full.listener, full.host, NULL, &(cheng_listen_options){ .backlog = 1 }), 0);
        cheng_socket *crowd[8];
        int n = 0;
        while (cheng_connect_until(&crowd[n], full.host, NULL, CHENG_NOW) == 0)
            assert_true(++n < 8);
        everywhere(connect_to_full, &full);
        actor_start(&actor, (enum place)place, connect_at_last, &full);
        wait_until_blocked(actor.self, CHENGI_WAIT_SLEEP);
        cheng_cancel(actor.self);
        assert_int_equal(actor_join(&actor), -ECANCELED);
        actor_start(&actor, (enum place)place, connect_at_last, &full);
        wait_until_blocked(actor.self, CHENGI_WAIT_SLEEP);
        assert_int_equal(cheng_accept(&accepted, full.listener), 0);
        assert_int_equal(actor_join(&actor), 0);
        cheng_socket_free(accepted);
        while (n > 0)
            cheng_socket_free(crowd[--n]);
        cheng_socket_free(full.listener);
    }
}

/* ---- pairs and descriptors ---- */

static ino_t file_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return status.st_ino;
}

TEST_EVERYWHERE(pair) // novalgrind: it has its own idea of the limit of descriptors
{
    cheng_socket *a, *b;
    char text[4];
    assert_int_equal(cheng_socket_pair(&a, &b), 0);
    assert_true(fcntl(cheng_socket_fd(a), F_GETFD) & FD_CLOEXEC);
    assert_int_equal(cheng_socket_write(a, "abc", 4), 0);
    assert_int_equal(cheng_socket_read_exactly(b, text, 4), 0);
    assert_string_equal(text, "abc");
    struct rlimit limit = no_more_descriptors();
    cheng_socket *c = NULL, *d = NULL;
    assert_int_equal(cheng_socket_pair(&c, &d), -EMFILE);
    assert_true(c == NULL && d == NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cheng_socket_free(a);
    cheng_socket_free(b);
}

TEST_EVERYWHERE(descriptors) // novalgrind: it has its own idea of the limit of descriptors
{
    cheng_socket *a, *b;
    char data[4];
    int ends[2], got[4];
    size_t n, count = 9;
    assert_int_equal(cheng_socket_pair(&a, &b), 0);
    assert_int_equal(pipe(ends), 0);
    unsigned before = open_descriptors();
    assert_int_equal(cheng_socket_send_fds_until(a, "abcd", 4, ends, 2, CHENG_FOREVER), 0);
    assert_int_equal(cheng_socket_receive_fds_until(b, data, 4, &n, got, 4, &count, CHENG_FOREVER), 0);
    assert_int_equal(n, 4);
    assert_memory_equal(data, "abcd", 4);
    assert_int_equal(count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(file_of(got[i]), file_of(ends[i]));
        assert_true(got[i] != ends[i] && (fcntl(got[i], F_GETFD) & FD_CLOEXEC));
        close(got[i]);
    }

    assert_int_equal(cheng_socket_write(a, "x", 1), 0); /* data that came without */
    assert_int_equal(cheng_socket_receive_fds_until(b, data, 4, &n, got, 4, &count, CHENG_FOREVER), 0);
    assert_true(n == 1 && count == 0);

    int on = 1; /* credentials, which come first */
    assert_int_equal(setsockopt(cheng_socket_fd(b), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    assert_int_equal(cheng_socket_send_fds_until(a, "x", 1, ends, 1, CHENG_FOREVER), 0);
    assert_int_equal(cheng_socket_receive_fds_until(b, data, 4, &n, got, 4, &count, CHENG_FOREVER), 0);
    assert_int_equal(count, 1);
    assert_int_equal(file_of(got[0]), file_of(ends[0]));
    close(got[0]);

    n = count = 9; /* more than there is room for: none stays open */
    assert_int_equal(cheng_socket_send_fds_until(a, "x", 1, ends, 2, CHENG_FOREVER), 0);
    assert_int_equal(cheng_socket_receive_fds_until(b, data, 4, &n, got, 1, &count, CHENG_FOREVER),
                     -EMSGSIZE);
    assert_true(n == 9 && count == 9);
    assert_int_equal(cheng_socket_receive_fds_until(b, data, 4, &n, got, 4, &count, CHENG_NOW), -EAGAIN);
    assert_int_equal(
        cheng_socket_receive_fds_until(b, data, 4, &n, got, 4, &count, cheng_after(CHENG_MILLISECOND)),
        -ETIMEDOUT);

    assert_int_equal(cheng_socket_send_fds_until(a, "x", 1, ends, 2, CHENG_FOREVER), 0);
    if (chengi_runner_self()->worker == NULL)
        before++; /* a thread's descriptor to be woken by, which the time-out made */
    struct rlimit limit = no_more_descriptors();
    assert_int_equal(cheng_socket_receive_fds_until(b, data, 4, &n, got, 4, &count, CHENG_FOREVER),
                     -EMSGSIZE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(open_descriptors() <= before);

    assert_int_equal(cheng_socket_send_fds_until(a, "", 0, ends, 2, CHENG_FOREVER), -EINVAL);
    assert_int_equal(cheng_socket_send_fds_until(a, "x", 1, ends, 0, CHENG_FOREVER), -EINVAL);
    assert_int_equal(cheng_socket_send_fds_until(a, "x", 1, ends, CHENG_FDS_MAX + 1, CHENG_FOREVER), -EINVAL);
    fill(a);
    assert_int_equal(cheng_socket_send_fds_until(a, "x", 1, ends, 2, CHENG_NOW), -EAGAIN);
    cheng_socket_free(b);
    assert_int_equal(cheng_socket_send_fds_until(a, "x", 1, ends, 2, CHENG_FOREVER), -EPIPE);
    cheng_socket_free(a);
    close(ends[0]);
    close(ends[1]);
}
