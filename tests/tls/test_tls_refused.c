/* Who is not who he says he is; and peers that do not keep to TLS. */
#include "tls/certificates.h"

/* The client must refuse that certificate, and say why; the server is told. */
static void refuses(const struct world *w, const char *certificate_file, const char *host, const char *why)
{
    cheng_tls_config *server =
        config_of((cheng_tls_options){ .certificate_file = certificate_file, .key_file = certificate_file });
    struct link_of_two l = try_link(w->client_config, server, host);
    print_message("%s | %s\n", l.client.why, l.server.why);
    assert_int_equal(l.client.rc, -EKEYREJECTED);
    assert_non_null(strstr(l.client.why, why));
    assert_non_null(strstr(l.client.why, host));
    assert_null(l.client.tls);
    assert_int_equal(l.server.rc, -EPROTO); /* the client's alert */
    unlink_two(&l);
    cheng_tls_config_free(server);
}

static void refuses_request(const struct world *w, struct request request, const char *why)
{
    struct certificate c = make_certificate(request);
    refuses(w, c.file, "localhost", why);
    certificate_free(&c);
}

TEST_EVERYWHERE(certificates)
{
    struct world w = world_new();
    struct certificate other = make_certificate((struct request){ .subject = "another authority" });
    const char *names = "DNS:localhost,IP:127.0.0.1";
    refuses_request(&w, (struct request){ "server", names, &other, 0, 0 },
                    "unable to get local issuer certificate");
    refuses_request(&w, (struct request){ "server", names, NULL, 0, 0 }, "self-signed certificate");
    refuses_request(&w, (struct request){ "server", names, &w.authority, -48, -24 },
                    "certificate has expired");
    refuses_request(&w, (struct request){ "server", names, &w.authority, 24, 48 },
                    "certificate is not yet valid");
    refuses_request(&w, (struct request){ "localhost", "DNS:example.org", &w.authority, 0, 0 },
                    "hostname mismatch");
    refuses(&w, w.server.file, "example.org", "hostname mismatch");
    refuses(&w, w.server.file, "127.0.0.2", "IP address mismatch");
    certificate_free(&other);
    world_free(&w);
}

TEST(whom_the_system_trusts)
{
    struct world w = world_new();
    cheng_tls_config *system = NULL;
    assert_int_equal(cheng_tls_config_new(&system, NULL), 0);
    struct link_of_two l = try_link(system, w.server_config, "localhost");
    assert_int_equal(l.client.rc, -EKEYREJECTED);
    assert_non_null(strstr(l.client.why, "issuer"));
    unlink_two(&l);
    cheng_tls_config_free(system);
    world_free(&w);
}

TEST(nobody_is_refused_on_request)
{
    struct world w = world_new();
    cheng_tls_config *blind = config_of((cheng_tls_options){ .verify = CHENG_TLS_VERIFY_NOBODY });
    struct link_of_two l = try_link(blind, w.server_config, "example.org");
    assert_int_equal(l.client.rc, 0);
    assert_int_equal(l.server.rc, 0);
    unlink_two(&l);
    cheng_tls_config_free(blind);
    world_free(&w);
}

TEST(clients_too)
{
    struct world w = world_new();
    struct certificate self = make_certificate((struct request){ .subject = "me", .names = "DNS:me" });
    struct certificate known = make_certificate(
        (struct request){ .subject = "friend", .names = "DNS:friend", .issuer = &w.authority });
    const char *const shown[] = { known.file, self.file, NULL };
    cheng_tls_config *server = config_of((cheng_tls_options){
        .certificate_file = w.server.file, .ca_file = w.authority.file, .verify = CHENG_TLS_VERIFY_BOTH });
    for (int i = 0; i < 3; i++) {
        cheng_tls_config *client =
            config_of((cheng_tls_options){ .ca_file = w.authority.file, .certificate_file = shown[i] });
        struct link_of_two l = try_link(client, server, "localhost");
        const int wanted[] = { 0, -EKEYREJECTED, -EPROTO };
        char byte;
        size_t n;
        assert_int_equal(l.server.rc, wanted[i]);
        if (i == 0) {
            cheng_tls_info info;
            cheng_tls_describe(l.server.tls, &info);
            assert_string_equal(info.peer, "/CN=friend");
        } else { /* it learns it when it reads, at the latest */
            int rc = l.client.rc < 0 ? l.client.rc : cheng_tls_read(l.client.tls, &byte, 1, &n);
            assert_true(rc == -EPROTO || rc == -ECONNRESET || rc == -ECONNABORTED);
        }
        if (i == 1)
            assert_string_equal(l.server.why,
                                "the certificate of the client is refused: self-signed certificate");
        if (i == 2)
            assert_string_equal(l.server.why, "peer did not return a certificate");
        unlink_two(&l);
        cheng_tls_config_free(client);
    }
    cheng_tls_config_free(server);
    certificate_free(&self);
    certificate_free(&known);
    world_free(&w);
}

/* ---- what is no TLS ---- */

static void answer_with(const struct world *w, bool server, const void *bytes, size_t size, bool finish,
                        int error, const char *why)
{
    struct pair pair = tcp_pair();
    struct end end = { .socket = pair.a,
                       .config = server ? w->server_config : w->client_config,
                       .host = server ? NULL : "localhost" };
    assert_int_equal(cheng_socket_write(pair.b, bytes, size), 0);
    if (finish)
        assert_int_equal(cheng_socket_finish(pair.b), 0);
    shake(&end);
    print_message("%s\n", end.why);
    assert_int_equal(end.rc, error);
    assert_non_null(strstr(end.why, why));
    pair_free(&pair);
}

TEST_EVERYWHERE(garbage)
{
    struct world w = world_new();
    char noise[4096];
    uint64_t seed = test_seed();
    answer_with(&w, true, "GET / HTTP/1.0\r\n\r\n", 18, false, -EPROTO, "http request");
    answer_with(&w, false, "220 mail.example.org ESMTP\r\n", 28, false, -EPROTO, "wrong version number");
    answer_with(&w, false, "", 0, true, -ECONNABORTED, "without close_notify");
    answer_with(&w, true, "\x16\x03\x01\x02\x00\x01", 6, true, -ECONNABORTED, "without close_notify");
    answer_with(&w, false, "\x15\x03\x03\x00\x02\x01\x00", 7, false, -ECONNABORTED, "during the handshake");
    answer_with(&w, true, "\x15\x03\x03\x00\x02\x01\x00", 7, false, -EPROTO, "unexpected message");
    for (int i = 0; i < 20; i++) {
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (char)next_random(&seed);
        noise[0] = (char)(i % 2 == 0 ? noise[0] & 0x0f : 0x16); /* no record at all; or one of a handshake */
        noise[1] = noise[2] = 3;
        noise[3] = 1;
        answer_with(&w, i % 4 < 2, noise, sizeof noise, true, -EPROTO, "");
    }
    world_free(&w);
}

TEST_EVERYWHERE(a_cut_is_no_end)
{
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    char buffer[8];
    size_t n;
    assert_int_equal(cheng_tls_write(l.server.tls, "all of", 6), 0);
    assert_int_equal(cheng_socket_finish(l.pair.b), 0); /* TCP's end, which anybody may forge */
    assert_int_equal(cheng_tls_read(l.client.tls, buffer, sizeof buffer, &n), 0);
    assert_int_equal(n, 6);
    for (int i = 0; i < 2; i++)
        assert_int_equal(cheng_tls_read(l.client.tls, buffer, sizeof buffer, &n), -ECONNABORTED);
    assert_non_null(strstr(cheng_tls_error(), "without close_notify"));
    assert_int_equal(cheng_tls_write(l.client.tls, "x", 1), 0); /* and it is the other direction's end only */
    assert_int_equal(cheng_tls_read_exactly(l.server.tls, buffer, 1), 0);
    unlink_two(&l);
    world_free(&w);
}

TEST_EVERYWHERE(a_forged_record)
{
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    char buffer[8];
    size_t n;
    assert_int_equal(cheng_socket_write(l.pair.b,
                                        "\x17\x03\x03\x00\x20"
                                        "0123456789abcdef0123456789abcdef",
                                        37),
                     0);
    assert_int_equal(cheng_tls_read(l.client.tls, buffer, sizeof buffer, &n), -EPROTO);
    assert_non_null(strstr(cheng_tls_error(), "bad record mac"));
    assert_int_equal(cheng_tls_read(l.client.tls, buffer, sizeof buffer, &n), -EPROTO);
    assert_int_equal(cheng_tls_write(l.client.tls, "x", 1), -EPROTO); /* for good */
    assert_int_equal(cheng_tls_finish_until(l.client.tls, CHENG_FOREVER), -EPROTO);
    assert_int_equal(cheng_tls_read(l.server.tls, buffer, sizeof buffer, &n), -EPROTO); /* was told so */
    unlink_two(&l);
    world_free(&w);
}
