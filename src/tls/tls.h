/* The library cheng-tls: the only code here that knows OpenSSL, over nothing of Cheng's but its public headers.
 *
 * OpenSSL never waits, and no task is switched while it is inside: a coroutine that went on there would find the error
 * queue of its thread, which OpenSSL keeps thread-local, written by another. So OpenSSL reads from one buffer and writes
 * into another (buffers.c), and the socket is used in between (tls.c). */
#ifndef CHENG_TLS_TLS_H
#define CHENG_TLS_TLS_H

#include <cheng/condition.h>
#include <cheng/lock.h>
#include <cheng/tls.h>

#include <openssl/ssl.h>

enum { CHENGI_TLS_RECORD = 16384, CHENGI_TLS_TEXT = 256 };

struct cheng_tls_config {
    SSL_CTX *context;
    enum cheng_tls_verify verify;
    bool certified;
    size_t alpn_size;
    unsigned char alpn[CHENGI_TLS_TEXT]; /* as TLS has it: each name after its length */
};

/* The lock protects all of it, and is not held while anybody waits. */
struct cheng_tls {
    cheng_lock lock;
    SSL *ssl;
    cheng_socket *socket;
    bool owns_socket;
    bool reading, writing; /* somebody is, and may be waiting */
    bool receiving;        /* one of them, from the socket into `received` */
    cheng_condition came;  /* that has ended */
    int failed;            /* what OpenSSL did not survive; 0: all is well */
    struct {
        size_t from, to, room;
        char *bytes;
    } out; /* made by OpenSSL, and not sent yet */
    struct {
        size_t from, to;
    } in; /* of `received`: not taken by OpenSSL yet. What is behind it is the reader's, while it waits */
    char received[CHENGI_TLS_RECORD];
};

/* A BIO that reads from `in` and writes into `out`; NULL: no memory. */
BIO *chengi_tls_buffers(struct cheng_tls *t);

/* The errno for the error that OpenSSL has just left in its queue, which is emptied; and what it says, for good. */
int chengi_tls_library_error(const char **text);

/* For cheng_tls_error. Returns `error`. */
int chengi_tls_say(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
