/* The floor of a server with TLS: a loop of epoll_wait, SSL_read and SSL_write, one thread, level-triggered; OpenSSL reads
 * ahead, so that a message is one system call. */
#include "../echo/server.h"
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

enum { MOST = 1024 };
static SSL *connections[MOST];

static bool goes_on(SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool echo(SSL *ssl)
{
    char buffer[4096];
    if (!SSL_is_init_finished(ssl)) {
        int done = SSL_accept(ssl);
        return done == 1 || goes_on(ssl, done);
    }
    do {
        int got = SSL_read(ssl, buffer, sizeof buffer);
        if (got <= 0)
            return goes_on(ssl, got);
        if (SSL_write(ssl, buffer, got) != got)
            return false;
    } while (SSL_has_pending(ssl));
    return true;
}

int main(int argc, char **argv)
{
    struct epoll_event events[128];
    const char *file = getenv("BENCH_CERTIFICATE");
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    bench_begin(argc, argv);
    bench_check(file && SSL_CTX_use_certificate_chain_file(context, file) == 1 &&
                    SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) == 1,
                "certificate");
    SSL_CTX_set_read_ahead(context, 1);
    int listener = listen_and_print_port(SOCK_NONBLOCK), epoll = epoll_create1(EPOLL_CLOEXEC), one = 1;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, 128, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (!echo(connections[fd]))
                    bench_fail("a connection ended");
                continue;
            }
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0)
                continue;
            bench_check(fd < MOST, "too many connections");
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            connections[fd] = SSL_new(context);
            SSL_set_fd(connections[fd], fd);
            SSL_set_accept_state(connections[fd]);
            event.data.fd = fd;
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
