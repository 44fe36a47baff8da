/* Certificates for one test, made while it runs. Their files are in memory: /proc/self/fd/N, which a child that inherits
 * them can open as well. */
#ifndef CHENG_TEST_CERTIFICATES_H
#define CHENG_TEST_CERTIFICATES_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>

#include <cheng/tls.h>

#include "unit/sockets.h"

/* OpenSSL would clean up when the process exits, under the threads of workers: ThreadSanitizer sees the race, and
 * LeakSanitizer what these threads had. */
__attribute__((constructor)) static void no_clean_up_at_exit(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

struct certificate {
    EVP_PKEY *key;
    X509 *x509;
    char file[32],
        key_file[32]; /* the certificate (with its key behind it, unless it is an authority); its key */
};

struct request {
    const char *subject, *names;      /* "localhost"; "DNS:localhost,IP:127.0.0.1" */
    const struct certificate *issuer; /* NULL: signed by itself */
    int from_hours, until_hours;      /* from now; both 0: valid */
};

static inline FILE *file_in_memory(char path[32])
{
    int fd = memfd_create("certificate", 0); /* without MFD_CLOEXEC: for children */
    assert_true(fd >= 0);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    setvbuf(file, NULL, _IONBF, 0);
    return file; /* and left open */
}

static inline void add_extension(const struct certificate *c, const struct request *r, int which,
                                 const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, r->issuer != NULL ? r->issuer->x509 : c->x509, c->x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, which, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(c->x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline struct certificate make_certificate(struct request r)
{
    static int serial;
    struct certificate c = { .key = EVP_EC_gen("P-256"), .x509 = X509_new() };
    bool authority = r.names == NULL;
    const struct certificate *issuer = r.issuer != NULL ? r.issuer : &c;
    X509_NAME *subject = X509_get_subject_name(c.x509);
    X509_set_version(c.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), 3600L * (r.until_hours == 0 ? -1 : r.from_hours));
    X509_gmtime_adj(X509_getm_notAfter(c.x509), 3600L * (r.until_hours == 0 ? 24 : r.until_hours));
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)r.subject, -1, -1, 0);
    X509_set_issuer_name(c.x509, X509_get_subject_name(issuer->x509));
    X509_set_pubkey(c.x509, c.key);
    add_extension(&c, &r, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(&c, &r, NID_subject_key_identifier, "hash");
    if (!authority)
        add_extension(&c, &r, NID_subject_alt_name, r.names);
    assert_true(X509_sign(c.x509, issuer->key, EVP_sha256()) > 0);
    FILE *file = file_in_memory(c.file), *key_file = file_in_memory(c.key_file);
    assert_int_equal(PEM_write_X509(file, c.x509), 1);
    if (!authority)
        assert_int_equal(PEM_write_PrivateKey(file, c.key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(PEM_write_PrivateKey(key_file, c.key, NULL, NULL, 0, NULL, NULL), 1);
    return c;
}

static inline cheng_tls_config *config_of(cheng_tls_options options)
{
    cheng_tls_config *config;
    assert_int_equal(cheng_tls_config_new(&config, &options), 0);
    return config;
}

/* ---- an authority, a server that it vouches for, and those that use both ---- */

struct world {
    struct certificate authority, server;
    cheng_tls_config *client_config, *server_config;
};

static inline struct world world_new(void)
{
    struct world w;
    w.authority = make_certificate((struct request){ .subject = "authority" });
    w.server = make_certificate((struct request){
        .subject = "server", .names = "DNS:localhost,IP:127.0.0.1", .issuer = &w.authority });
    w.client_config = config_of((cheng_tls_options){ .ca_file = w.authority.file });
    w.server_config = config_of((cheng_tls_options){ .certificate_file = w.server.file });
    return w;
}

static inline void certificate_free(struct certificate *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
}

static inline void world_free(struct world *w)
{
    cheng_tls_config_free(w->client_config);
    cheng_tls_config_free(w->server_config);
    certificate_free(&w->authority);
    certificate_free(&w->server);
}

/* ---- two ends that shake hands ---- */

struct end {
    cheng_socket *socket;
    const cheng_tls_config *config;
    const char *host; /* NULL: the server */
    cheng_tls *tls;
    int rc;
    char why[200];
};

static inline int shake(void *context)
{
    struct end *end = context;
    cheng_deadline soon = cheng_after(20 * CHENG_SECOND);
    end->rc = end->host != NULL ? cheng_tls_client_until(&end->tls, end->socket, end->host, end->config, soon)
                                : cheng_tls_server_until(&end->tls, end->socket, end->config, soon);
    snprintf(end->why, sizeof end->why, "%s", end->rc < 0 ? cheng_tls_error() : "");
    if (end->rc < 0)
        cheng_socket_close(end->socket);
    return 0;
}

/* The client in the calling task, the server in another. */
static inline void shake_both(struct end *client, struct end *server)
{
    struct actor actor;
    actor_start(&actor, IN_COROUTINE, shake, server);
    shake(client);
    actor_join(&actor);
}

struct link_of_two {
    struct pair pair;
    struct end client, server;
};

static inline struct link_of_two try_link(const cheng_tls_config *client, const cheng_tls_config *server,
                                          const char *host)
{
    struct link_of_two l = { .pair = tcp_pair() };
    l.client = (struct end){ .socket = l.pair.a, .config = client, .host = host };
    l.server = (struct end){ .socket = l.pair.b, .config = server };
    shake_both(&l.client, &l.server);
    return l;
}

static inline struct link_of_two link_two(const struct world *w)
{
    struct link_of_two l = try_link(w->client_config, w->server_config, "localhost");
    assert_string_equal(l.client.why, "");
    assert_string_equal(l.server.why, "");
    assert_int_equal(l.client.rc, 0);
    assert_int_equal(l.server.rc, 0);
    return l;
}

static inline void unlink_two(struct link_of_two *l)
{
    cheng_tls_free(l->client.tls);
    cheng_tls_free(l->server.tls);
    pair_free(&l->pair);
}

#endif
