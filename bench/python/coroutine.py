"""greenlet's switch and gevent's memory and yield: called as the other programs are, ROW SECONDS."""
import sys
import time

row, seconds = sys.argv[1], float(sys.argv[2])


def each(work, count):
    n = 1000
    while True:
        start = time.perf_counter()
        work(n)
        took = time.perf_counter() - start
        if took >= seconds / 5:
            break
        n *= 2
    n = int(n * seconds / took)
    for _ in range(3):
        start = time.perf_counter()
        work(n)
        print(row, (time.perf_counter() - start) * 1e9 / n / count, flush=True)


def switches(n):
    import greenlet
    main = greenlet.getcurrent()

    def bounce():
        while True:
            main.switch()

    switch = greenlet.greenlet(bounce).switch
    for _ in range(n):
        switch()


def yields(n):
    import gevent

    def body():
        for _ in range(n):
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(body), gevent.spawn(body)])


def memory(n):
    import gevent.event
    release = gevent.event.Event()
    tasks = [gevent.spawn(release.wait) for _ in range(n)]
    gevent.sleep(0)  # all have run into their wait
    with open("/proc/self/status") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    print(row, kib / n, flush=True)
    release.set()
    gevent.joinall(tasks)


if row == "coroutine.switch":
    each(switches, 2)
elif row == "coroutine.yield":
    each(yields, 2)
elif row == "coroutine.memory.100k":
    memory(100000)
else:
    sys.exit(f"{row}: no such row")
