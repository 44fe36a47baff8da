/* The load of tls.echo, as that of echo: `load SERVER ROW SECONDS`. Messages of 64 bytes, and as many connections as the
 * row's last number says. The server finds its certificate, with its key, in the file BENCH_CERTIFICATE. */
#include "../echo/load.h"
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/mman.h>

enum { MESSAGE = 64, MOST = 1024 };

static SSL_CTX *context;
static struct {
    SSL *ssl;
    int missing; /* bytes of the answer that are still to come */
} connections[MOST];
static char message[MESSAGE], answer[MESSAGE];

static void make_certificate(void)
{
    char path[32];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509);
    int fd = memfd_create("certificate", 0); /* for the child */
    FILE *file = fdopen(fd, "w");
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"bench", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    X509_set_pubkey(x509, key);
    bench_check(file && X509_sign(x509, key, EVP_sha256()) > 0 && PEM_write_X509(file, x509) == 1 &&
                    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fflush(file) == 0,
                "certificate");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    setenv("BENCH_CERTIFICATE", path, 1);
}

static void send_message(int fd)
{
    connections[fd].missing = MESSAGE;
    bench_check(SSL_write(connections[fd].ssl, message, MESSAGE) == MESSAGE, "write");
}

static void connect_to(int port)
{
    int fd = connect_socket(port);
    SSL *ssl = SSL_new(context);
    bench_check(fd < MOST && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1, "handshake");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    connections[fd].ssl = ssl;
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    send_message(fd);
}

static int serve_answer(int fd)
{
    SSL *ssl = connections[fd].ssl;
    int got = SSL_read(ssl, answer, connections[fd].missing);
    if (got <= 0) /* a ticket */
        return bench_check(SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ, "read"), 0;
    connections[fd].missing -= got;
    if (connections[fd].missing > 0)
        return 0;
    send_message(fd);
    return 1;
}

static double answers(int64_t ns)
{
    struct epoll_event events[128];
    long count = 0;
    for (int64_t end = bench_clock() + ns; bench_clock() < end;) {
        int n = epoll_wait(epoll, events, 128, 1000);
        bench_check(n > 0, "the server stopped answering");
        for (int i = 0; i < n; i++)
            count += serve_answer(events[i].data.fd);
    }
    return (double)count;
}

int main(int argc, char **argv)
{
    int count = 0;
    bench_check(argc == 4, "usage: load SERVER ROW SECONDS");
    bench_begin(argc - 1, argv + 1);
    bench_check(sscanf(bench_row, "tls.echo.%d", &count) == 1 && count > 0, "no such row");
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_read_ahead(context, 1);
    make_certificate();
    int port = start_server(argv + 1);
    while (count-- > 0)
        connect_to(port);
    measure(answers);
    return 0;
}
