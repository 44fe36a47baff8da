/* The calls of libc as the library makes them. */
#include "inject.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#ifdef FAIL_URING
#include <liburing.h>
#endif

struct site sites[SITES_MAX];
int site_count;
struct run *run;

/* ---- sites ---- */

static int site_of(const void *address)
{
    int low = 0, high = site_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (sites[middle].address < (uintptr_t)address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == site_count || sites[low].address != (uintptr_t)address) {
        fprintf(stderr, "a call from %p, which is no site\n", address);
        abort();
    }
    return low;
}

static bool strikes(const struct fault *fault, int site, uint32_t nth)
{
    return fault->site == site && (nth == fault->nth || (fault->lasting && nth > fault->nth));
}

/* The error that this call has to give; 0: none. */
static int fault_at(const void *address)
{
    if (run == NULL)
        return 0;
    int site = site_of(address);
    uint32_t nth = __atomic_add_fetch(&run->hits[site], 1, __ATOMIC_RELAXED);
    if (strikes(&run->handicap, site, nth))
        return run->handicap.error;
    if (!strikes(&run->fault, site, nth))
        return 0;
    __atomic_add_fetch(&run->fired, 1, __ATOMIC_RELAXED);
    return run->fault.error;
}

/* ---- what is there: a table without locks, since a fork may come at any moment ---- */

enum { KEPT_MAX = 1 << 14 };
enum kind { MEMORY = 1, MAPPING = 2, DESCRIPTOR = 3, KEY = 4 };
static const uintptr_t removed = 15;

static struct kept {
    uintptr_t key; /* value and kind; 0: never used */
    int site;
} kept[KEPT_MAX];

static uintptr_t key_of(uintptr_t value, enum kind kind)
{
    return (kind >= DESCRIPTOR ? value << 4 : value) | (uintptr_t)kind;
}

static unsigned place_of(uintptr_t key)
{
    return (unsigned)((key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 50);
}

static void made(enum kind kind, uintptr_t value, const void *address)
{
    uintptr_t key = key_of(value, kind), there;
    for (unsigned i = place_of(key), tries = 0; run != NULL && tries < KEPT_MAX; tries++) {
        struct kept *slot = &kept[(i + tries) % KEPT_MAX];
        there = slot->key;
        if ((there == 0 || there == removed) &&
            __atomic_compare_exchange_n(&slot->key, &there, key, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            slot->site = site_of(address);
            return;
        }
    }
}

static void gone(enum kind kind, uintptr_t value)
{
    uintptr_t key = key_of(value, kind);
    for (unsigned i = place_of(key), tries = 0; tries < KEPT_MAX; tries++) {
        struct kept *slot = &kept[(i + tries) % KEPT_MAX];
        if (slot->key == key)
            slot->key = removed;
        if (slot->key == removed || slot->key == 0)
            if (slot->key == 0)
                return;
    }
}

/* The entries of a directory of /proc/self. Not the threads that wait for more work for a while. */
static unsigned entries(const char *directory)
{
    unsigned count = 0;
    char path[64], name[16] = "";
    DIR *open_directory = opendir(directory);
    for (struct dirent *entry; open_directory != NULL && (entry = readdir(open_directory)) != NULL; count++) {
        snprintf(path, sizeof path, "%s/%.20s/comm", directory, entry->d_name);
        FILE *comm = fopen(path, "r");
        if (comm != NULL && fgets(name, sizeof name, comm) != NULL && strcmp(name, "cheng-helper\n") == 0)
            count--;
        if (comm != NULL)
            fclose(comm);
    }
    if (open_directory != NULL)
        closedir(open_directory);
    return count;
}

void inject_balance(void)
{
    memset(run->live, 0, sizeof run->live);
    for (unsigned i = 0; i < KEPT_MAX; i++)
        if (kept[i].key != 0 && kept[i].key != removed)
            run->live[kept[i].site]++;
    run->descriptors = entries("/proc/self/fd");
    run->threads = entries("/proc/self/task");
    for (int i = 0; i < site_count; i++)
        if (next_rule(sites[i].call, sites[i].in, NULL)->stays) {
            run->descriptors -= run->live[i];
            run->live[i] = 0;
        }
}

/* ---- the calls ----
 *
 * CALL(type, name, (parameters), (arguments), failure, after): in the place of `name`. `error` is what it must
 * give, `failure` how it says so; `after` is done when the call was made, and its answer is `result`. */

#define CALL(type, name, parameters, arguments, failure, after)                                              \
    type fail_##name parameters;                                                                             \
    type fail_##name parameters                                                                              \
    {                                                                                                        \
        const void *site = __builtin_return_address(0);                                                      \
        int error = fault_at(site);                                                                          \
        if (error != 0) {                                                                                    \
            errno = error;                                                                                   \
            return (failure);                                                                                \
        }                                                                                                    \
        type result = name arguments;                                                                        \
        after;                                                                                               \
        (void)site;                                                                                          \
        return result;                                                                                       \
    }

#define NEW_MEMORY made(MEMORY, (uintptr_t)result, site)
#define NEW_DESCRIPTOR (result < 0 ? (void)0 : made(DESCRIPTOR, (uintptr_t)result, site))
#define NOTHING (void)0

CALL(void *, malloc, (size_t size), (size), NULL, NEW_MEMORY)
CALL(void *, calloc, (size_t count, size_t size), (count, size), NULL, NEW_MEMORY)
CALL(void *, aligned_alloc, (size_t align, size_t size), (align, size), NULL, NEW_MEMORY)
CALL(FILE *, open_memstream, (char **text, size_t *size), (text, size), NULL, NOTHING)
CALL(int, mprotect, (void *base, size_t size, int how), (base, size, how), -1, NOTHING)
CALL(int, madvise, (void *base, size_t size, int how), (base, size, how), -1, NOTHING)

CALL(int, pthread_attr_init, (pthread_attr_t * attributes), (attributes), error, NOTHING)
CALL(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*entry)(void *), void *arg),
     (thread, attributes, entry, arg), error, NOTHING)
CALL(int, pthread_setspecific, (pthread_key_t key, const void *value), (key, value), error, NOTHING)
CALL(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set), -1, NOTHING)
CALL(int, sched_setaffinity, (pid_t pid, size_t size, const cpu_set_t *set), (pid, size, set), -1, NOTHING)
CALL(int, sigaltstack, (const stack_t *stack, stack_t *old), (stack, old), -1, NOTHING)

CALL(int, eventfd, (unsigned value, int flags), (value, flags), -1, NEW_DESCRIPTOR)
CALL(int, epoll_create1, (int flags), (flags), -1, NEW_DESCRIPTOR)
CALL(int, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *event), (epoll, op, fd, event), -1,
     NOTHING)
CALL(int, epoll_wait, (int epoll, struct epoll_event *batch, int room, int ms), (epoll, batch, room, ms), -1,
     NOTHING)
CALL(int, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *t, const sigset_t *mask),
     (fds, n, t, mask), -1, NOTHING)
CALL(ssize_t, getrandom, (void *buffer, size_t size, unsigned flags), (buffer, size, flags), -1, NOTHING)

CALL(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1, NEW_DESCRIPTOR)
CALL(int, ftruncate, (int fd, off_t size), (fd, size), -1, NOTHING)
CALL(int, fstat, (int fd, struct stat *status), (fd, status), -1, NOTHING)
CALL(int, stat, (const char *path, struct stat *out), (path, out), -1, NOTHING)
CALL(int, fstatfs, (int fd, struct statfs *status), (fd, status), -1, NOTHING)
CALL(int, lstat, (const char *path, struct stat *status), (path, status), -1, NOTHING)
CALL(int, linkat, (int from, const char *path, int to, const char *name, int flags),
     (from, path, to, name, flags), -1, NOTHING)
CALL(int, unlink, (const char *path), (path), -1, NOTHING)

CALL(int, socket, (int family, int type, int protocol), (family, type, protocol), -1, NEW_DESCRIPTOR)
CALL(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t size),
     (fd, level, option, value, size), -1, NOTHING)
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size), -1, NOTHING)
CALL(int, listen, (int fd, int backlog), (fd, backlog), -1, NOTHING)
CALL(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags),
     -1, NEW_DESCRIPTOR)
CALL(int, shutdown, (int fd, int how), (fd, how), -1, NOTHING)
CALL(int, getsockname, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size), -1, NOTHING)

CALL(int, getpeername, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size), -1, NOTHING)
CALL(ssize_t, recvfrom,
     (int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *room),
     (fd, buffer, size, flags, address, room), -1, NOTHING)
CALL(ssize_t, sendto,
     (int fd, const void *data, size_t size, int flags, const struct sockaddr *address, socklen_t length),
     (fd, data, size, flags, address, length), -1, NOTHING)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), -1, NOTHING)
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), -1, NOTHING)
CALL(int, fsync, (int fd), (fd), -1, NOTHING)
CALL(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *t), (set, info, t), -1,
     NOTHING)

#ifdef FAIL_URING
CALL(int, io_uring_queue_init_params,
     (unsigned entries, struct io_uring *ring, struct io_uring_params *parameters),
     (entries, ring, parameters), -error, NOTHING)
CALL(int, io_uring_enable_rings, (struct io_uring * ring), (ring), -error, NOTHING)
CALL(int, io_uring_submit, (struct io_uring * ring), (ring), -error, NOTHING)
CALL(int, io_uring_submit_and_get_events, (struct io_uring * ring), (ring), -error, NOTHING)
CALL(int, io_uring_submit_and_wait_timeout,
     (struct io_uring * ring, struct io_uring_cqe **first, unsigned n, struct __kernel_timespec *t,
      sigset_t *mask),
     (ring, first, n, t, mask), -error, NOTHING)
#endif

/* ---- those that need more than the pattern ---- */

#undef CALL
#define CALL(type, name, parameters)                                                                         \
    type fail_##name parameters;                                                                             \
    type fail_##name parameters

CALL(void, free, (void *memory))
{
    gone(MEMORY, (uintptr_t)memory);
    free(memory);
}

CALL(void *, realloc, (void *memory, size_t size))
{
    const void *site = __builtin_return_address(0);
    int error = fault_at(site);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    gone(MEMORY, (uintptr_t)memory);
    void *result = realloc(memory, size);
    NEW_MEMORY;
    return result;
}

CALL(void *, mmap, (void *base, size_t size, int prot, int flags, int fd, off_t offset))
{
    const void *site = __builtin_return_address(0);
    int error = fault_at(site);
    void *result = error == 0 ? mmap(base, size, prot, flags, fd, offset) : MAP_FAILED;
    if (error != 0)
        errno = error;
    if (result != MAP_FAILED)
        made(MAPPING, (uintptr_t)result, site);
    return result;
}

CALL(int, munmap, (void *base, size_t size))
{
    gone(MAPPING, (uintptr_t)base);
    return munmap(base, size);
}

/* Whatever close answers, the descriptor is gone. */
CALL(int, close, (int fd))
{
    int error = fault_at(__builtin_return_address(0));
    gone(DESCRIPTOR, (uintptr_t)fd);
    int result = close(fd);
    if (error == 0)
        return result;
    errno = error;
    return -1;
}

CALL(int, fclose, (FILE * file))
{
    int error = fault_at(__builtin_return_address(0));
    int result = fclose(file);
    if (error == 0)
        return result;
    errno = error;
    return EOF;
}

CALL(int, pipe2, (int ends[2], int flags))
{
    const void *site = __builtin_return_address(0);
    int error = fault_at(site);
    if (error != 0) {
        errno = error;
        return -1;
    }
    int result = pipe2(ends, flags);
    for (int i = 0; result == 0 && i < 2; i++)
        made(DESCRIPTOR, (uintptr_t)ends[i], site);
    return result;
}

CALL(int, pthread_key_create, (pthread_key_t * key, void (*at_end)(void *)))
{
    const void *site = __builtin_return_address(0);
    int result = fault_at(site);
    if (result == 0 && (result = pthread_key_create(key, at_end)) == 0)
        made(KEY, *key, site);
    return result;
}

CALL(int, pthread_key_delete, (pthread_key_t key))
{
    gone(KEY, key);
    return pthread_key_delete(key);
}

CALL(int, open, (const char *path, int flags, ...))
{
    const void *site = __builtin_return_address(0);
    int error = fault_at(site);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (error != 0) {
        errno = error;
        return -1;
    }
    int result = open(path, flags, mode);
    NEW_DESCRIPTOR;
    return result;
}

CALL(int, fcntl, (int fd, int command, ...))
{
    int error = fault_at(__builtin_return_address(0));
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *); /* an int comes in the same register */
    va_end(more);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return fcntl(fd, command, argument);
}

CALL(long, syscall, (long number, ...))
{
    int error = fault_at(__builtin_return_address(0));
    long a[6];
    va_list more;
    va_start(more, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(more, long);
    va_end(more);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* An interrupted connect goes on all the same. */
CALL(int, connect, (int fd, const struct sockaddr *address, socklen_t size))
{
    int error = fault_at(__builtin_return_address(0));
    int result = error == 0 || error == EINTR ? connect(fd, address, size) : -1;
    if (error == 0)
        return result;
    errno = error;
    return -1;
}

static size_t part_of(size_t size)
{
    return (size + 1) / 2;
}

CALL(ssize_t, recv, (int fd, void *buffer, size_t size, int flags))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0 || error == PART)
        return recv(fd, buffer, error == PART ? part_of(size) : size, flags);
    errno = error;
    return -1;
}

CALL(ssize_t, send, (int fd, const void *data, size_t size, int flags))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0 || error == PART)
        return send(fd, data, error == PART ? part_of(size) : size, flags);
    errno = error;
    return -1;
}

CALL(ssize_t, read, (int fd, void *buffer, size_t size))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0 || error == PART)
        return read(fd, buffer, error == PART ? part_of(size) : size);
    errno = error;
    return -1;
}

CALL(ssize_t, write, (int fd, const void *data, size_t size))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0 || error == PART)
        return write(fd, data, error == PART ? part_of(size) : size);
    errno = error;
    return -1;
}

CALL(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0 || error == PART)
        return pwrite(fd, data, error == PART ? part_of(size) : size, offset);
    errno = error;
    return -1;
}

CALL(ssize_t, sendfile, (int to, int from, off_t *offset, size_t size))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0 || error == PART)
        return sendfile(to, from, offset, error == PART ? part_of(size) : size);
    errno = error;
    return -1;
}

CALL(int, socketpair, (int family, int type, int protocol, int ends[2]))
{
    const void *site = __builtin_return_address(0);
    int error = fault_at(site);
    if (error != 0) {
        errno = error;
        return -1;
    }
    int result = socketpair(family, type, protocol, ends);
    for (int i = 0; result == 0 && i < 2; i++)
        made(DESCRIPTOR, (uintptr_t)ends[i], site);
    return result;
}

CALL(int, getnameinfo,
     (const struct sockaddr *address, socklen_t size, char *host, socklen_t host_size, char *service,
      socklen_t service_size, int flags))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0)
        return getnameinfo(address, size, host, host_size, service, service_size, flags);
    if (error < 0)
        return error;
    errno = error;
    return EAI_SYSTEM;
}

CALL(ssize_t, pread, (int fd, void *buffer, size_t size, off_t offset))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0 || error == PART)
        return pread(fd, buffer, error == PART ? part_of(size) : size, offset);
    errno = error;
    return -1;
}

CALL(int, getaddrinfo,
     (const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list))
{
    int error = fault_at(__builtin_return_address(0));
    if (error == 0)
        return getaddrinfo(host, service, hints, list);
    if (error < 0)
        return error;
    errno = error;
    return EAI_SYSTEM;
}

CALL(int, pthread_atfork, (void (*before)(void), void (*in_parent)(void), void (*in_child)(void)))
{
    int error = fault_at(__builtin_return_address(0));
    return error != 0 ? error : pthread_atfork(before, in_parent, in_child);
}

CALL(int, atexit, (void (*function)(void)))
{
    int error = fault_at(__builtin_return_address(0));
    return error != 0 ? error : atexit(function);
}
