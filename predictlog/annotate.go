package predictlog

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// Annotation is what a handler, or a [Config.Decode], knows about a prediction. A zero field
// leaves the value to the next source. The order of the sources is: the handler's annotation,
// the bodies, [Config].
type Annotation struct {
	// Model and Version say which model answered.
	Model, Version string
	// Time is when the request counts as answered. Set it only in replays and simulations of
	// past traffic.
	Time time.Time
	// Row is the input. A Row that is not nil is recorded in the place of the request's body.
	Row Row
	// Output is the answer. An Output that is not nil is recorded in the place of the
	// answer's body; Model and Version are then not read from the body either.
	Output *Output
	// Tags are the host's own.
	Tags map[string]string
}

// or returns a with its zero fields filled in from b.
func (a Annotation) or(b Annotation) Annotation {
	a.Model = cmp.Or(a.Model, b.Model)
	a.Version = cmp.Or(a.Version, b.Version)
	a.Output = cmp.Or(a.Output, b.Output)
	if a.Time.IsZero() {
		a.Time = b.Time
	}
	if a.Row == nil {
		a.Row = b.Row
	}
	if a.Tags == nil {
		a.Tags = b.Tags
	}
	return a
}

// Annotate tells the recorder what the handler knows about its prediction, so that the bodies
// need not be decoded. Annotate reports whether the annotation will be used: outside of
// [Recorder.Middleware], and after the handler has returned, Annotate does nothing and
// returns false. Of several calls the last counts. The recorder keeps the memory of a; do not
// change it afterwards. Annotate is safe for concurrent use.
func Annotate(ctx context.Context, a Annotation) bool {
	n, ok := ctx.Value(notesKey{}).(*notes)
	return ok && n.set(a)
}

type notesKey struct{}

// notes is the context of a request inside the middleware, with the handler's annotation.
type notes struct {
	context.Context

	mu         sync.Mutex
	annotation Annotation // guarded by mu
	closed     bool       // guarded by mu; the handler has returned
}

// Value implements [context.Context].
func (n *notes) Value(key any) any {
	if key == (notesKey{}) {
		return n
	}
	return n.Context.Value(key)
}

func (n *notes) set(a Annotation) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.annotation = a
	return true
}

// close ends the handler's time to annotate, and returns the annotation.
func (n *notes) close() Annotation {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	return n.annotation
}
