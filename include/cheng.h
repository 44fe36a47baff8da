/* cheng.h: all of Cheng (程): one concurrency API for threads, coroutines and processes. */
#ifndef CHENG_H
#define CHENG_H

#include <errno.h>

#include <cheng/arena.h>
#include <cheng/barrier.h>
#include <cheng/base.h>
#include <cheng/condition.h>
#include <cheng/coroutine.h>
#include <cheng/datagram.h>
#include <cheng/dump.h>
#include <cheng/event.h>
#include <cheng/file.h>
#include <cheng/incident.h>
#include <cheng/link.h>
#include <cheng/local.h>
#include <cheng/lock.h>
#include <cheng/loop.h>
#include <cheng/once.h>
#include <cheng/queue.h>
#include <cheng/reader.h>
#include <cheng/rlock.h>
#include <cheng/rwlock.h>
#include <cheng/sched.h>
#include <cheng/select.h>
#include <cheng/semaphore.h>
#include <cheng/signal.h>
#include <cheng/socket.h>
#include <cheng/task.h>
#include <cheng/time.h>
#include <cheng/timeout.h>
#include <cheng/timer.h>
#include <cheng/version.h>
#include <cheng/wait_group.h>

#endif
