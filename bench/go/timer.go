package main

import "time"

// As in timer/timer.h: a million timers that were made and stopped are set, then stopped in another order. Reset looks at
// the clock.
func timers(setting bool) {
	const n = 1000000
	all := make([]*time.Timer, n)
	for sample := 0; sample <= samples; sample++ {
		for i := range all {
			all[i] = time.AfterFunc(24*time.Hour, func() {})
			all[i].Stop()
		}
		time.Sleep(10 * time.Millisecond)
		setNs := elapsed(func(n int) {
			for i := 0; i < n; i++ {
				which := i * 15485863 % n
				all[which].Reset(time.Hour + time.Duration(which*7919%n)*3600000)
			}
		}, n)
		cancelNs := elapsed(func(n int) {
			for i := 0; i < n; i++ {
				all[i*32452843%n].Stop()
			}
		}, n)
		if sample > 0 && setting {
			report("", setNs/n)
		} else if sample > 0 {
			report("", cancelNs/n)
		}
	}
}
