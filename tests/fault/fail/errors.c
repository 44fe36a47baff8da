/* What each call of libc may give where the library makes it, from the manual pages. Rows that name the library's
 * calling function come before those that do not. A row with `never` says why its call is not made to fail; such sites are listed, not counted. */
#include "inject.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>

#define ERRORS(...) .errors = { __VA_ARGS__ }
#define RULE(name, from, ...)                                                                                \
    {                                                                                                        \
        .call = name, .in = from, ERRORS(__VA_ARGS__)                                                        \
    }
#define LASTING(name, from, ...)                                                                             \
    {                                                                                                        \
        .call = name, .in = from, .lasting = true, ERRORS(__VA_ARGS__)                                       \
    }
#define FATAL(name, from, ...)                                                                               \
    {                                                                                                        \
        .call = name, .in = from, .lasting = true, .fatal = true, ERRORS(__VA_ARGS__)                        \
    }
#define NEVER(name, from, why)                                                                               \
    {                                                                                                        \
        .call = name, .in = from, .never = why                                                               \
    }

/* What asks for a new descriptor may lack one of the process's, or of the system's, or memory. */
#define NO_DESCRIPTOR EMFILE, ENFILE, ENOMEM

static const struct rule rules[] = {
    /* memory */
    LASTING("malloc", NULL, ENOMEM),
    LASTING("calloc", NULL, ENOMEM),
    LASTING("realloc", NULL, ENOMEM),
    LASTING("aligned_alloc", NULL, ENOMEM),
    LASTING("mmap", NULL, ENOMEM, EAGAIN, ENFILE),
    LASTING("mprotect", NULL, ENOMEM),
    LASTING("madvise", "chengi_host_map", EINVAL, ENOMEM, EAGAIN), /* EINVAL: no huge pages in this kernel */
    LASTING("madvise", "chengi_host_guard", EINVAL, ENOMEM, EAGAIN),
    LASTING("madvise", "probe_guards", EINVAL, ENOMEM, EAGAIN), /* EINVAL: before 6.13 */
    RULE("madvise", "chengi_host_discard", EAGAIN),
    LASTING("open_memstream", NULL, ENOMEM),
    LASTING("fclose", NULL, ENOMEM),
    NEVER("free", NULL, "cannot fail"),
    NEVER("pthread_key_delete", NULL, "of our own key: cannot fail"),
    NEVER("munmap", NULL, "whole mappings of our own: nothing is split, so nothing is needed"),

    /* threads */
    LASTING("pthread_attr_init", NULL, ENOMEM),
    LASTING("pthread_create", NULL, EAGAIN),
    FATAL("pthread_key_create", NULL, EAGAIN, ENOMEM),
    RULE("pthread_setspecific", NULL,
         ENOMEM), /* each time, the slots of a thread are lost: nobody is told of its end */
    FATAL("pthread_atfork", "chengi_host_set_hooks", ENOMEM),
    LASTING("pthread_atfork", NULL, ENOMEM),
    FATAL("atexit", NULL, ENOMEM),
    LASTING("sched_getaffinity", NULL, EINVAL), /* more than 1024 CPUs */
    RULE("sched_setaffinity", NULL, EINVAL),
    RULE("sigaltstack", "chengi_host_fault_stack", ENOMEM, EPERM),
    NEVER("sigaltstack", "chengi_host_fault_stack_free", "takes our own stack away, while nobody is on it"),

    /* sleeping */
    RULE("syscall", "chengi_host_wait", EINTR, EAGAIN),
    LASTING("syscall", "chengi_host_wait_many", ENOSYS, EPERM), /* before 5.16; a filter */
    RULE("syscall", "chengi_host_wait_many", EINTR, EAGAIN, ENOMEM),
    LASTING("syscall", "epoll_wait_ns", ENOSYS, EPERM), /* before 5.11; a filter */
    RULE("syscall", "epoll_wait_ns", EINTR),
    LASTING("syscall", "open_from_cache", ENOSYS, EPERM, EAGAIN,
            NO_DESCRIPTOR), /* before 5.12; a filter; not known */
    LASTING("syscall", "is_simple", ENOSYS, EPERM, ENOMEM),
    LASTING("syscall", "chengi_sys_read_at_once", ENOSYS, EOPNOTSUPP, EAGAIN, EIO),
    NEVER("syscall", "chengi_host_wake", "fails for addresses that are none, only"),
    NEVER("syscall", "chengi_host_thread_id", "gettid cannot fail"),
    RULE("epoll_wait", NULL, EINTR),
    RULE("ppoll", NULL, EINTR, ENOMEM),

    /* descriptors */
    /* a thread's stays with its slot */
    { .call = "eventfd", .lasting = true, .stays = true, ERRORS(NO_DESCRIPTOR) },
#ifdef FAIL_URING
    /* in the place of a ring that cannot be had, and as long there */
    { .call = "epoll_create1", .lasting = true, .stays = true, ERRORS(NO_DESCRIPTOR) },
#else
    LASTING("epoll_create1", NULL, NO_DESCRIPTOR),
#endif
    LASTING("pipe2", NULL, EMFILE, ENFILE),
    LASTING("epoll_ctl", NULL, ENOMEM, ENOSPC),
    RULE("close", "chengi_sys_close_file", EIO, ENOSPC, EINTR),
    NEVER("close", NULL,
          "whatever it says, the descriptor is gone; nothing was written to it that could be lost"),
    NEVER("read", "wake_fd_drain", "of an eventfd: EAGAIN only, when another was faster"),
    NEVER("write", "chengi_host_wake_fd_signal", "to an eventfd: EAGAIN only, when it is signalled already"),
    RULE("write", "chengi_host_say", EIO, EAGAIN, EPIPE),
    RULE("write", "probe_guards", EIO),
    RULE("read", "chengi_sys_read", EINTR, EAGAIN, EIO, PART),
    RULE("write", "chengi_sys_write", EINTR, EAGAIN, EIO, ENOSPC, EPIPE, PART),
    RULE("getrandom", NULL, EAGAIN, ENOSYS),

    /* io_uring */
    LASTING("io_uring_queue_init_params", NULL, NO_DESCRIPTOR, EPERM, ENOSYS, EINVAL),
    LASTING("io_uring_enable_rings", "probe", EPERM, EINVAL), /* a filter */
    RULE("io_uring_submit", NULL, EAGAIN, EBUSY, EINTR),
    RULE("io_uring_submit_and_get_events", NULL, EAGAIN, EBUSY, EINTR),
    LASTING("io_uring_submit_and_wait_timeout", "probe", EPERM),
    RULE("io_uring_submit_and_wait_timeout", NULL, EAGAIN, EBUSY, EINTR),
    NEVER("io_uring_enable_rings", NULL, "of a new ring, by the thread that has it, where probe could"),

    /* files of arenas */
    LASTING("memfd_create", NULL, NO_DESCRIPTOR, EPERM, ENOSYS),
    LASTING("ftruncate", NULL, ENOSPC, ENOMEM, EFBIG),
    RULE("fstat", NULL, ENOMEM),
    RULE("stat", NULL, ENOENT, ENOMEM), /* no /proc */
    LASTING("fstatfs", NULL, EOVERFLOW, EIO, ENOSYS),
    RULE("fcntl", "chengi_sys_open_at_once", EPERM),
    NEVER("fcntl", "chengi_sys_close_at_once", "F_GETFL of an open descriptor"),
    NEVER("fcntl", "chengi_uring_arm", "EBADF only, the caller's own mistake"),
    RULE("lstat", NULL, ENOMEM, EACCES),
    LASTING("open", "chengi_sys_arena_create_named", NO_DESCRIPTOR, ENOSPC, EACCES, EOPNOTSUPP, EROFS),
    RULE("open", NULL, NO_DESCRIPTOR, EACCES, ENOENT, ELOOP),
    RULE("open", "chengi_sys_open", EINTR),
    LASTING("open", "chengi_sys_open", NO_DESCRIPTOR, EACCES, ENOENT, EROFS, ENOSPC),
    RULE("fsync", NULL, EINTR, EIO, ENOSPC),
    RULE("pread", "chengi_sys_pread", EINTR, EIO, PART),
    RULE("pwrite", NULL, EINTR, EIO, ENOSPC, PART),
    RULE("sigtimedwait", NULL, EINTR),
    RULE("linkat", NULL, ENOENT, EPERM, EEXIST, ENOSPC, ENOMEM),
    RULE("unlink", NULL, EACCES, EPERM, ENOMEM),
    RULE("pread", NULL, EIO, PART),
    LASTING("fcntl", "chengi_sys_row_lock", ENOLCK, EAGAIN, EACCES),
    RULE("fcntl", "chengi_sys_row_held", ENOLCK),
    LASTING("fcntl", "chengi_sys_arena_create", EPERM, EINVAL),
    NEVER("fcntl", "chengi_sys_make_nonblocking", "EBADF only, the caller's own mistake"),

    /* sockets */
    LASTING("socket", NULL, NO_DESCRIPTOR, ENOBUFS, EACCES, EAFNOSUPPORT),
    LASTING("accept4", NULL, NO_DESCRIPTOR, ENOBUFS),
    RULE("accept4", NULL, EINTR, ECONNABORTED, EPERM, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTUNREACH),
    LASTING("setsockopt", NULL, ENOPROTOOPT, ENOMEM),
    RULE("bind", NULL, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOMEM),
    RULE("listen", NULL, EADDRINUSE),
    RULE("connect", "chengi_sys_connect_datagram", ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, EAGAIN, EACCES,
         EPERM),
    RULE("connect", NULL, EINTR, ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EAGAIN, EACCES, EPERM),
    RULE("recv", NULL, EINTR, ECONNRESET, ENOMEM, PART),
    RULE("send", NULL, EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, PART),
    LASTING("socketpair", NULL, NO_DESCRIPTOR, ENOBUFS),
    RULE("recvfrom", NULL, EINTR, ECONNREFUSED, ENOMEM),
    RULE("sendto", NULL, EINTR, ECONNREFUSED, ENOBUFS, ENOMEM, EPERM),
    RULE("recvmsg", NULL, EINTR, ECONNRESET, ENOMEM),
    RULE("sendmsg", NULL, EINTR, EPIPE, ENOBUFS, ENOMEM, ETOOMANYREFS),
    RULE("sendfile", NULL, EINTR, EIO, ENOMEM, EPIPE, PART),
    RULE("getpeername", NULL, ENOBUFS, ENOTCONN),
    RULE("getnameinfo", NULL, EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_NONAME, EMFILE),
    RULE("shutdown", NULL, ENOTCONN),
    RULE("getsockname", NULL, ENOBUFS),
    RULE("getaddrinfo", NULL, EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_NONAME, EAI_SERVICE, EMFILE),
};

enum { RULES = sizeof rules / sizeof *rules };

static bool matches(const struct rule *rule, const char *call, const char *in)
{
    bool same = rule->in == in || (rule->in != NULL && in != NULL && strcmp(rule->in, in) == 0);
    return same && strcmp(rule->call, call) == 0;
}

const struct rule *next_rule(const char *call, const char *in, const struct rule *after)
{
    bool named = false;
    for (int i = 0; i < RULES; i++)
        named = named || matches(&rules[i], call, in);
    for (int i = after == NULL ? 0 : (int)(after - rules) + 1; i < RULES; i++)
        if (matches(&rules[i], call, named ? in : NULL))
            return &rules[i];
    return NULL;
}

bool is_harmless(const char *call)
{
    static const char *const harmless[] = {
        /* text and bytes */
        "ntohs",
        "__cmsg_nxthdr",
        "memchr",
        "memcmp",
        "memcpy",
        "memset",
        "memmove",
        "snprintf",
        "vsnprintf",
        "fprintf",
        "stderr",
        "strchr",
        "strcmp",
        "strlen",
        "strtol",
        "strncmp",
        "strncpy",
        "strnlen",
        "strerrordesc_np",
        "inet_ntop",
        "freeaddrinfo",
        /* no failure that could be met here */
        "__cxa_get_globals",
        "__cxa_thread_atexit_impl", /* the wait is an exit handler then */
        "__errno_location",
        "__sched_cpucount",
        "abort",
        "exit",
        "clock_gettime",
        "getpid",
        "secure_getenv",
        "io_uring_queue_exit",
        "prctl",
        "sched_yield",
        "sysconf",
        "pthread_attr_destroy",
        "pthread_attr_setdetachstate",
        "pthread_attr_setstacksize",
        "pthread_sigmask",
        "sigaction",
        "sigaddset",
        "sigdelset",
        "sigemptyset",
        "sigfillset",
        "sigismember",
        "sigpending",
    };
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strcmp(harmless[i], call) == 0)
            return true;
    return false;
}
