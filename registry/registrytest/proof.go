package registrytest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// promise is one sentence of the contract, and its proof.
type promise[H any] struct {
	name  string
	text  string // quoted when it is broken
	prove func(p *proof, h H)
}

// proof is an attempt to break a promise. All its methods except report end the attempt if
// they fail.
type proof struct {
	t *testing.T

	mu        sync.Mutex
	failures  []string // guarded by mu
	unchecked string   // what the harness lacks, "" if nothing
}

// day is the time of all changes: whole seconds, which every store can keep.
var day = time.Date(2025, time.March, 1, 12, 30, 0, 0, time.UTC)

var errBroken = errors.New("broken on purpose")

// ended ends an attempt. Only attempt recovers it.
type ended struct{}

// runAll proves every promise, each in a subtest of its own.
func runAll[H any](t *testing.T, h H, promises []promise[H]) {
	for _, c := range promises {
		t.Run(c.name, func(t *testing.T) {
			p := attempt(t, h, c)
			for _, failure := range p.failures {
				t.Errorf("%s\nviolated promise: %s", failure, c.text)
			}
			if p.unchecked != "" {
				t.Logf("not checked, because the harness has no %s: %s", p.unchecked, c.text)
			}
		})
	}
}

// attempt proves one promise, and returns the result.
func attempt[H any](t *testing.T, h H, c promise[H]) (p *proof) {
	p = &proof{t: t}
	defer func() {
		if r := recover(); r != nil && r != any(ended{}) {
			panic(r)
		}
	}()
	c.prove(p, h)
	return p
}

// report notes a failure and goes on; unlike the other methods, any goroutine may call it.
func (p *proof) report(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, fmt.Sprintf(format, args...))
}

func (p *proof) broken(format string, args ...any) {
	p.report(format, args...)
	panic(ended{})
}

// needs ends the attempt if the harness lacks what.
func (p *proof) needs(has bool, what string) {
	if !has {
		p.unchecked = what
		panic(ended{})
	}
}

// succeeds ends the attempt if err is not nil.
func (p *proof) succeeds(what string, err error) {
	if err != nil {
		p.broken("%s: %v", what, err)
	}
}

// fails ends the attempt if err is not target.
func (p *proof) fails(what string, err, target error) {
	if !errors.Is(err, target) {
		p.broken("%s: error is %v, want %v", what, err, target)
	}
}

// each calls act for every writer at the same time, and waits for all. An act only reports.
func each(act func(writer int)) {
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { act(i) })
	}
	wg.Wait()
}

// writers is how many act at the same time.
const writers = 8

// readerFunc is an io.Reader.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
