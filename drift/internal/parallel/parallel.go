// Package parallel runs work on two processors where it is worthwhile.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// maxWorkers bounds the processors of one call, because a monitor runs beside a service.
	maxWorkers = 2
	// Worthwhile is the number of values from which a second worker is faster.
	Worthwhile = 1 << 16
)

// Do calls do for 0 to n-1 and returns when all calls have returned. With at least [Worthwhile]
// values the calls run on two processors. Two calls must not touch the same memory.
func Do(n, values int, do func(i int)) {
	workers := min(n, maxWorkers, runtime.GOMAXPROCS(0))
	if values < Worthwhile || workers < 2 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	wg.Wait()
}
