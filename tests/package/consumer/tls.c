/* A stranger's C program that uses TLS. */
#include <cheng.h>
#include <cheng/tls.h>
#include <stdio.h>

int main(void)
{
    cheng_tls_config *config;
    int rc = cheng_tls_config_new(&config, NULL);
    if (rc == 0)
        cheng_tls_config_free(config);
    printf("C: a config: %s\n", cheng_strerror(rc));
    return rc < 0;
}
