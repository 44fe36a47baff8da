"""The rows of the benchmarks: what is measured, against whom, and which bar Cheng has to meet.

A row is measured by the programs <topic>/<who>, the topic being the first word of its id, unless PROGRAMS
names another. A bar is an expression over the medians of the same run (`glib`, `floor_futex`), with
`best`, the best median of all peers; floors are no peers. Of several bars the strictest counts.
"""
from collections import namedtuple

Row = namedtuple("Row", "id unit better who cpus bars seconds rounds of strict about")
rows = []


def row(id, unit, better, who, *bars, cpus=1, seconds=0.1, rounds=5, of=None, strict=False, about=""):
    """cpus: the cores that the programs may use. seconds: of one sample. of: the row whose programs also
    print this one. strict: the worst sample has to meet the bar, not the median."""
    rows.append(Row(id, unit, better, ["cheng"] + who.split(), cpus, bars, seconds, rounds, of, strict, about))


# Programs that are not <topic>/<who>. Those that end in .py are run from the sources; they need the Python
# module of the contender's name.
PROGRAMS = {
    "go": "go/peer",
    "fcontext": "coroutine/fcontext",
    "fiber": "coroutine/fiber",
    "gevent": "python/coroutine.py",
    "greenlet": "python/coroutine.py",
}
PROGRAMS_OF_ROW = {
    **{(f"rwlock.{side}.uncontended", who): f"rwlock/{side}_{who}"
       for side in ("read", "write") for who in ("cheng", "pthread")},
    ("coroutine.switch", "cheng"): "coroutine/switch",
    ("coroutine.generator", "cheng"): "coroutine/generator",
    ("queue.priority", "cheng"): "queue/priority",
    ("queue.priority.2x2", "cheng"): "queue/priority",
    ("queue.coroutine.rendezvous", "cheng"): "coroutine/cheng",
    ("queue.coroutine.item", "cheng"): "coroutine/cheng",
}
# Programs that another one starts: the load of a server.
LAUNCHERS = {"echo": "echo/load", "tls": "tls/load"}
row("lock.uncontended", "ns", "lower", "pthread nsync glib tbb openmp ck go floor:cas", "0.95 * pthread",
    about="acquire, count, release by one thread, in a process with threads")
for n in (2, 4, 8):
    peers = "pthread nsync glib tbb openmp go"
    row(f"lock.contended.{n}", "M/s", "higher", peers, "1.0 * best", cpus=2, seconds=1, rounds=3,
        about=f"{n} threads on two cores acquire, count, release")
    row(f"lock.contended.{n}.share", "of fair", "higher", peers, "1 / 3", cpus=2, of=f"lock.contended.{n}",
        strict=True, about="the least thread's part of its fair share of 250 ms")

row("rlock.uncontended", "ns", "lower", "pthread", "1.0 * best", about="the same with a recursive lock, once deep")
row("rwlock.read.uncontended", "ns", "lower", "pthread go", "1.0 * best", about="the same, to read")
row("rwlock.write.uncontended", "ns", "lower", "pthread go", "1.0 * best", about="the same, to write")
row("semaphore.uncontended", "ns", "lower", "posix", "1.0 * best", about="the same with a semaphore of one unit")

row("wake.1core", "ns", "lower", "pthread go floor:futex", "1.1 * floor_futex",
    about="a token handed to another thread and back")
row("wake.2cores", "ns", "lower", "pthread go floor:futex", "1.0 * floor_futex", cpus=2,
    about="the same, each thread on its core")
row("thread.startjoin", "ns", "lower", "pthread glib", "1.1 * pthread", about="start and join a thread")

for act, about in (("set", "one of a million timers is set, in no order of their times"),
                   ("cancel", "one of them is cancelled, in another order")):
    row(f"timer.{act}", "ns", "lower", "libuv go", "1.0 * libuv", "1.0 * go", about=about)

row("coroutine.switch", "ns", "lower", "fcontext greenlet", "1.0 * fcontext", about="one stack for another")
row("coroutine.generator", "ns", "lower", "fcontext", "3 * fcontext", about="one value of a generator")
row("coroutine.yield", "ns", "lower", "fcontext fiber go gevent", "4.0 * fcontext", "0.3 * go",
    about="two that yield to each other")
row("coroutine.spawnjoin.1", "ns", "lower", "fcontext fiber go", "15 * fcontext", "0.3 * go",
    about="start and join one, in a runtime of one thread")
row("coroutine.spawnjoin.mn", "ns", "lower", "fcontext go", "15 * fcontext", "0.3 * go", cpus=2,
    about="the same in the default runtime, two workers")
row("queue.coroutine.rendezvous", "ns", "lower", "fcontext fiber go", "26 * fcontext", "0.4 * go",
    about="round trip through two queues of one place")
row("queue.coroutine.item", "ns", "lower", "fiber go", "1.0 * fiber", about="an item through a queue of 1,024")
for shape in ("1x1", "2x2", "4x4"):
    peers = "go glib apr tbb moodycamel"
    row(f"queue.thread.{shape}.1core", "M/s", "higher", peers, "1.0 * glib",
        about="items through a queue of 1,024, producers x consumers")
    row(f"queue.thread.{shape}.2cores", "M/s", "higher", peers, "1.0 * go", "1.5 * glib", cpus=2,
        about="the same, producers on one core, consumers on the other")

row("queue.priority", "ns", "lower", "heap", "1.1 * heap", seconds=0.4, rounds=3,
    about="a million items of 16 bytes put, then got in the order of their keys: ns for each put and get")
row("queue.priority.2x2", "M/s", "higher", "heap", "1.0 * heap", cpus=2,
    about="items through a queue with keys, producers on one core, consumers on the other")

row("select.8", "ns", "lower", "go", "1.0 * go",
    about="an item is put into one of eight queues, and taken by a select over all")

row("coroutine.memory.100k", "KiB", "lower", "go gevent", "4.5", seconds=0, rounds=2,
    about="resident memory of the process for each of 100,000 that wait")
row("coroutine.memory.1m", "KiB", "lower", "go", "4.5", seconds=0, rounds=1, about="the same, 1,000,000")
row("coroutine.sleepers", "s", "lower", "go", "1.5", cpus=2, seconds=0, rounds=2,
    about="1,000,000 that sleep and wake spread over one second")

echo = "libuv go floor:epoll"
row("echo.50", "1/s", "higher", echo, "0.95 * floor_epoll",
    about="64 bytes sent and sent back, 50 connections, server and load on one core")
row("echo.50.cpu", "us", "lower", echo, of="echo.50", about="CPU of the server for one")
bars = "1.0 * libuv", "1.0 * go", "0.95 * floor_epoll"
row("echo.1", "1/s", "higher", echo, *bars, cpus=2, about="one connection, the server on one core, the load on the other")
row("echo.50.2cores", "1/s", "higher", echo, *bars, cpus=2, about="50 connections")
row("echo.1000", "1/s", "higher", echo, *bars, cpus=2, about="1,000 connections")
row("echo.64k", "1/s", "higher", echo, *bars, cpus=2, about="50 connections, messages of 64 KiB")

row("tls.echo.50", "1/s", "higher", "floor:epoll", "0.9 * floor_epoll",
    about="echo.50 over TLS 1.3: 64 bytes, 50 connections, server and load on one core")
row("tls.echo.50.cpu", "us", "lower", "floor:epoll", of="tls.echo.50", about="CPU of the server for one")

row("file.read", "1/s", "higher", "libuv go", "1.0 * libuv", cpus=2,
    about="cached files of 4 KiB opened, read and closed, 64 at a time")
