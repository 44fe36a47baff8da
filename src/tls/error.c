/* What went wrong, in words: OpenSSL's queue is emptied at once, and the calling task keeps the text. */
#include "tls/tls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cheng/local.h>
#include <openssl/err.h>

static cheng_local texts = { .destroy = free };

int chengi_tls_say(int error, const char *format, ...)
{
    char *text = cheng_local_get(&texts);
    if (text == NULL && (text = malloc(CHENGI_TLS_TEXT)) != NULL && cheng_local_set(&texts, text) < 0) {
        free(text);
        text = NULL;
    }
    if (text != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, CHENGI_TLS_TEXT, format, arguments);
        va_end(arguments);
    }
    return error;
}

const char *cheng_tls_error(void)
{
    const char *text = cheng_local_get(&texts);
    return text != NULL ? text : "not known";
}

int chengi_tls_library_error(const char **text)
{
    unsigned long first = ERR_get_error(); /* those after it say who was told of it */
    const char *reason = ERR_reason_error_string(first);
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(first)) {
        *text = cheng_strerror(ERR_GET_REASON(first));
        return -ERR_GET_REASON(first);
    }
    *text = reason != NULL ? reason : "unknown error";
    return ERR_GET_REASON(first) == ERR_R_MALLOC_FAILURE ? -ENOMEM : -EPROTO;
}
