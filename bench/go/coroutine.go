package main

import (
	"io/ioutil"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

func yields(n int) {
	done := make(chan bool)
	go func() {
		for i := 0; i < n; i++ {
			runtime.Gosched()
		}
		done <- true
	}()
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
	<-done
}

func spawnAndJoin(n int) {
	done := make(chan bool)
	for i := 0; i < n; i++ {
		go func() { done <- true }()
		<-done
	}
}

func rssKiB() float64 {
	status, _ := ioutil.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			return kib
		}
	}
	return 0
}

// n goroutines that wait for one channel to be closed: resident memory of the process, shared among them.
func memory(n int) {
	var parked sync.WaitGroup
	release := make(chan bool)
	parked.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			parked.Done()
			<-release
		}()
	}
	parked.Wait()
	time.Sleep(10 * time.Millisecond) // the last ones are on their way into the wait
	report("", rssKiB()/float64(n))
}

// As coroutine/cheng.c has it: n deadlines spread over one second.
func sleepers(n int) {
	var started, asleep, awake sync.WaitGroup
	var begin time.Time
	release := make(chan bool)
	started.Add(n)
	asleep.Add(n)
	awake.Add(n)
	for i := 0; i < n; i++ {
		shuffled := time.Duration(i * 7919 % n)
		go func() {
			started.Done()
			<-release
			asleep.Done()
			time.Sleep(time.Until(begin.Add(shuffled * (time.Second / time.Duration(n)))))
			awake.Done()
		}()
	}
	started.Wait()
	begin = time.Now().Add(4 * time.Second)
	close(release)
	asleep.Wait()
	if time.Now().After(begin) {
		fail("it took too long to send them to sleep")
	}
	awake.Wait()
	report("", time.Since(begin).Seconds())
}
