/* cheng_serve under cheng_run, and TLS over it: one thread, a coroutine for each connection. */
#include "../bench.h"
#include <cheng.h>
#include <cheng/tls.h>

static int echo(cheng_socket *client, void *config)
{
    cheng_tls *t;
    char buffer[4096];
    size_t n;
    int rc = cheng_tls_server_until(&t, client, config, cheng_after(10 * CHENG_SECOND));
    if (rc < 0)
        return rc;
    while (cheng_tls_read(t, buffer, sizeof buffer, &n) == 0 && n > 0)
        if (cheng_tls_write(t, buffer, n) < 0)
            break;
    cheng_tls_free(t);
    return 0;
}

static int server(const void *arg, void *result)
{
    cheng_socket *listener;
    cheng_tls_config *config;
    cheng_tls_options options = { .certificate_file = getenv("BENCH_CERTIFICATE") };
    (void)arg;
    (void)result;
    int rc = cheng_tls_config_new(&config, &options);
    if (rc == 0)
        rc = cheng_listen(&listener, "127.0.0.1", "0", NULL);
    if (rc < 0)
        return rc;
    printf("%d\n", cheng_socket_port(listener));
    fflush(stdout);
    return cheng_serve(listener, echo, config, NULL);
}

int main(int argc, char **argv)
{
    int status = 0;
    bench_begin(argc, argv);
    int rc = cheng_run(&status, server, NULL, 0);
    if (rc < 0 || status < 0)
        bench_fail(cheng_strerror(rc < 0 ? rc : status));
    return 0;
}
