// Go's side of every row that it has an answer to: one program, as bench.h has it. GOMAXPROCS is what the
// runtime makes of the CPUs that bench/run left it.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const samples = 3

var (
	row     string
	seconds = 0.1
)

func fail(why interface{}) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", row, why)
	os.Exit(1)
}

func report(suffix string, value float64) {
	fmt.Printf("%s%s %.6g\n", row, suffix, value)
}

func elapsed(work func(n int), n int) float64 {
	start := time.Now()
	work(n)
	return float64(time.Since(start).Nanoseconds())
}

func calibrate(work func(n int)) int {
	want := seconds * 1e9
	for n := 100; ; n *= 2 {
		if ns := elapsed(work, n); ns >= want/5 {
			return int(float64(n)*want/ns) + 1
		}
	}
}

func nsEach(work func(n int), each int) {
	n := calibrate(work)
	for i := 0; i < samples; i++ {
		report("", elapsed(work, n)/float64(n)/float64(each))
	}
}

func millionsPerSecond(work func(n int)) {
	n := calibrate(work)
	for i := 0; i < samples; i++ {
		report("", float64(n)*1e3/elapsed(work, n))
	}
}

// The number that ends a part of the row's name.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fail("no such row")
	}
	return n
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: program ROW [SECONDS]")
	}
	row = os.Args[1]
	if len(os.Args) > 2 {
		seconds, _ = strconv.ParseFloat(os.Args[2], 64)
	}
	switch {
	case row == "lock.uncontended":
		nsEach(uncontended, 1)
	case row == "rwlock.read.uncontended":
		nsEach(uncontendedReads, 1)
	case row == "rwlock.write.uncontended":
		nsEach(uncontendedWrites, 1)
	case strings.HasPrefix(row, "lock.contended."):
		contended(number(strings.TrimPrefix(row, "lock.contended.")))
	case strings.HasPrefix(row, "wake."):
		nsEach(rendezvous, 1)
	case row == "coroutine.yield":
		nsEach(yields, 2)
	case strings.HasPrefix(row, "coroutine.spawnjoin."):
		nsEach(spawnAndJoin, 1)
	case row == "coroutine.memory.100k":
		memory(100000)
	case row == "coroutine.memory.1m":
		memory(1000000)
	case row == "coroutine.sleepers":
		sleepers(1000000)
	case row == "queue.coroutine.rendezvous":
		nsEach(rendezvous, 1)
	case row == "queue.coroutine.item":
		nsEach(func(n int) { pass(n, 1, 1) }, 1)
	case strings.HasPrefix(row, "queue.thread."):
		var producers, consumers int
		if n, _ := fmt.Sscanf(row, "queue.thread.%dx%d", &producers, &consumers); n != 2 {
			fail("no such row")
		}
		millionsPerSecond(func(n int) { pass(n, producers, consumers) })
	case row == "select.8":
		nsEach(selects, 1)
	case strings.HasPrefix(row, "timer."):
		timers(row == "timer.set")
	case strings.HasPrefix(row, "echo."):
		serve()
	case row == "file.read":
		readFiles()
	default:
		fail("no such row")
	}
}
