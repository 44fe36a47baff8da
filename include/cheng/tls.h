/* cheng/tls.h: TLS over sockets (Python: ssl). An optional part: the library cheng-tls, which needs OpenSSL 3. Not in
 * <cheng.h>; link with `pkg-config --libs cheng-tls`, or CMake's find_package(cheng COMPONENTS tls) and cheng::tls.
 *
 * A client checks the server's certificate and name, against those whom the system trusts or a file of yours. Every wait
 * is that of a socket: it blocks the calling task only, and ends by a deadline or a cancel, too.
 *
 * @code
 * #include <cheng/tls.h>
 *
 * int say_hello(const char *host, const cheng_tls_config *config)
 * {
 *     cheng_tls *t;
 *     char answer[1024];
 *     size_t n;
 *     cheng_deadline d = cheng_after(10 * CHENG_SECOND);
 *     int rc = cheng_tls_connect_until(&t, host, "7", config, d);
 *     if (rc < 0)
 *         return fprintf(stderr, "%s: %s\n", host, cheng_tls_error()), rc;
 *     rc = cheng_tls_write_until(t, "hello\n", 6, d);
 *     if (rc == 0)
 *         rc = cheng_tls_finish_until(t, d); // all has been said
 *     while (rc == 0 && (rc = cheng_tls_read_until(t, answer, sizeof answer, &n, d)) == 0 && n > 0)
 *         fwrite(answer, 1, n, stdout);
 *     cheng_tls_free(t);
 *     return rc;
 * }
 *
 * // A handler of cheng_serve, whose context is a config with a certificate.
 * int answer(cheng_socket *client, void *config)
 * {
 *     cheng_tls *t;
 *     char buffer[1024];
 *     size_t n;
 *     int rc = cheng_tls_server_until(&t, client, config, cheng_after(10 * CHENG_SECOND));
 *     if (rc < 0)
 *         return rc;
 *     while ((rc = cheng_tls_read(t, buffer, sizeof buffer, &n)) == 0 && n > 0)
 *         if ((rc = cheng_tls_write(t, buffer, n)) < 0)
 *             break;
 *     if (rc == 0)
 *         rc = cheng_tls_finish_until(t, cheng_after(10 * CHENG_SECOND));
 *     cheng_tls_free(t);
 *     return rc;
 * }
 * @endcode
 *
 * One reader and one writer at a time for each connection, who may be different tasks; a second is -EBUSY. What computes
 * (a handshake takes about a millisecond) keeps its worker from other coroutines meanwhile.
 *
 *   -EKEYREJECTED   the peer's certificate is refused: expired, of nobody whom we trust, for another name, ...
 *   -EPROTO         the peer does not keep to TLS, does not accept what we have, or refuses us
 *   -ECONNABORTED   the peer has ended the connection without saying that it has finished: what was read may not be all
 *   -EBUSY          another task is reading (writing) this connection
 *   -EPIPE          write: after cheng_tls_finish_until, or the peer is gone; read_exactly: it has finished before that
 *   -EINVAL, -ENOENT, -EACCES   config: a file that is not there, may not be read, or has not in it what it should
 *   -EINVAL         no host, no config; a server's config without a certificate
 *   -ENOMEM
 *   and those of cheng/socket.h. What the first three were about says cheng_tls_error. */
#ifndef CHENG_TLS_H
#define CHENG_TLS_H

#include <cheng/base.h>
#include <cheng/reader.h>
#include <cheng/socket.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cheng_tls_version { CHENG_TLS_1_2 = 0, CHENG_TLS_1_3 };

enum cheng_tls_verify {
    CHENG_TLS_VERIFY_SERVER = 0, /* a client checks the server, a server asks its clients for nothing */
    CHENG_TLS_VERIFY_BOTH, /* and a server takes only clients with a certificate from ca_file, which must be given */
    CHENG_TLS_VERIFY_NOBODY /* for experiments: it is not known who is at the other end */
};

typedef struct cheng_tls_options {
    const char *ca_file;          /* PEM: whose certificates are trusted; NULL: whom the system trusts */
    const char *certificate_file; /* PEM: ours, then those that lead to its root. Servers need one */
    const char *key_file;         /* PEM, without a password; NULL: it is in certificate_file */
    const char *alpn;             /* protocols, the best first: "h2,http/1.1"; NULL: none is named */
    enum cheng_tls_version min_version; /* of TLS */
    enum cheng_tls_verify verify;
} cheng_tls_options;

/* What connections have in common, for clients and servers; any number of tasks may use it at the same time. Blocks
 * while it reads the files. It may be freed when no connect, client or server call uses it any more. */
typedef struct cheng_tls_config cheng_tls_config;
CHENG_API CHENG_NODISCARD int cheng_tls_config_new(cheng_tls_config **out, const cheng_tls_options *options);
CHENG_API void cheng_tls_config_free(cheng_tls_config *config);

typedef struct cheng_tls cheng_tls;

/* Connects to host and service as cheng_connect does, shakes hands, and checks that the peer is `host`, a name or an
 * address. */
CHENG_API CHENG_NODISCARD int cheng_tls_connect(cheng_tls **out, const char *host, const char *service,
                                                const cheng_tls_config *config);
CHENG_API CHENG_NODISCARD int cheng_tls_connect_until(cheng_tls **out, const char *host, const char *service,
                                                      const cheng_tls_config *config,
                                                      cheng_deadline deadline);

/* The same over a connected stream, of whatever kind, on which nobody else may read or write from now on. It stays the
 * caller's: to be freed after the cheng_tls, and of no use after an error. */
CHENG_API CHENG_NODISCARD int cheng_tls_client_until(cheng_tls **out, cheng_socket *s, const char *host,
                                                     const cheng_tls_config *config, cheng_deadline deadline);

/* The other end. (A client that is refused by TLS 1.3 for its certificate learns it when it reads.) */
CHENG_API CHENG_NODISCARD int cheng_tls_server_until(cheng_tls **out, cheng_socket *s,
                                                     const cheng_tls_config *config, cheng_deadline deadline);

/* As the calls of the same names for sockets. After a deadline or a cancel, reading goes on where it was; a write may
 * have sent a part. `got` 0: the peer has said that it has finished. */
CHENG_API CHENG_NODISCARD int cheng_tls_read(cheng_tls *t, void *buffer, size_t size, size_t *got);
CHENG_API CHENG_NODISCARD int cheng_tls_read_until(cheng_tls *t, void *buffer, size_t size, size_t *got,
                                                   cheng_deadline deadline);
CHENG_API CHENG_NODISCARD int cheng_tls_read_exactly(cheng_tls *t, void *buffer, size_t size);
CHENG_API CHENG_NODISCARD int cheng_tls_read_exactly_until(cheng_tls *t, void *buffer, size_t size,
                                                           cheng_deadline deadline);
CHENG_API CHENG_NODISCARD int cheng_tls_write(cheng_tls *t, const void *data, size_t size);
CHENG_API CHENG_NODISCARD int cheng_tls_write_until(cheng_tls *t, const void *data, size_t size,
                                                    cheng_deadline deadline);

/* Lines (cheng/reader.h): a reader of the connection, with a buffer of yours. */
CHENG_API cheng_reader cheng_tls_reader(cheng_tls *t, char *buffer, size_t size);

/* Tells the peer that no more comes (TLS's close_notify), so that it can tell the end from a cut; reading goes on. Counts
 * as a writer. */
CHENG_API CHENG_NODISCARD int cheng_tls_finish_until(cheng_tls *t, cheng_deadline deadline);

/* Frees it, which nobody else may be using, and the socket that cheng_tls_connect made. Does not block, and tells the
 * peer nothing: without a finish before, it sees a cut. With one, what the peer has said is thrown away; what it says later
 * makes TCP drop what it has not taken by then, so be sure of the last words by reading until the peer has finished, too. NULL
 * is allowed. */
CHENG_API void cheng_tls_free(cheng_tls *t);

/* Its socket, to ask for its peer, or to close it from any task, which wakes who waits: -EBADF. Not to read or write. */
CHENG_API cheng_socket *cheng_tls_socket(const cheng_tls *t);

/* What was agreed on. */
typedef struct cheng_tls_info {
    char version[16]; /* "TLSv1.3" */
    char cipher[64];
    char alpn[256];        /* the protocol; "": none */
    char server_name[256]; /* whom the client asked for; "": nobody by name */
    char peer[256];        /* of whom the peer's certificate is, "/CN=example.org"; "": it showed none */
} cheng_tls_info;
CHENG_API void cheng_tls_describe(cheng_tls *t, cheng_tls_info *out);

/* Why the last call of the calling task failed that gave -EKEYREJECTED, -EPROTO or -ECONNABORTED, or made no config, in
 * one line: "certificate has expired". Never NULL; the task's, until its next such failure or its end. */
CHENG_API const char *cheng_tls_error(void);

#ifdef __cplusplus
}
#endif
#endif
