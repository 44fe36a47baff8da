/* Configurations: an SSL_CTX, which is never changed once it is made. */
#include "tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cheng/task.h>
#include <openssl/err.h>

struct making {
    const cheng_tls_options *options;
    struct cheng_tls_config *config;
    const char *file; /* being read; NULL: none */
};

/* Where a password would be asked for, at the terminal. */
static int no_password(char *password, int size, int for_writing, void *unused)
{
    (void)password, (void)size, (void)for_writing, (void)unused;
    return -1;
}

static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *size,
                           const unsigned char *offered, unsigned offered_size, void *context)
{
    const struct cheng_tls_config *config = context;
    unsigned char *found;
    (void)ssl;
    if (SSL_select_next_proto(&found, size, config->alpn, (unsigned)config->alpn_size, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_protocols(struct cheng_tls_config *config, const char *names)
{
    for (size_t size; names != NULL; names = names[size] == ',' ? names + size + 1 : NULL) {
        size = strcspn(names, ",");
        if (size == 0 || size >= sizeof config->alpn - config->alpn_size)
            return false;
        config->alpn[config->alpn_size++] = (unsigned char)size;
        memcpy(config->alpn + config->alpn_size, names, size);
        config->alpn_size += size;
    }
    if (config->alpn_size > 0)
        SSL_CTX_set_alpn_select_cb(config->context, choose_protocol, config);
    return config->alpn_size == 0 ||
           SSL_CTX_set_alpn_protos(config->context, config->alpn, (unsigned)config->alpn_size) == 0;
}

static bool load_trusted(struct making *making, SSL_CTX *context)
{
    if (making->options->verify == CHENG_TLS_VERIFY_NOBODY)
        return true;
    making->file = making->options->ca_file;
    if (making->file == NULL)
        return SSL_CTX_set_default_verify_paths(context) == 1;
    if (SSL_CTX_load_verify_file(context, making->file) != 1)
        return false;
    if (making->options->verify == CHENG_TLS_VERIFY_SERVER)
        return true;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(making->file);
    SSL_CTX_set_client_CA_list(context, names);
    return names != NULL;
}

static bool load_certificate(struct making *making, SSL_CTX *context)
{
    const cheng_tls_options *options = making->options;
    making->file = options->certificate_file;
    if (making->file == NULL)
        return true;
    if (SSL_CTX_use_certificate_chain_file(context, making->file) != 1)
        return false;
    making->file = options->key_file != NULL ? options->key_file : options->certificate_file;
    SSL_CTX_set_default_passwd_cb(context, no_password);
    making->config->certified = SSL_CTX_use_PrivateKey_file(context, making->file, SSL_FILETYPE_PEM) == 1 &&
                                SSL_CTX_check_private_key(context) == 1;
    return making->config->certified;
}

static bool load(struct making *making, SSL_CTX *context)
{
    static const unsigned char ours[] = "cheng";
    int version = making->options->min_version == CHENG_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* sessions are in the tickets of clients */
    return SSL_CTX_set_min_proto_version(context, version) == 1 &&
           SSL_CTX_set_session_id_context(context, ours, sizeof ours) == 1 && load_trusted(making, context) &&
           load_certificate(making, context);
}

/* On a helper thread, if the caller is a coroutine; result: what was wrong. */
static int make(const void *argument, void *result)
{
    struct making *making = *(struct making *const *)argument;
    struct cheng_tls_config *config = making->config;
    const char *why;
    char *text = result;
    ERR_clear_error();
    config->context = SSL_CTX_new(TLS_method());
    if (config->context != NULL && load(making, config->context)) {
        making->file = NULL;
        if (set_protocols(config, making->options->alpn))
            return 0;
        snprintf(text, CHENGI_TLS_TEXT, "alpn: an empty name, or too many");
        return -EINVAL;
    }
    int rc = chengi_tls_library_error(&why);
    snprintf(text, CHENGI_TLS_TEXT, "%s%s%s", making->file != NULL ? making->file : "",
             making->file != NULL ? ": " : "", why);
    return rc == -EPROTO ? -EINVAL : rc;
}

int cheng_tls_config_new(cheng_tls_config **out, const cheng_tls_options *options)
{
    static const cheng_tls_options none;
    char text[CHENGI_TLS_TEXT] = "no helper thread";
    struct making making = { .options = options != NULL ? options : &none }, *argument = &making;
    if (making.options->verify == CHENG_TLS_VERIFY_BOTH && making.options->ca_file == NULL)
        return chengi_tls_say(
            -EINVAL, "verify: both, without a ca_file: whoever has a public certificate would be let in");
    making.config = OPENSSL_zalloc(sizeof *making.config);
    if (making.config == NULL)
        return chengi_tls_say(-ENOMEM, "no memory");
    making.config->verify = making.options->verify;
    int rc = cheng_offload(make, &argument, text);
    if (rc < 0) {
        cheng_tls_config_free(making.config);
        return chengi_tls_say(rc, "%s", text);
    }
    *out = making.config;
    return 0;
}

void cheng_tls_config_free(cheng_tls_config *config)
{
    if (config == NULL)
        return;
    SSL_CTX_free(config->context);
    OPENSSL_free(config);
}
