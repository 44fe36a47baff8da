/* What OpenSSL takes for the connection: two buffers. It finds nothing to read, and asks for more; it can always write. */
#include "tls/tls.h"

#include <errno.h>
#include <string.h>

#include <cheng/once.h>
#include <openssl/bio.h>

static int read_bytes(BIO *bio, char *data, int size)
{
    struct cheng_tls *t = BIO_get_data(bio);
    size_t there = t->in.to - t->in.from, part = there < (size_t)size ? there : (size_t)size;
    BIO_clear_retry_flags(bio);
    if (part == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(data, t->received + t->in.from, part);
    t->in.from += part;
    return (int)part;
}

/* More than a record or a handshake's flight, with what the peer may provoke while it reads nothing (an alert for each of
 * its requests to renegotiate). */
enum { UNSENT_MOST = 1 << 18 };

static bool make_room(struct cheng_tls *t, size_t size)
{
    if (t->out.room - t->out.to >= size)
        return true;
    size_t room = t->out.to + size;
    char *bytes = room <= UNSENT_MOST ? OPENSSL_realloc(t->out.bytes, room) : NULL;
    if (bytes == NULL)
        return false;
    t->out.bytes = bytes;
    t->out.room = room;
    return true;
}

static int write_bytes(BIO *bio, const char *data, int size)
{
    struct cheng_tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!make_room(t, (size_t)size)) {
        t->failed = -ENOMEM;
        return -1;
    }
    memcpy(t->out.bytes + t->out.to, data, (size_t)size);
    t->out.to += (size_t)size;
    return size;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method; /* for good: a BIO points to it */
static cheng_once made;

static int make_method(void *unused)
{
    (void)unused;
    method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "cheng");
    if (method == NULL)
        return -ENOMEM;
    BIO_meth_set_read(method, read_bytes);
    BIO_meth_set_write(method, write_bytes);
    BIO_meth_set_ctrl(method, control);
    return 0;
}

BIO *chengi_tls_buffers(struct cheng_tls *t)
{
    BIO *bio = cheng_once_call(&made, make_method, NULL) < 0 ? NULL : BIO_new(method);
    if (bio != NULL) {
        BIO_set_data(bio, t);
        BIO_set_init(bio, 1);
    }
    return bio;
}
