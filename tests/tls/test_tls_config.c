/* What a configuration says, and what is refused when one is made. */
#include "tls/certificates.h"

static void refused(cheng_tls_options options, int error, const char *why)
{
    cheng_tls_config *config = NULL;
    assert_int_equal(cheng_tls_config_new(&config, &options), error);
    assert_null(config);
    print_message("%s\n", cheng_tls_error());
    assert_non_null(strstr(cheng_tls_error(), why));
}

TEST_EVERYWHERE(files)
{
    struct world w = world_new();
    char garbage[32];
    FILE *file = file_in_memory(garbage);
    fputs("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n", file);
    refused((cheng_tls_options){ .verify = CHENG_TLS_VERIFY_BOTH }, -EINVAL, "without a ca_file");
    refused((cheng_tls_options){ .ca_file = "/nowhere/ca.pem" }, -ENOENT, "/nowhere/ca.pem: no such file");
    refused((cheng_tls_options){ .certificate_file = "/nowhere/it.pem" }, -ENOENT,
            "/nowhere/it.pem: no such file");
    refused((cheng_tls_options){ .certificate_file = w.server.file, .key_file = "/nowhere/key.pem" }, -ENOENT,
            "/nowhere/key.pem: no such file");
    refused((cheng_tls_options){ .ca_file = garbage }, -EINVAL, garbage);
    refused((cheng_tls_options){ .certificate_file = garbage }, -EINVAL, garbage);
    refused((cheng_tls_options){ .certificate_file = w.authority.file }, -EINVAL,
            w.authority.file); /* no key */
    refused((cheng_tls_options){ .certificate_file = w.server.file, .key_file = w.authority.key_file },
            -EINVAL, "key values mismatch");
    cheng_tls_config_free(
        config_of((cheng_tls_options){ .certificate_file = w.server.file, .key_file = w.server.key_file }));
    cheng_tls_config_free(NULL);
    world_free(&w);
}

TEST(a_key_with_a_password_asks_nobody)
{
    struct world w = world_new();
    char path[32];
    FILE *file = file_in_memory(path);
    assert_int_equal(
        PEM_write_PrivateKey(file, w.server.key, EVP_aes_128_cbc(), (unsigned char *)"secret", 6, NULL, NULL),
        1);
    refused((cheng_tls_options){ .certificate_file = w.server.file, .key_file = path }, -EINVAL, path);
    world_free(&w);
}

TEST(arguments)
{
    struct world w = world_new();
    struct pair pair = tcp_pair();
    cheng_tls *t = NULL;
    assert_int_equal(cheng_tls_client_until(&t, pair.a, NULL, w.client_config, CHENG_NOW), -EINVAL);
    assert_int_equal(cheng_tls_client_until(&t, pair.a, "", w.client_config, CHENG_NOW), -EINVAL);
    assert_int_equal(cheng_tls_client_until(&t, pair.a, "localhost", NULL, CHENG_NOW), -EINVAL);
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(cheng_tls_client_until(&t, pair.a, longest, w.client_config, CHENG_NOW), -EINVAL);
    assert_int_equal(cheng_tls_server_until(&t, pair.b, NULL, CHENG_NOW), -EINVAL);
    assert_int_equal(cheng_tls_server_until(&t, pair.b, w.client_config, CHENG_NOW), -EINVAL);
    assert_int_equal(cheng_tls_connect(&t, "localhost", "1", NULL), -EINVAL);
    assert_int_equal(cheng_tls_connect(&t, NULL, "1", w.client_config), -EINVAL);
    assert_null(t);
    cheng_tls_free(NULL);
    pair_free(&pair);
    world_free(&w);
}

/* ---- protocols ---- */

static void agree(const char *client, const char *server, const char *wanted)
{
    struct world w = world_new();
    cheng_tls_config *c = config_of((cheng_tls_options){ .ca_file = w.authority.file, .alpn = client });
    cheng_tls_config *s = config_of((cheng_tls_options){ .certificate_file = w.server.file, .alpn = server });
    struct link_of_two l = try_link(c, s, "localhost");
    cheng_tls_info info;
    for (int i = 0; i < 2; i++) {
        const struct end *end = i == 0 ? &l.client : &l.server;
        assert_int_equal(end->rc, wanted == NULL ? -EPROTO : 0);
        if (wanted != NULL)
            cheng_tls_describe(end->tls, &info);
        if (wanted != NULL)
            assert_string_equal(info.alpn, wanted);
    }
    if (wanted == NULL)
        assert_non_null(strstr(l.client.why, "no application protocol"));
    unlink_two(&l);
    cheng_tls_config_free(c);
    cheng_tls_config_free(s);
    world_free(&w);
}

TEST(application_protocols)
{
    agree("h2,http/1.1", "http/1.1,h2", "http/1.1"); /* the server's wish */
    agree("h2", "http/1.1,h2", "h2");
    agree("h2", NULL, "");
    agree(NULL, "h2", "");
    agree("h2", "http/1.1", NULL);
    refused((cheng_tls_options){ .alpn = "" }, -EINVAL, "alpn");
    refused((cheng_tls_options){ .alpn = "h2," }, -EINVAL, "alpn");
    refused((cheng_tls_options){ .alpn = ",h2" }, -EINVAL, "alpn");
    char many[300];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = "abc,"[i % 4];
    many[sizeof many - 1] = '\0';
    refused((cheng_tls_options){ .alpn = many }, -EINVAL, "alpn");
}

/* ---- versions ---- */

TEST(an_old_peer_is_refused)
{
    struct world w = world_new();
    SSL_CTX *old = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION);
    cheng_tls_config *new =
        config_of((cheng_tls_options){ .certificate_file = w.server.file, .min_version = CHENG_TLS_1_3 });
    for (int i = 0; i < 2; i++) {
        struct pair pair = tcp_pair();
        struct end server = { .socket = pair.b, .config = i == 0 ? w.server_config : new };
        struct actor actor;
        SSL *ssl = SSL_new(old);
        int fd = dup(cheng_socket_fd(pair.a));
        assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
        SSL_set_fd(ssl, fd);
        actor_start(&actor, IN_THREAD, shake, &server);
        assert_int_equal(SSL_connect(ssl), i == 0 ? 1 : -1);
        actor_join(&actor);
        assert_int_equal(server.rc, i == 0 ? 0 : -EPROTO);
        cheng_tls_info info = { .version = "" };
        if (i == 0)
            cheng_tls_describe(server.tls, &info);
        assert_string_equal(info.version, i == 0 ? "TLSv1.2" : "");
        if (i == 1)
            assert_non_null(strstr(server.why, "unsupported protocol"));
        cheng_tls_free(server.tls);
        SSL_free(ssl);
        close(fd);
        pair_free(&pair);
    }
    SSL_CTX_free(old);
    cheng_tls_config_free(new);
    world_free(&w);
}
