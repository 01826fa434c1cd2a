package drift

import (
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// maxWorkers bounds the processors that one call uses: a monitor runs beside a service.
	maxWorkers = 2
	// worthwhile is the number of values from which a second worker pays for its start.
	worthwhile = 1 << 16
	// costOfCount is how many values are counted in the time in which one count of a
	// profile is compared.
	costOfCount = 8
)

// work calls do for 0 to n-1, on two processors if there are values enough, and returns
// when all calls have. No two calls may touch the same memory.
func work(n, values int, do func(i int)) {
	workers := min(n, maxWorkers, runtime.GOMAXPROCS(0))
	if values < worthwhile || workers < 2 {
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
