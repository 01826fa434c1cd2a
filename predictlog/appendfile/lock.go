package appendfile

import (
	"context"
	"math/rand/v2"
	"os"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

type lockMode bool

const (
	shared    lockMode = false
	exclusive lockMode = true
)

// lockFile waits until it holds the lock or ctx is done. It polls, because no operating
// system lets a wait for a file lock be cancelled. The random part of the pause keeps two
// waiters out of step.
func lockFile(ctx context.Context, file *os.File, mode lockMode) error {
	const shortest, longest = 50 * time.Microsecond, 10 * time.Millisecond
	for pause := shortest; ; pause = min(2*pause, longest) {
		held, err := osfile.TryLock(file, bool(mode))
		if held || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}
