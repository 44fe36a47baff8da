/* The poller on io_uring, for sys_poll.c: which of the two it is, is found out when one is opened. Of the two files with
 * these functions one is built: sys_uring.c with liburing (CHENG_URING), else sys_no_uring.c, where opening fails. */
#ifndef CHENG_HOST_LINUX_SYS_URING_H
#define CHENG_HOST_LINUX_SYS_URING_H

#include "host/host.h"

struct uring;

/* By who starts the program: CHENG_POLLER=io_uring in the environment. */
bool chengi_uring_is_wanted(void);

/* Fails where the kernel, or a filter of system calls, does not allow it. Watches `wake`. */
int chengi_uring_open(struct uring **out, uint64_t id, int wake);
/* A fork's child may have closed it already, hence the id. */
void chengi_uring_close(struct uring *uring, uint64_t id);

/* As the functions of host.h. */
int chengi_uring_watch(struct uring *uring, int fd, uint64_t data);
int chengi_uring_arm(struct uring *uring, int fd, unsigned events, uint64_t data);
int chengi_uring_transfer(struct uring *uring, const struct host_transfer *transfer, uint64_t data);
int chengi_uring_wait(struct uring *uring, struct host_event *events, unsigned room, int64_t deadline_ns);

/* Before a descriptor is closed: true if another thread's poller has it, whose thread will close it. */
bool chengi_uring_let_go(int fd);

/* Of sys_poll.c. */
unsigned chengi_ready_of_epoll(uint32_t events);
int64_t chengi_time_left(int64_t deadline_ns);

#endif
