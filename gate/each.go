package gate

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// each calls do for every i below n, on all processors, and returns when all are done.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	working.Wait()
}
