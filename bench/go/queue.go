package main

import "sync"

// Millions of items through one channel of 1,024 places.
func pass(n, producers, consumers int) {
	n = (n/(producers*consumers) + 1) * producers * consumers
	channel := make(chan uint64, 1024)
	var done sync.WaitGroup
	done.Add(producers + consumers)
	for i := 0; i < producers; i++ {
		go func() {
			for k := n / producers; k > 0; k-- {
				channel <- uint64(k)
			}
			done.Done()
		}()
	}
	for i := 0; i < consumers; i++ {
		go func() {
			for k := n / consumers; k > 0; k-- {
				if <-channel == 0 {
					fail("an item that nobody put")
				}
			}
			done.Done()
		}()
	}
	done.Wait()
}

// Round trips through two unbuffered channels.
func rendezvous(n int) {
	there, back := make(chan uint64), make(chan uint64)
	go func() {
		for i := 0; i < n; i++ {
			back <- <-there
		}
	}()
	for i := 0; i < n; i++ {
		there <- 1
		<-back
	}
}
