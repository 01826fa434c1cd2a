package registrytest_test

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// testLog is a log whose entries several handles share, and which may be wrong in one way.
type testLog struct {
	shared *entries
	wrong  string
	local  [][]byte // what a blind one has
}

type entries struct {
	mu  sync.Mutex
	all [][]byte // an entry that was lost is nil
}

func (l *testLog) Append(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	if err := ctx.Err(); err != nil && l.wrong != "ignores ctx" {
		return false, err
	}
	s := l.shared
	if l.wrong == "checks, then acts" {
		s.mu.Lock()
		taken := seq <= uint64(len(s.all))
		s.mu.Unlock()
		if taken {
			return false, nil
		}
		time.Sleep(100 * time.Microsecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.wrong != "shares what it is given" {
		entry = bytes.Clone(entry)
	}
	switch l.wrong {
	case "cuts what is long":
		entry = entry[:min(len(entry), 1<<20)]
	case "trims":
		entry = bytes.TrimSpace(entry)
	case "takes what is equal":
		if seq <= uint64(len(s.all)) && bytes.Equal(s.all[seq-1], entry) {
			return true, nil
		}
	case "overwrites", "checks, then acts":
		if seq <= uint64(len(s.all)) {
			s.all[seq-1] = entry
			return true, nil
		}
	case "uses lost numbers again":
		if seq <= uint64(len(s.all)) && s.all[seq-1] == nil {
			s.all[seq-1] = entry
			return true, nil
		}
	case "drops entries":
		if seq == uint64(len(s.all))+1 && seq == 20 {
			s.all = append(s.all, []byte{0})
			return true, nil
		}
	}
	if seq <= uint64(len(s.all)) {
		return false, nil
	}
	s.all = append(s.all, entry)
	return true, nil
}

func (l *testLog) Read(ctx context.Context, after uint64) iter.Seq2[[]byte, error] {
	early := l.snapshot()
	return func(yield func([]byte, error) bool) {
		if err := ctx.Err(); err != nil && l.wrong != "reads on" {
			yield(nil, err)
			return
		}
		all := l.snapshot()
		switch l.wrong {
		case "asks once":
			all = early
		case "is blind":
			if l.local == nil {
				l.local = append([][]byte{}, all...)
			}
			all = l.local
		case "includes after":
			after = max(after, 1) - 1
		}
		for i, e := range all {
			switch {
			case uint64(i) < after, e == nil && l.wrong == "passes over what is lost":
				continue
			case e == nil:
				e = []byte{}
			case l.wrong != "shares what it has":
				e = bytes.Clone(e)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (l *testLog) snapshot() [][]byte {
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	return append([][]byte(nil), l.shared.all...)
}

func logHarness(wrong string) registrytest.LogHarness {
	return registrytest.LogHarness{
		New: func(*testing.T) registry.Log { return &testLog{shared: new(entries), wrong: wrong} },
		Reopen: func(_ *testing.T, l registry.Log) registry.Log {
			if wrong == "keeps nothing" {
				return &testLog{shared: new(entries)}
			}
			return &testLog{shared: l.(*testLog).shared, wrong: wrong}
		},
		Second: func(_ *testing.T, l registry.Log) registry.Log {
			if wrong == "keeps to itself" {
				return &testLog{shared: new(entries)}
			}
			return &testLog{shared: l.(*testLog).shared, wrong: wrong}
		},
		Lose: func(_ *testing.T, l registry.Log, seq uint64) { l.(*testLog).shared.all[seq-1] = nil },
	}
}

func TestRunLog(t *testing.T) {
	t.Parallel()
	registrytest.RunLog(t, logHarness(""))
}

func TestRunLog_CatchesMutants(t *testing.T) {
	t.Parallel()
	for wrong, promise := range map[string]string{
		"includes after":           "Append/InOrder",
		"cuts what is long":        "Append/Bytes",
		"trims":                    "Append/Bytes",
		"overwrites":               "Append/Taken",
		"takes what is equal":      "Append/Taken",
		"checks, then acts":        "Append/OneWinner",
		"drops entries":            "Append/NothingLost",
		"shares what it is given":  "Append/Copies",
		"shares what it has":       "Append/Copies",
		"asks once":                "Read/Consumer",
		"ignores ctx":              "Cancelled",
		"reads on":                 "Cancelled",
		"keeps nothing":            "Reopen",
		"is blind":                 "Second/Sees",
		"keeps to itself":          "Second/OneWinner",
		"passes over what is lost": "Lost/IsEmpty",
		"uses lost numbers again":  "Lost/IsEmpty",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			failures, unchecked := registrytest.LogFailures(t, logHarness(wrong), promise)
			require.NotEmpty(t, failures)
			require.Empty(t, unchecked)
		})
	}
	failures, _ := registrytest.LogFailures(t, logHarness("keeps to itself"), "Second/NothingLost")
	require.NotEmpty(t, failures)
}
