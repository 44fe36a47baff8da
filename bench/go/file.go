package main

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
)

// As in file/file.h: 10,000 files of 4 KiB, 64 goroutines.
func readFiles() {
	const files, inFlight, size = 10000, 64, 4096
	folder, err := os.MkdirTemp("", "cheng-bench-")
	if err != nil {
		fail(err)
	}
	defer os.RemoveAll(folder)
	paths := make([]string, files)
	for i := range paths {
		paths[i] = filepath.Join(folder, strconv.Itoa(i))
		if err := os.WriteFile(paths[i], make([]byte, size), 0600); err != nil {
			fail(err)
		}
	}
	work := func(n int) {
		var next int64
		var all sync.WaitGroup
		all.Add(inFlight)
		for i := 0; i < inFlight; i++ {
			go func() {
				defer all.Done()
				bytes := make([]byte, size)
				for {
					which := atomic.AddInt64(&next, 1) - 1
					if which >= int64(n) {
						return
					}
					file, err := os.Open(paths[which%files])
					if err != nil {
						fail(err)
					}
					if got, err := file.Read(bytes); err != nil || got != size {
						fail("not what was written")
					}
					file.Close()
				}
			}()
		}
		all.Wait()
	}
	work(files)
	for i := 0; i < samples; i++ {
		n, ns := files, elapsed(work, files)
		for ; ns < seconds*1e9; n += files {
			ns += elapsed(work, files)
		}
		report("", float64(n)*1e9/ns)
	}
}
