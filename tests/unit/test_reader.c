/* Lines of sockets and pipes. */
#include "unit/sockets.h"

static cheng_reader reader_of(cheng_socket *s, char *buffer, size_t size)
{
    return (cheng_reader){ .socket = s, .buffer = buffer, .size = size };
}

static void expect_line(cheng_reader *reader, char delimiter, const char *wanted)
{
    char *line = NULL;
    size_t size = 99;
    assert_int_equal(cheng_reader_line(reader, delimiter, &line, &size), 0);
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(line, wanted, size);
}

TEST_EVERYWHERE(lines)
{
    struct pair pair = unix_pair();
    char buffer[16];
    cheng_reader reader = reader_of(pair.b, buffer, sizeof buffer);
    assert_int_equal(cheng_socket_write(pair.a, "one\n\nthree;3\n0123456789abcde\nlast", 33), 0);
    assert_int_equal(cheng_socket_finish(pair.a), 0);
    expect_line(&reader, '\n', "one\n");
    expect_line(&reader, '\n', "\n");
    expect_line(&reader, ';', "three;");
    expect_line(&reader, '\n', "3\n");
    expect_line(&reader, '\n', "0123456789abcde\n"); /* as long as the buffer */
    expect_line(&reader, '\n', "last");
    expect_line(&reader, '\n', "");
    expect_line(&reader, '\n', "");
    pair_free(&pair);
}

TEST_EVERYWHERE(limit)
{
    struct pair pair = unix_pair();
    char buffer[8], *line = NULL, some[8];
    size_t size = 99;
    cheng_reader reader = reader_of(pair.b, buffer, sizeof buffer);
    assert_int_equal(cheng_socket_write(pair.a, "01234567\nx\n", 11), 0);
    for (int i = 0; i < 2; i++) /* consumes nothing */
        assert_int_equal(cheng_reader_line(&reader, '\n', &line, &size), -EMSGSIZE);
    assert_true(line == NULL && size == 99);
    assert_int_equal(cheng_reader_read(&reader, some, 3, &size), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(some, "012", 3);
    expect_line(&reader, '\n', "34567\n");
    expect_line(&reader, '\n', "x\n");
    assert_int_equal(cheng_socket_write(pair.a, "abc", 3), 0);
    assert_int_equal(cheng_reader_read(&reader, some, 8, &size), 0); /* from the source */
    assert_int_equal(size, 3);
    reader.buffer = NULL;
    assert_int_equal(cheng_reader_line(&reader, '\n', &line, &size), -EINVAL);
    pair_free(&pair);
}

TEST_EVERYWHERE(interrupted) /* a time-out consumes nothing */
{
    struct pair pair = unix_pair();
    char buffer[32], *line;
    size_t size;
    cheng_reader reader = reader_of(pair.b, buffer, sizeof buffer);
    assert_int_equal(cheng_socket_write(pair.a, "be", 2), 0);
    assert_int_equal(cheng_reader_line_until(&reader, '\n', &line, &size, CHENG_NOW), -EAGAIN);
    assert_int_equal(cheng_reader_line_until(&reader, '\n', &line, &size, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    assert_int_equal(cheng_socket_write(pair.a, "gun\n", 4), 0);
    expect_line(&reader, '\n', "begun\n");
    assert_int_equal(cheng_reader_read_until(&reader, buffer, 1, &size, CHENG_NOW), -EAGAIN);
    cheng_socket_close(pair.b);
    assert_int_equal(cheng_reader_line(&reader, '\n', &line, &size), -EBADF);
    pair_free(&pair);
}

TEST_EVERYWHERE(pipe_lines)
{
    int ends[2];
    char buffer[32];
    assert_int_equal(pipe(ends), 0);
    cheng_reader reader = { .fd = ends[0], .buffer = buffer, .size = sizeof buffer };
    assert_int_equal(write(ends[1], "one\ntwo", 7), 7);
    close(ends[1]);
    expect_line(&reader, '\n', "one\n");
    expect_line(&reader, '\n', "two");
    expect_line(&reader, '\n', "");
    close(ends[0]);
}
