/* Peers that keep to TLS, but do what few do; and tasks that meet at the socket. */
#include "tls/certificates.h"
#include "tls/tls.h"

static void read_x(cheng_tls *from, cheng_tls *to)
{
    char byte = 0;
    assert_int_equal(cheng_tls_write(from, "x", 1), 0);
    assert_int_equal(cheng_tls_read_exactly(to, &byte, 1), 0);
    assert_int_equal(byte, 'x');
}

/* A reader hands on what waits to go out, unless there is a writer: who is about to wait for room would find the socket
 * busy, and say so. */
TEST_EVERYWHERE(a_reader_leaves_the_socket_to_the_writer)
{
    static char much[16 << 20];
    struct world w = world_new();
    struct link_of_two l = link_two(&w);
    cheng_tls *t = l.client.tls;
    size_t n;
    assert_int_equal(cheng_tls_write_until(t, much, sizeof much, cheng_after(20 * CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    size_t from = t->out.from;
    assert_true(from < t->out.to);
    while (cheng_socket_read_until(l.pair.b, much, sizeof much, &n, cheng_after(20 * CHENG_MILLISECOND)) == 0)
        assert_true(n > 0); /* now there is room */
    t->writing = true;      /* as one that has released the lock to wait */
    read_x(l.server.tls, t);
    assert_int_equal(t->out.from, from);
    t->writing = false;
    read_x(l.server.tls, t);
    assert_int_equal(t->out.to, 0);
    unlink_two(&l);
    world_free(&w);
}
