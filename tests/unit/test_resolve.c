/* Names to addresses. Asks no name server, but for one name that none knows. */
#include "unit/sockets.h"

/* A machine may have a name server that does not answer: glibc would ask it twice, for five seconds each. */
__attribute__((constructor)) static void be_impatient(void)
{
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
}

static int numbers(void *context)
{
    cheng_address addresses[4];
    size_t found = 0;
    (void)context;
    assert_int_equal(cheng_resolve("127.0.0.1", addresses, 4, &found), 0);
    assert_int_equal(found, 1);
    assert_string_equal(addresses[0].text, "127.0.0.1");
    assert_false(addresses[0].v6);
    assert_int_equal(cheng_resolve("::1", addresses, 4, &found), 0);
    assert_int_equal(found, 1);
    assert_string_equal(addresses[0].text, "::1");
    assert_true(addresses[0].v6);
    return 0;
}

TEST(numbers)
{
    everywhere(numbers, NULL);
}

static int this_machine(void *context)
{
    cheng_address addresses[4];
    size_t found = 0;
    (void)context;
    int rc = cheng_resolve("localhost", addresses, 4, &found);
    if (rc == -ENOENT || rc == -EHOSTUNREACH)
        test_skip("this machine does not know localhost");
    assert_int_equal(rc, 0);
    assert_true(found >= 1 && found <= 4);
    for (size_t i = 0; i < found; i++)
        assert_string_equal(addresses[i].text, addresses[i].v6 ? "::1" : "127.0.0.1");
    assert_int_equal(cheng_resolve("localhost", addresses, 1, &found), 0); /* as many as there is room for */
    assert_int_equal(found, 1);
    return 0;
}

TEST(this_machine) // novalgrind: a helper thread keeps what glibc's resolver has read
{
    everywhere(this_machine, NULL);
}

TEST_EVERYWHERE(errors)
{
    cheng_address addresses[1];
    char long_name[300];
    size_t found = 99;
    cheng_socket *s;
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(cheng_resolve(NULL, addresses, 1, &found), -EINVAL);
    assert_int_equal(cheng_resolve("127.0.0.1", NULL, 1, &found), -EINVAL);
    assert_int_equal(cheng_resolve("127.0.0.1", addresses, 0, &found), -EINVAL);
    assert_int_equal(cheng_resolve(long_name, addresses, 1, &found), -EINVAL);
    assert_int_equal(cheng_connect(&s, "127.0.0.1", long_name), -EINVAL);
    assert_int_equal(cheng_connect_until(&s, "no-such-host.invalid", "80", CHENG_NOW),
                     -EAGAIN); /* it would block */
    assert_int_equal(found, 99);
}

TEST_EVERYWHERE(unknown) // novalgrind: a helper thread keeps what glibc's resolver has read
{
    cheng_address addresses[1];
    size_t found = 99;
    int rc = cheng_resolve("no-such-host.invalid", addresses, 1, &found);
    assert_true(rc == -ENOENT || rc == -EHOSTUNREACH); /* with a name server, and without one */
    assert_int_equal(found, 99);
}

/* The look-up goes on without who asked for it; what it wrote to must still be there. */
TEST_EVERYWHERE(leave_early) // novalgrind: a helper thread keeps what glibc's resolver has read
{
    cheng_socket *s;
    for (unsigned i = 0; i < 20; i++) {
        int rc =
            cheng_connect_until(&s, "no-such-host.invalid", "80", cheng_after(i * 20 * CHENG_MICROSECOND));
        assert_true(rc == -ETIMEDOUT || rc == -ENOENT || rc == -EHOSTUNREACH);
    }
}

static int many_at_once(const void *argument, void *result)
{
    (void)argument, (void)result;
    return numbers(NULL) + this_machine(NULL);
}

TEST(many_at_once) // novalgrind: a helper thread keeps what glibc's resolver has read
{
    enum { MANY = 200 };
    static cheng_task *tasks[MANY];
    for (int i = 0; i < MANY; i++)
        assert_int_equal(cheng_start(&tasks[i], CHENG_COROUTINE, many_at_once, NULL, 0, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        int status = -1;
        assert_int_equal(cheng_join(tasks[i], &status), 0);
        assert_int_equal(status, 0);
        cheng_task_free(tasks[i]);
    }
}

TEST_EVERYWHERE(names_of_addresses) // novalgrind: a helper thread keeps what glibc's resolver has read
{
    char name[256] = "as it was";
    cheng_address addresses[1];
    size_t found;
    assert_int_equal(cheng_resolve_name(name, sizeof name, NULL, CHENG_FOREVER), -EINVAL);
    assert_int_equal(cheng_resolve_name(name, sizeof name, "no number", CHENG_FOREVER), -EINVAL);
    assert_int_equal(cheng_resolve_name(NULL, 0, "127.0.0.1", CHENG_FOREVER), -EINVAL);
    assert_int_equal(cheng_resolve_name(name, sizeof name, "127.0.0.1", CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_resolve_until("no-such-host.invalid", addresses, 1, &found, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_resolve_until("unix:/path", addresses, 1, &found, CHENG_FOREVER), -EINVAL);
    assert_string_equal(name, "as it was");
    int rc = cheng_resolve_name(name, sizeof name, "127.0.0.1", CHENG_FOREVER);
    if (rc == -ENOENT || rc == -EHOSTUNREACH)
        test_skip("this machine does not know 127.0.0.1");
    assert_int_equal(rc, 0);
    assert_true(strlen(name) > 0);
    assert_int_equal(cheng_resolve_name(name, 1, "127.0.0.1", CHENG_FOREVER), -EMSGSIZE);
}

TEST_EVERYWHERE(endpoints)
{
    cheng_endpoint endpoint;
    char text[CHENG_ENDPOINT_TEXT];
    assert_int_equal(cheng_resolve_endpoint(&endpoint, "127.0.0.1", "80", CHENG_NOW), 0);
    cheng_endpoint_text(&endpoint, text);
    assert_string_equal(text, "127.0.0.1:80");
    assert_int_equal(cheng_resolve_endpoint(&endpoint, "::1", "80", CHENG_NOW), 0);
    cheng_endpoint_text(&endpoint, text);
    assert_string_equal(text, "[::1]:80");
    struct pair pair = tcp_pair();
    char wanted[CHENG_ENDPOINT_TEXT];
    assert_int_equal(cheng_socket_peer(pair.b, &endpoint), 0);
    cheng_endpoint_text(&endpoint, text);
    snprintf(wanted, sizeof wanted, "127.0.0.1:%d", cheng_socket_port(pair.a));
    assert_string_equal(text, wanted);
    pair_free(&pair);
}
