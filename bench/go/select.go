package main

// One select over eight channels, one of which has an item: put there before each time, each channel in turn.
func selects(n int) {
	var c [8]chan uint64
	for i := range c {
		c[i] = make(chan uint64, 16)
	}
	for i := 0; i < n; i++ {
		put := uint64(i) + 1
		c[i%8] <- put
		var item uint64
		select {
		case item = <-c[0]:
		case item = <-c[1]:
		case item = <-c[2]:
		case item = <-c[3]:
		case item = <-c[4]:
		case item = <-c[5]:
		case item = <-c[6]:
		case item = <-c[7]:
		}
		if item != put {
			fail("an item that nobody put")
		}
	}
}
