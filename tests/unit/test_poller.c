/* The host's poller, on epoll or, in the preset uring, on io_uring: what both promise. */
#include "unit/sockets.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "host/host.h"

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

enum { ROOM = 8 };
static const int64_t forever = 0, no_wait = -1;

static struct host_poller open_poller(void)
{
    struct host_poller poller;
    assert_int_equal(chengi_host_poller_open(&poller), 0);
    return poller;
}

/* The end that is watched, then its peer; neither blocks. */
static void make_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

/* Events until there are some; there must be one only. */
static struct host_event one_event(struct host_poller *poller)
{
    struct host_event events[ROOM];
    int n;
    do
        n = chengi_host_poller_wait(poller, events, ROOM, chengi_host_now() + 10 * CHENG_SECOND);
    while (n == 0);
    assert_int_equal(n, 1);
    return events[0];
}

static void assert_silent(struct host_poller *poller)
{
    struct host_event events[ROOM];
    for (int i = 0; i < 3; i++)
        assert_int_equal(chengi_host_poller_wait(poller, events, ROOM, no_wait), 0);
}

/* What has changed is told; what has not may be told with it. */
static void assert_event(struct host_poller *poller, uint64_t data, unsigned changed)
{
    struct host_event event = one_event(poller);
    assert_int_equal(event.data, data);
    assert_int_equal(event.ready & changed, changed);
}

TEST(deadlines)
{
    struct host_poller poller = open_poller();
    struct host_event events[ROOM];
    int64_t before = chengi_host_now();
    assert_int_equal(chengi_host_poller_wait(&poller, events, ROOM, no_wait), 0);
    assert_int_equal(chengi_host_poller_wait(&poller, events, ROOM, 1), 0); /* long past */
    while (chengi_host_now() < before + 20 * CHENG_MILLISECOND)
        assert_int_equal(chengi_host_poller_wait(&poller, events, ROOM, before + 20 * CHENG_MILLISECOND), 0);
    chengi_host_poller_close(&poller);
}

struct notifier {
    struct host_poller poller;
    uint32_t done;
};

static void *notify(void *argument)
{
    struct notifier *notifier = argument;
    chengi_host_poller_notify(&notifier->poller);
    __atomic_store_n(&notifier->done, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

TEST(notify)
{
    struct notifier notifier = { .poller = open_poller() };
    struct host_event events[ROOM];
    for (unsigned i = 0; i < scaled(200); i++) { /* the next wait, then, mostly, the present one */
        notifier.done = 0;
        chengi_host_poller_notify(&notifier.poller);
        assert_int_equal(chengi_host_poller_wait(&notifier.poller, events, ROOM, forever), 0);
        assert_int_equal(chengi_host_start(notify, &notifier, 0), 0);
        assert_int_equal(chengi_host_poller_wait(&notifier.poller, events, ROOM, forever), 0);
        while (!__atomic_load_n(&notifier.done, __ATOMIC_SEQ_CST))
            chengi_host_yield();
    }
    chengi_host_poller_close(&notifier.poller);
}

TEST(notify_behind_an_event)
{
    struct host_poller poller = open_poller();
    struct host_event event;
    int fds[2];
    make_pair(fds);
    assert_int_equal(chengi_host_poller_watch(&poller, fds[0], 7), 0);
    assert_event(&poller, 7, CHENGI_HOST_WRITABLE);
    assert_int_equal(write(fds[1], "x", 1), 1);
    chengi_host_poller_notify(&poller);
    assert_int_equal(chengi_host_poller_wait(&poller, &event, 1, forever), 1); /* no room for more */
    assert_int_equal(chengi_host_poller_wait(&poller, &event, 1, forever), 0);
    chengi_host_close(fds[0]);
    chengi_host_poller_close(&poller);
}

TEST(watch_reports_changes)
{
    struct host_poller poller = open_poller();
    int fds[2];
    char byte;
    make_pair(fds);
    assert_int_equal(chengi_host_poller_watch(&poller, fds[0], 7), 0);
    assert_event(&poller, 7, CHENGI_HOST_WRITABLE);
    assert_silent(&poller);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_event(&poller, 7, CHENGI_HOST_READABLE);
        assert_silent(&poller); /* it is still readable, but that is no change */
    }
    while (read(fds[0], &byte, 1) == 1)
        ;
    assert_int_equal(chengi_host_poller_watch(&poller, fds[0], 8),
                     0); /* the former data is not told any more */
    assert_event(&poller, 8, CHENGI_HOST_WRITABLE);
    close(fds[1]);
    assert_event(&poller, 8, CHENGI_HOST_READABLE | CHENGI_HOST_HUNG_UP);
    chengi_host_close(fds[0]);
    chengi_host_poller_close(&poller);
}

TEST(arm_reports_once)
{
    struct host_poller poller = open_poller();
    int fds[2];
    make_pair(fds);
    assert_int_equal(chengi_host_poller_arm(&poller, 900, CHENGI_HOST_READABLE, 7), -EBADF);
    assert_int_equal(chengi_host_poller_arm(&poller, fds[0], CHENGI_HOST_READABLE, 7), 0);
    assert_silent(&poller);
    assert_int_equal(chengi_host_poller_arm(&poller, fds[0], CHENGI_HOST_READABLE, 8), 0); /* in its place */
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_event(&poller, 8, CHENGI_HOST_READABLE);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_silent(&poller);
    assert_int_equal(chengi_host_poller_arm(&poller, fds[0], CHENGI_HOST_READABLE | CHENGI_HOST_WRITABLE, 9),
                     0);
    assert_event(&poller, 9, CHENGI_HOST_READABLE | CHENGI_HOST_WRITABLE);
    close(fds[0]);
    close(fds[1]);
    chengi_host_poller_close(&poller);
}

/* ---- letting go ---- */

static bool is_closed(int peer)
{
    char byte;
    return recv(peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

TEST(close_ends_a_watch)
{
    struct host_poller poller = open_poller();
    struct host_event event;
    int fds[2][2];
    for (int i = 0; i < 2; i++) {
        make_pair(fds[i]);
        assert_int_equal(chengi_host_poller_watch(&poller, fds[i][0], (uint64_t)i), 0);
    }
    while (chengi_host_poller_wait(&poller, &event, 1, no_wait) > 0)
        ;
    for (int i = 0; i < 2; i++)
        assert_int_equal(write(fds[i][1], "x", 1), 1);
    assert_int_equal(chengi_host_poller_wait(&poller, &event, 1, forever), 1);
    int other = event.data == 0; /* its event is on its way, too */
    chengi_host_close(fds[other][0]);
    char byte;
    assert_int_equal(recv(fds[other][1], &byte, 1, 0),
                     -1); /* there was something to be read, and the file is closed now */
    assert_int_equal(errno, ECONNRESET);
    assert_true(is_closed(fds[other][1]));
    assert_silent(&poller);
    int again[2]; /* the number is another file */
    make_pair(again);
    assert_int_equal(again[0], fds[other][0]);
    assert_silent(&poller);
    assert_int_equal(chengi_host_poller_watch(&poller, again[0], 7), 0);
    assert_event(&poller, 7, CHENGI_HOST_WRITABLE);
    chengi_host_close(again[0]);
    chengi_host_close(fds[!other][0]);
    assert_int_equal(fcntl(again[0], F_GETFD), -1);
    chengi_host_poller_close(&poller);
}

static void *open_another(void *opened)
{
    struct host_poller poller = open_poller();
    assert_silent(&poller); /* it is this thread's from now on, and stays open */
    __atomic_store_n((uint32_t *)opened, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Nor has who comes after it, and never waits, anything to do with them. */
TEST(end_of_a_poller_ends_its_watches)
{
    struct host_poller poller = open_poller();
    uint32_t opened = 0;
    int fds[2][2];
    for (int i = 0; i < 2; i++)
        make_pair(fds[i]);
    assert_int_equal(chengi_host_poller_watch(&poller, fds[0][0], 7), 0);
    assert_event(&poller, 7, CHENGI_HOST_WRITABLE);
    assert_int_equal(chengi_host_poller_watch(&poller, fds[1][0], 8),
                     0); /* not even handed to the kernel yet, maybe */
    chengi_host_poller_close(&poller);
    assert_int_equal(chengi_host_start(open_another, &opened, 0), 0);
    while (!__atomic_load_n(&opened, __ATOMIC_SEQ_CST))
        chengi_host_yield();
    for (int i = 0; i < 2; i++) {
        chengi_host_close(fds[i][0]);
        assert_true(is_closed(fds[i][1]));
        assert_int_equal(fcntl(fds[i][0], F_GETFD), -1);
    }
}

TEST(who_stops_waiting_lets_go)
{
    struct host_poller poller = open_poller();
    int fds[2];
    make_pair(fds);
    assert_int_equal(chengi_host_poller_arm(&poller, fds[0], CHENGI_HOST_READABLE, 7), 0);
    assert_silent(&poller);
    assert_int_equal(chengi_host_poller_arm(&poller, fds[0], 0, 0), 0);
    close(fds[0]);
    assert_true(is_closed(fds[1]));
    chengi_host_poller_close(&poller);
}

static void *close_it(void *fd)
{
    chengi_host_close(*(int *)fd);
    return NULL;
}

struct strangers {
    struct host_poller poller;
    int fd;
    uint32_t watching, stop, stopped;
};

static void *watch_too(void *argument)
{
    struct strangers *strangers = argument;
    struct host_event events[ROOM];
    assert_int_equal(chengi_host_poller_watch(&strangers->poller, strangers->fd, 7), 0);
    __atomic_store_n(&strangers->watching, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&strangers->stop, __ATOMIC_SEQ_CST))
        chengi_host_poller_wait(&strangers->poller, events, ROOM, chengi_host_now() + 5 * CHENG_MILLISECOND);
    chengi_host_poller_close(&strangers->poller);
    __atomic_store_n(&strangers->stopped, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Two watch it, a third closes it; nobody keeps it, nor its number. */
TEST(closed_by_another_thread)
{
    for (unsigned i = 0; i < scaled(50); i++) {
        struct strangers strangers = { .poller = open_poller() };
        struct host_poller poller = open_poller();
        struct host_event events[ROOM];
        int fds[2];
        make_pair(fds);
        strangers.fd = fds[0];
        assert_int_equal(chengi_host_poller_watch(&poller, fds[0], 7), 0);
        assert_int_equal(chengi_host_start(watch_too, &strangers, 0), 0);
        while (!__atomic_load_n(&strangers.watching, __ATOMIC_SEQ_CST))
            chengi_host_yield();
        assert_int_equal(chengi_host_start(close_it, &fds[0], 0), 0);
        int64_t end = chengi_host_now() + 10 * CHENG_SECOND;
        while (fcntl(fds[0], F_GETFD) >= 0 && chengi_host_now() < end)
            chengi_host_poller_wait(&poller, events, ROOM, chengi_host_now() + CHENG_MILLISECOND);
        while (!is_closed(fds[1]) && chengi_host_now() < end)
            chengi_host_yield();
        assert_true(is_closed(fds[1]));
        assert_int_equal(fcntl(fds[0], F_GETFD), -1);
        chengi_host_poller_notify(&strangers.poller);
        __atomic_store_n(&strangers.stop, 1, __ATOMIC_SEQ_CST);
        while (!__atomic_load_n(&strangers.stopped, __ATOMIC_SEQ_CST))
            chengi_host_yield();
        close(fds[1]);
        chengi_host_poller_close(&poller);
    }
}

/* ---- many ---- */

enum { MANY = 1500 }; /* more than a ring has room for */

/* Waits until each has been reported `ready`; the room is small. */
static void until_all(struct host_poller *poller, unsigned ready)
{
    static unsigned char told[MANY];
    struct host_event events[ROOM];
    unsigned left = MANY;
    memset(told, 0, sizeof told);
    while (left > 0) {
        int n = chengi_host_poller_wait(poller, events, ROOM, chengi_host_now() + 10 * CHENG_SECOND);
        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
            left -= !told[events[i].data] && (events[i].ready & ready) == ready;
            told[events[i].data] |= (events[i].ready & ready) == ready;
        }
    }
    while (chengi_host_poller_wait(poller, events, ROOM, no_wait) > 0)
        ;
}

TEST(more_than_there_is_room_for)
{
    static int fds[MANY][2];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2 * MANY + 50)
        test_skip("needs %d descriptors", 2 * MANY + 50);
    struct host_poller poller = open_poller();
    for (unsigned i = 0; i < MANY; i++) {
        make_pair(fds[i]);
        assert_int_equal(chengi_host_poller_watch(&poller, fds[i][0], i), 0);
    }
    until_all(&poller, CHENGI_HOST_WRITABLE);
    for (int round = 0; round < 3; round++) { /* each is still watched */
        for (unsigned i = 0; i < MANY; i++)
            assert_int_equal(write(fds[i][1], "x", 1), 1);
        until_all(&poller, CHENGI_HOST_READABLE);
    }
    for (unsigned i = 0; i < MANY; i++) {
        chengi_host_close(fds[i][0]);
        char bytes[3];
        recv(fds[i][1], bytes, sizeof bytes, 0);
        assert_true(is_closed(fds[i][1]));
    }
    assert_silent(&poller);
    chengi_host_poller_close(&poller);
}

/* ---- fork ---- */

TEST(child_leaves_it_alone)
{
    struct host_poller poller = open_poller(), other;
    int fds[2], status = -1;
    make_pair(fds);
    assert_int_equal(chengi_host_poller_watch(&poller, fds[0], 7), 0);
    assert_event(&poller, 7, CHENGI_HOST_WRITABLE);
    pid_t pid = fork();
    if (pid == 0) {
        chengi_host_poller_close(&poller);
        other = open_poller();
        assert_int_equal(chengi_host_poller_watch(&other, fds[1], 8), 0);
        assert_event(&other, 8, CHENGI_HOST_WRITABLE);
        chengi_host_close(fds[0]);
        assert_int_equal(fcntl(fds[0], F_GETFD), -1);
        chengi_host_poller_close(&other);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_event(&poller, 7, CHENGI_HOST_READABLE);
    chengi_host_close(fds[0]);
    assert_true(is_closed(fds[1]) || errno == ECONNRESET);
    chengi_host_poller_close(&poller);
}

/* ---- files ---- */

static int transfer(struct host_poller *poller, bool write, int fd, void *buffer, size_t size,
                    uint64_t offset)
{
    int rc = chengi_host_poller_transfer(poller, &(struct host_transfer){ write, fd, buffer, size, offset },
                                         (uint64_t)(uintptr_t)buffer);
    if (rc < 0)
        return rc;
    struct host_event event = one_event(poller);
    assert_int_equal(event.data, (uint64_t)(uintptr_t)buffer);
    return (int)event.ready;
}

TEST(transfers)
{
    struct host_poller poller = open_poller();
    char path[256], text[] = "hello world", buffer[32];
    test_scratch_path(path, sizeof path);
    int fds[2], fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    make_pair(fds);
    assert_int_equal(transfer(&poller, true, fds[0], text, 5, 0), -ENOTSUP); /* it has no places */
    assert_int_equal(transfer(&poller, false, 900, buffer, 5, 0), -ENOTSUP);
    if (poller.uring == NULL) {
        assert_int_equal(transfer(&poller, true, fd, text, 5, 0), -ENOTSUP);
        chengi_host_poller_close(&poller);
        return;
    }
    assert_int_equal(transfer(&poller, true, fd, text, 5, UINT64_MAX), 5);
    assert_int_equal(transfer(&poller, true, fd, text + 5, 6, UINT64_MAX), 6);
    assert_int_equal(transfer(&poller, false, fd, buffer, sizeof buffer, 6), 5);
    assert_memory_equal(buffer, "world", 5);
    assert_int_equal(transfer(&poller, false, fd, buffer, sizeof buffer, UINT64_MAX), 0);
    int reading = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(transfer(&poller, true, reading, text, 5, 0), -EBADF);
    close(reading);
    close(fd);
    chengi_host_poller_close(&poller);
}

/* ---- which of the two ---- */

static bool is_uring(void)
{
    struct host_poller poller = open_poller();
    bool found = poller.uring != NULL;
    chengi_host_poller_close(&poller);
    return found;
}

/* As a container would: this call is none any more. */
static void forbid(long call, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        test_skip("no filters of system calls here");
}

static int echo_once(const void *argument, void *result)
{
    struct pair pair = tcp_pair();
    char byte = 0;
    (void)argument, (void)result;
    assert_int_equal(cheng_socket_write(pair.a, "x", 1), 0);
    read_all(pair.b, &byte, 1);
    assert_int_equal(byte, 'x');
    size_t n;
    assert_int_equal(cheng_socket_read_until(pair.b, &byte, 1, &n, cheng_after(CHENG_MILLISECOND)),
                     -ETIMEDOUT);
    pair_free(&pair);
    return 0;
}

TEST(falls_back_to_epoll) // noqemu: no filters there
{
    assert_int_equal(setenv("CHENG_POLLER", "io_uring", 1), 0);
    for (int i = 0; i < 6; i++) {
        int wait_status = -1;
        pid_t pid = fork();
        if (pid == 0) { /* setup, enter, register */
            int status = -1;
            forbid(SYS_io_uring_setup + i % 3, i < 3 ? ENOSYS : EPERM);
            assert_false(is_uring());
            assert_int_equal(cheng_run(&status, echo_once, NULL, 0), 0);
            exit(status);
        }
        assert_int_equal(waitpid(pid, &wait_status, 0), pid);
        if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 77)
            test_skip("no filters of system calls here");
        assert_int_equal(wait_status, 0);
    }
}

/* In the preset uring, where the kernel has what is needed, it must be what is tested. */
TEST(is_what_was_asked_for)
{
    const char *choice = getenv("CHENG_POLLER");
    bool asked = choice != NULL && strcmp(choice, "io_uring") == 0;
    struct {
        uint32_t entries, completions, flags, rest[64];
    } parameters = { .flags = 1u << 13 | 1u << 12 }; /* one issuer, deferred work: 6.1 */
    long ring = syscall(SYS_io_uring_setup, 4, &parameters);
    if (asked && ring < 0)
        test_skip("the kernel has no io_uring for us: %s", strerror(errno));
    if (ring >= 0)
        close((int)ring);
    assert_int_equal(is_uring(), asked);
    assert_int_equal(setenv("CHENG_POLLER", "epoll", 1), 0);
    assert_false(is_uring());
    assert_int_equal(setenv("CHENG_POLLER", "another", 1), 0);
    assert_false(is_uring());
    assert_int_equal(unsetenv("CHENG_POLLER"), 0);
    assert_false(is_uring());
}
