/* TLS with others: OpenSSL's own programs, and Python's ssl, as servers and as clients. */
#include "tls/certificates.h"

#include <sys/wait.h>

/* Starts a shell command; its standard output is to be read. */
__attribute__((format(printf, 1, 2))) static FILE *run(const char *format, ...)
{
    char command[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    return output;
}

static void need(const char *program)
{
    if (WEXITSTATUS(pclose(run("command -v %s", program))) != 0)
        test_skip("no %s", program);
}

static char *next_line(FILE *output, char line[1024])
{
    return fgets(line, 1024, output);
}

/* ---- their servers, which send each line back, as it came or backwards ---- */

static void talk_to(FILE *server, const struct world *w, const char *port, const char *answer,
                    const char *version)
{
    cheng_tls *t;
    cheng_tls_info info;
    char buffer[64], *line;
    size_t size;
    const char *text =
        cheng_tls_connect_until(&t, "127.0.0.1", port, w->client_config, cheng_after(20 * CHENG_SECOND)) < 0
            ? cheng_tls_error()
            : "";
    assert_string_equal(text, "");
    cheng_tls_describe(t, &info);
    assert_string_equal(info.version, version);
    assert_int_equal(cheng_tls_write(t, "stressed\n", 9), 0);
    cheng_reader reader = cheng_tls_reader(t, buffer, sizeof buffer);
    assert_int_equal(cheng_reader_line(&reader, '\n', &line, &size), 0);
    assert_int_equal(size, 9);
    assert_memory_equal(line, answer, 9);
    assert_int_equal(cheng_tls_finish_until(t, cheng_after(20 * CHENG_SECOND)), 0);
    assert_int_equal(cheng_tls_read(t, buffer, sizeof buffer, &size),
                     0); /* they say that they have finished, too */
    assert_int_equal(size, 0);
    cheng_tls_free(t);
    pclose(server);
}

static void to_openssl(const char *flag, const char *version)
{
    need("openssl");
    struct world w = world_new();
    char line[1024], port[8] = "";
    FILE *server = run("exec openssl s_server -accept 127.0.0.1:0 -naccept 1 -rev %s -cert %s -key %s 2>&1",
                       flag, w.server.file, w.server.key_file);
    while (port[0] == '\0' && next_line(server, line) != NULL)
        sscanf(line, "ACCEPT 127.0.0.1:%7s", port);
    talk_to(server, &w, port, "desserts\n", version);
    world_free(&w);
}

TEST(to_openssl)
{
    to_openssl("-tls1_3", "TLSv1.3");
}

TEST(to_openssl_of_before)
{
    to_openssl("-tls1_2", "TLSv1.2");
}

static const char python_server[] = "import socket, ssl, sys\n"
                                    "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
                                    "c.load_cert_chain(sys.argv[1], sys.argv[2])\n"
                                    "s = socket.create_server((\"127.0.0.1\", 0))\n"
                                    "print(s.getsockname()[1], flush=True)\n"
                                    "with c.wrap_socket(s.accept()[0], server_side=True) as t:\n"
                                    "    t.sendall(t.recv(100))\n"
                                    "    assert t.recv(100) == b\"\"\n"
                                    "    t.unwrap()\n";

TEST(to_python)
{
    need("python3");
    struct world w = world_new();
    char line[1024], port[8] = "";
    FILE *server = run("exec python3 -c '%s' %s %s", python_server, w.server.file, w.server.key_file);
    assert_non_null(next_line(server, line));
    sscanf(line, "%7s", port);
    talk_to(server, &w, port, "stressed\n", "TLSv1.3");
    world_free(&w);
}

/* ---- their clients ---- */

struct visitor {
    cheng_socket *listener;
    const struct world *world;
    int rc;
};

/* One client: a line and the farewell, there and back. */
static int serve_one(void *context)
{
    struct visitor *v = context;
    cheng_socket *s;
    cheng_tls *t;
    char buffer[64], *line;
    size_t size;
    assert_int_equal(cheng_accept(&s, v->listener), 0);
    v->rc = cheng_tls_server_until(&t, s, v->world->server_config, cheng_after(20 * CHENG_SECOND));
    if (v->rc == 0) {
        cheng_tls_info info;
        cheng_tls_describe(t, &info);
        assert_string_equal(info.server_name, "localhost");
        cheng_reader reader = cheng_tls_reader(t, buffer, sizeof buffer);
        assert_int_equal(cheng_reader_line(&reader, '\n', &line, &size), 0);
        assert_int_equal(cheng_tls_write(t, line, size), 0);
        assert_int_equal(cheng_tls_finish_until(t, CHENG_FOREVER), 0);
        v->rc = cheng_tls_read(t, buffer, sizeof buffer, &size);
        cheng_tls_free(t);
    }
    cheng_socket_free(s);
    return 0;
}

static const char python_client[] =
    "exec python3 -c '\n"
    "import socket, ssl, sys\n"
    "c = ssl.create_default_context(cafile=sys.argv[1])\n"
    "with socket.create_connection((\"127.0.0.1\", int(sys.argv[2]))) as s:\n"
    "    with c.wrap_socket(s, server_hostname=\"localhost\", suppress_ragged_eofs=False) as t:\n"
    "        t.sendall(b\"line\\n\")\n"
    "        print(t.makefile().readline(), end=\"\")\n"
    "        assert t.recv(1) == b\"\"\n"
    "        t.unwrap()' $CA $PORT 2>/dev/null";

/* `trusts`: what the client has as its authority. */
static void from(const char *command, bool trusts)
{
    char line[1024] = "", service[8];
    struct world w = world_new(), other = world_new();
    const char *file = trusts ? w.authority.file : other.authority.file;
    EACH_PLACE(place)
    {
        struct visitor visitor = { .listener = listen_here(service), .world = &w };
        struct actor actor;
        actor_start(&actor, (enum place)place, serve_one, &visitor);
        FILE *client = run("CA=%s PORT=%s; %s", file, service, command);
        char *there = next_line(client, line);
        actor_join(&actor);
        int status = pclose(client);
        assert_int_equal(visitor.rc, trusts ? 0 : -EPROTO);
        assert_int_equal(status == 0, trusts);
        if (trusts) {
            assert_non_null(there);
            assert_string_equal(line, "line\n");
        }
        cheng_socket_free(visitor.listener);
    }
    world_free(&w);
    world_free(&other);
}

#define OPENSSL_CLIENT(flag)                                                                                 \
    "echo line | exec openssl s_client " flag " -CAfile $CA -connect 127.0.0.1:$PORT -quiet "                \
    "-verify_return_error -servername localhost -verify_hostname localhost 2>/dev/null"

TEST(from_openssl)
{
    need("openssl");
    from(OPENSSL_CLIENT(""), true);
    from(OPENSSL_CLIENT("-tls1_2"), true);
    from(OPENSSL_CLIENT(""), false);
}

TEST(from_python)
{
    need("python3");
    from(python_client, true);
    from(python_client, false);
}
