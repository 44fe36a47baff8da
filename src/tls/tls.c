/* Connections: OpenSSL between two buffers, and the socket at their other ends.
 *
 *   read    SSL_read takes from `in` until it asks for more; then, without the lock, the socket is read into it
 *   write   SSL_write fills `out` with one record; the socket takes it, and is waited for without the lock
 *
 * So a wait that ends early leaves nothing half done: what came stays in `in`, a record that was made stays in `out`, and
 * goes out before the next. What reading has to tell the peer goes into `out` as well: it is sent if there is room, else
 * by the next writer. */
#include "tls/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { WANTS_INPUT = 1, FINISHED = 2 }; /* of outcome, besides 0 and errors */
enum { DRAINS_MOST = 8 };

/* ---- the socket's side ---- */

/* What the socket takes at once. */
static int send_some(struct cheng_tls *t)
{
    while (t->out.from < t->out.to) {
        size_t put;
        int rc = cheng_socket_write_some_until(t->socket, t->out.bytes + t->out.from, t->out.to - t->out.from,
                                               &put, CHENG_NOW);
        if (rc < 0)
            return rc;
        t->out.from += put;
    }
    t->out.from = t->out.to = 0;
    return 0;
}

static int send_all(struct cheng_tls *t, cheng_deadline deadline)
{
    int rc;
    while ((rc = send_some(t)) == -EAGAIN) {
        cheng_lock_release(&t->lock);
        rc = cheng_socket_wait(t->socket, CHENG_WRITABLE, deadline);
        cheng_lock_acquire(&t->lock);
        if (rc < 0)
            break;
    }
    return rc;
}

/* When OpenSSL has taken all that there was. One at a time: a writer may need input, too. */
static int receive(struct cheng_tls *t, cheng_deadline deadline)
{
    size_t got = 0;
    if (t->receiving)
        return cheng_condition_wait_until(&t->came, &t->lock, deadline);
    t->in.from = t->in.to = 0;
    t->receiving = true;
    cheng_lock_release(&t->lock);
    int rc = cheng_socket_read_until(t->socket, t->received, sizeof t->received, &got, deadline);
    cheng_lock_acquire(&t->lock);
    t->receiving = false;
    cheng_condition_notify(&t->came, UINT_MAX);
    t->in.to = got;
    if (rc == 0 && got == 0)
        return chengi_tls_say(-ECONNABORTED, "the peer has ended the connection without close_notify");
    return rc;
}

/* ---- OpenSSL's side ---- */

/* OpenSSL cannot go on after an error, so it stays. */
static int fail(struct cheng_tls *t)
{
    const char *text;
    int rc = chengi_tls_library_error(&text);
    if (t->failed == 0)
        t->failed = rc;
    return chengi_tls_say(t->failed, "%s", text);
}

static int begin(struct cheng_tls *t)
{
    if (t->failed < 0)
        return chengi_tls_say(t->failed, "the connection has failed before");
    ERR_clear_error(); /* another user's of this thread: SSL_get_error would take it for ours */
    return 0;
}

/* What came of a call of OpenSSL that gave `result`. */
static int outcome(struct cheng_tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_NONE:
        return 0;
    case SSL_ERROR_WANT_READ:
        return WANTS_INPUT;
    case SSL_ERROR_ZERO_RETURN:
        return FINISHED;
    default:
        return fail(t);
    }
}

static int decrypt(struct cheng_tls *t, void *buffer, size_t size, size_t *got)
{
    int rc = begin(t);
    if (rc < 0 || size == 0)
        return rc;
    bool dry = t->in.from == t->in.to && !SSL_has_pending(t->ssl) && SSL_get_shutdown(t->ssl) == 0;
    if (dry) /* OpenSSL would make a buffer, ask for more, and free it */
        return WANTS_INPUT;
    rc = outcome(t, SSL_read_ex(t->ssl, buffer, size, got));
    if (!t->writing) /* else it goes with what the writer has. It may be just about to wait: one of us would be busy */
        (void)send_some(t); /* an alert, if any: what does not go now goes with the next record */
    return rc;
}

static int encrypt(struct cheng_tls *t, const void *data, size_t size, size_t *put)
{
    int rc = begin(t);
    if (rc < 0)
        return rc;
    if (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)
        return -EPIPE;
    rc = outcome(t, SSL_write_ex(t->ssl, data, size < CHENGI_TLS_RECORD ? size : CHENGI_TLS_RECORD, put));
    return rc <= 0 ? rc : fail(t); /* it has nothing to wait for */
}

/* OpenSSL says nothing while it is in the middle of a message about the connection, such as a ticket in several records: it must
 * have the rest first. */
static int settle(struct cheng_tls *t, cheng_deadline deadline)
{
    int rc;
    while ((rc = begin(t)) == 0 && SSL_in_init(t->ssl))
        if ((rc = outcome(t, SSL_do_handshake(t->ssl))) != WANTS_INPUT || (rc = receive(t, deadline)) < 0)
            break;
    return rc == FINISHED ? fail(t) : rc;
}

/* ---- handshakes ---- */

static int refuse(struct cheng_tls *t, int rc, const char *host)
{
    long why = SSL_get_verify_result(t->ssl);
    if (rc != -EPROTO || why == X509_V_OK || SSL_get_verify_mode(t->ssl) == SSL_VERIFY_NONE)
        return rc;
    t->failed = -EKEYREJECTED;
    return chengi_tls_say(-EKEYREJECTED, "the certificate of %s is refused: %s",
                          host != NULL ? host : "the client", X509_verify_cert_error_string(why));
}

static int shake_hands(struct cheng_tls *t, const char *host, cheng_deadline deadline)
{
    int rc;
    cheng_lock_acquire(&t->lock);
    do {
        rc = begin(t);
        if (rc == 0)
            rc = outcome(t, SSL_do_handshake(t->ssl));
        int sent = send_all(t, rc < 0 ? CHENG_NOW : deadline); /* an alert, if there is room for it */
        if (rc >= 0 && sent < 0)
            rc = sent;
    } while (rc == WANTS_INPUT && (rc = receive(t, deadline)) == 0);
    if (rc == FINISHED)
        rc = chengi_tls_say(-ECONNABORTED, "the peer has finished during the handshake");
    rc = refuse(t, rc, host);
    cheng_lock_release(&t->lock);
    return rc;
}

/* The name goes into the request as well, an address does not. */
static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) == 1)
        return true;
    ERR_clear_error();
    return X509_VERIFY_PARAM_set1_host(wanted, host, 0) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* Of the side that `host` tells: NULL for a server. */
static bool prepare(struct cheng_tls *t, const char *host, const cheng_tls_config *config)
{
    bool verifies =
        host != NULL ? config->verify != CHENG_TLS_VERIFY_NOBODY : config->verify == CHENG_TLS_VERIFY_BOTH;
    ERR_clear_error();
    t->ssl = SSL_new(config->context);
    BIO *bio = t->ssl != NULL ? chengi_tls_buffers(t) : NULL;
    if (bio == NULL) {
        t->failed = -ENOMEM;
        return false;
    }
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_verify(t->ssl, verifies ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
                   NULL);
    if (host == NULL)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return host == NULL || expect_host(t->ssl, host);
}

static int start(cheng_tls **out, cheng_socket *s, const char *host, const cheng_tls_config *config,
                 cheng_deadline deadline)
{
    struct cheng_tls *t = OPENSSL_malloc(sizeof *t);
    if (t == NULL)
        return -ENOMEM;
    memset(t, 0, offsetof(struct cheng_tls, received));
    t->socket = s;
    int rc = prepare(t, host, config) ? shake_hands(t, host, deadline)
             : fail(t) == -ENOMEM     ? -ENOMEM
                                      : -EINVAL;
    if (rc < 0)
        cheng_tls_free(t);
    else
        *out = t;
    return rc;
}

int cheng_tls_client_until(cheng_tls **out, cheng_socket *s, const char *host, const cheng_tls_config *config,
                           cheng_deadline deadline)
{
    if (host == NULL || host[0] == '\0' || config == NULL)
        return -EINVAL;
    return start(out, s, host, config, deadline);
}

int cheng_tls_server_until(cheng_tls **out, cheng_socket *s, const cheng_tls_config *config,
                           cheng_deadline deadline)
{
    if (config == NULL || !config->certified)
        return -EINVAL;
    return start(out, s, NULL, config, deadline);
}

int cheng_tls_connect_until(cheng_tls **out, const char *host, const char *service,
                            const cheng_tls_config *config, cheng_deadline deadline)
{
    cheng_socket *s;
    struct cheng_tls *t;
    int rc = config == NULL ? -EINVAL : cheng_connect_until(&s, host, service, deadline);
    if (rc < 0)
        return rc;
    rc = cheng_tls_client_until(&t, s, host, config, deadline);
    if (rc < 0) {
        cheng_socket_free(s);
        return rc;
    }
    t->owns_socket = true;
    *out = t;
    return 0;
}

int cheng_tls_connect(cheng_tls **out, const char *host, const char *service, const cheng_tls_config *config)
{
    return cheng_tls_connect_until(out, host, service, config, CHENG_FOREVER);
}

/* A close with something unread makes TCP drop what the peer has not taken yet; and there is always something, tickets, in a client
 * that only writes. */
static void drain(struct cheng_tls *t)
{
    size_t got = 1;
    for (int i = 0; i < DRAINS_MOST && got > 0; i++)
        if (cheng_socket_read_until(t->socket, t->received, sizeof t->received, &got, CHENG_NOW) < 0)
            break;
}

void cheng_tls_free(cheng_tls *t)
{
    if (t == NULL)
        return;
    if (t->ssl != NULL && (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
        drain(t);
    SSL_free(t->ssl);
    if (t->owns_socket)
        cheng_socket_free(t->socket);
    OPENSSL_free(t->out.bytes);
    OPENSSL_free(t);
}

/* ---- reading and writing ---- */

int cheng_tls_read_until(cheng_tls *t, void *buffer, size_t size, size_t *got, cheng_deadline deadline)
{
    size_t n = 0;
    int rc = -EBUSY;
    CHENG_WITH(&t->lock) {
        if (t->reading)
            break;
        t->reading = true;
        while ((rc = decrypt(t, buffer, size, &n)) == WANTS_INPUT && (rc = receive(t, deadline)) == 0)
            ;
        t->reading = false;
    }
    if (rc < 0)
        return rc;
    *got = rc == FINISHED ? 0 : n;
    return 0;
}

int cheng_tls_read(cheng_tls *t, void *buffer, size_t size, size_t *got)
{
    return cheng_tls_read_until(t, buffer, size, got, CHENG_FOREVER);
}

int cheng_tls_read_exactly_until(cheng_tls *t, void *buffer, size_t size, cheng_deadline deadline)
{
    for (size_t have = 0, got = 0; have < size; have += got) {
        int rc = cheng_tls_read_until(t, (char *)buffer + have, size - have, &got, deadline);
        if (rc < 0)
            return rc;
        if (got == 0)
            return -EPIPE;
    }
    return 0;
}

int cheng_tls_read_exactly(cheng_tls *t, void *buffer, size_t size)
{
    return cheng_tls_read_exactly_until(t, buffer, size, CHENG_FOREVER);
}

int cheng_tls_write_until(cheng_tls *t, const void *data, size_t size, cheng_deadline deadline)
{
    int rc = -EBUSY;
    CHENG_WITH(&t->lock) {
        if (t->writing)
            break;
        t->writing = true;
        rc = send_all(t, deadline);
        for (size_t put = 0, done = 0; rc == 0 && done < size; done += put)
            if ((rc = settle(t, deadline)) == 0 &&
                (rc = encrypt(t, (const char *)data + done, size - done, &put)) == 0)
                rc = send_all(t, deadline);
        t->writing = false;
    }
    return rc;
}

int cheng_tls_write(cheng_tls *t, const void *data, size_t size)
{
    return cheng_tls_write_until(t, data, size, CHENG_FOREVER);
}

int cheng_tls_finish_until(cheng_tls *t, cheng_deadline deadline)
{
    int rc = -EBUSY;
    CHENG_WITH(&t->lock) {
        if (t->writing)
            break;
        t->writing = true;
        rc = settle(t, deadline);
        if (rc == 0 && !(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN) && SSL_shutdown(t->ssl) < 0)
            rc = fail(t);
        if (rc == 0)
            rc = send_all(t, deadline);
        t->writing = false;
    }
    return rc;
}

static int read_for_reader(void *t, void *buffer, size_t size, size_t *got, cheng_deadline deadline)
{
    return cheng_tls_read_until(t, buffer, size, got, deadline);
}

cheng_reader cheng_tls_reader(cheng_tls *t, char *buffer, size_t size)
{
    return (cheng_reader){ .read = read_for_reader, .source = t, .buffer = buffer, .size = size };
}

/* ---- the rest ---- */

cheng_socket *cheng_tls_socket(const cheng_tls *t)
{
    return t->socket;
}

void cheng_tls_describe(cheng_tls *t, cheng_tls_info *out)
{
    const unsigned char *protocol;
    unsigned size;
    memset(out, 0, sizeof *out);
    CHENG_WITH(&t->lock) {
        const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
        X509 *certificate = SSL_get0_peer_certificate(t->ssl);
        SSL_get0_alpn_selected(t->ssl, &protocol, &size);
        snprintf(out->version, sizeof out->version, "%s", SSL_get_version(t->ssl));
        snprintf(out->cipher, sizeof out->cipher, "%s", SSL_get_cipher_name(t->ssl));
        snprintf(out->alpn, sizeof out->alpn, "%.*s", (int)size, (const char *)protocol);
        snprintf(out->server_name, sizeof out->server_name, "%s", name != NULL ? name : "");
        if (certificate != NULL)
            X509_NAME_oneline(X509_get_subject_name(certificate), out->peer, sizeof out->peer);
    }
}
