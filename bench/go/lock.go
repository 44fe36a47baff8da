package main

import (
	"sync"
	"sync/atomic"
	"time"
)

var guarded struct {
	_       [128]byte
	mutex   sync.Mutex
	_       [128]byte
	counter int
	_       [128]byte
}

func uncontended(n int) {
	for i := 0; i < n; i++ {
		guarded.mutex.Lock()
		guarded.counter++
		guarded.mutex.Unlock()
	}
}

var shared struct {
	_       [128]byte
	mutex   sync.RWMutex
	_       [128]byte
	counter int
	_       [128]byte
}

func uncontendedReads(n int) {
	for i := 0; i < n; i++ {
		shared.mutex.RLock()
		shared.counter++
		shared.mutex.RUnlock()
	}
}

func uncontendedWrites(n int) {
	for i := 0; i < n; i++ {
		shared.mutex.Lock()
		shared.counter++
		shared.mutex.Unlock()
	}
}

// As lock.h has it, with goroutines. Go cannot pin them, and only as many run at once as there are CPUs.
func contended(threads int) {
	type seat struct {
		done int64
		_    [120]byte
	}
	seats := make([]seat, threads)
	for i := range seats {
		go func(s *seat) {
			for {
				uncontended(64)
				atomic.AddInt64(&s.done, 64) // seldom enough to cost nothing
			}
		}(&seats[i])
	}
	const window = 250 * time.Millisecond
	before := make([]int64, threads)
	var start time.Time
	for w := 0; w <= 1+int(seconds/window.Seconds()); w++ {
		end := time.Now()
		total, least := int64(0), int64(-1)
		for i := range seats {
			now := atomic.LoadInt64(&seats[i].done)
			did := now - before[i]
			before[i] = now
			total += did
			if least < 0 || did < least {
				least = did
			}
		}
		if w > 1 { // the first window is until all run
			report("", float64(total)*1e3/float64(end.Sub(start).Nanoseconds()))
			report(".share", float64(least)*float64(threads)/float64(total))
		}
		start = end
		time.Sleep(window)
	}
}
