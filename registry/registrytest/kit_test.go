package registrytest_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

// broken holds registries that break a promise each, and the check that must notice.
var broken = map[string]struct {
	of    func(registry.Registry) registry.Registry
	check string
}{
	"ignores Expect":          {edit(expectRight), "Transition/Conflict"},
	"lets two win":            {edit(expectRight), "Concurrency/OneWinner"},
	"ignores Displaced":       {edit(func(_ registry.Registry, t *registry.Transition) { t.Displaced = "" }), "Transition/RollsBack"},
	"forgets Key":             {edit(func(_ registry.Registry, t *registry.Transition) { t.Key = "" }), "Transition/Idempotent"},
	"ignores Token":           {edit(func(_ registry.Registry, t *registry.Transition) { t.Token = 0 }), "Transition/Fenced"},
	"forgets Reason":          {edit(func(_ registry.Registry, t *registry.Transition) { t.Reason = "" }), "History/Complete"},
	"reads the artifact":      {func(r registry.Registry) registry.Registry { return reading{r} }, "Register/Idempotent"},
	"keeps half an artifact":  {func(r registry.Registry) registry.Registry { return halving{r} }, "Register/ArtifactFails"},
	"ignores ctx":             {func(r registry.Registry) registry.Registry { return stubborn{r} }, "Cancelled"},
	"yields the oldest first": {func(r registry.Registry) registry.Registry { return backward{r} }, "Versions/Selects"},
	"opens the wrong version": {func(r registry.Registry) registry.Registry { return confused{r} }, "Open/Files"},
	"opens what is not there": {func(r registry.Registry) registry.Registry { return inventive{r} }, "Open/NotFound"},
	"loses history":           {func(r registry.Registry) registry.Registry { return forgetful{r} }, "Concurrency/NoLostHistory"},
}

func edit(change func(registry.Registry, *registry.Transition)) func(registry.Registry) registry.Registry {
	return func(r registry.Registry) registry.Registry { return editing{r, change} }
}

func expectRight(r registry.Registry, t *registry.Transition) {
	t.Expect = ""
	for v := range r.Versions(context.Background(), registry.Query{Stage: registry.Production}) {
		t.Expect = v.ID
	}
}

// editing changes transitions before they are made.
type editing struct {
	registry.Registry
	edit func(registry.Registry, *registry.Transition)
}

func (r editing) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	r.edit(r.Registry, &t)
	return r.Registry.Transition(ctx, t)
}

// reading reads the artifact before it looks for the key.
type reading struct{ registry.Registry }

func (r reading) Register(ctx context.Context, d registry.Draft, artifact io.Reader) (registry.Version, error) {
	b, err := io.ReadAll(artifact)
	if err != nil {
		return registry.Version{}, err
	}
	return r.Registry.Register(ctx, d, bytes.NewReader(b))
}

// halving registers what it could read.
type halving struct{ registry.Registry }

func (r halving) Register(ctx context.Context, d registry.Draft, artifact io.Reader) (registry.Version, error) {
	b, err := io.ReadAll(artifact)
	v, registerErr := r.Registry.Register(ctx, d, bytes.NewReader(b))
	if err != nil {
		return registry.Version{}, err
	}
	return v, registerErr
}

// stubborn does not let itself be cancelled.
type stubborn struct{ registry.Registry }

func (r stubborn) Transition(ctx context.Context, t registry.Transition) (registry.Event, error) {
	return r.Registry.Transition(context.WithoutCancel(ctx), t)
}

// backward yields the oldest version first.
type backward struct{ registry.Registry }

func (r backward) Versions(ctx context.Context, q registry.Query) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		var all []registry.Version
		for v, err := range r.Registry.Versions(ctx, q) {
			if err != nil {
				yield(v, err)
				return
			}
			all = append(all, v)
		}
		for _, v := range slices.Backward(all) {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// confused opens the files of the first version.
type confused struct{ registry.Registry }

func (r confused) Open(ctx context.Context, _, file string) (io.ReadCloser, error) {
	return r.Registry.Open(ctx, "1", file)
}

// forgetful yields no more than 20 events.
type forgetful struct{ registry.Registry }

func (r forgetful) History(ctx context.Context, after uint64) iter.Seq2[registry.Event, error] {
	return func(yield func(registry.Event, error) bool) {
		n := 0
		for e, err := range r.Registry.History(ctx, 0) {
			if n++; n > 20 || !yield(e, err) {
				return
			}
		}
	}
}

// inventive opens an empty file where there is none.
type inventive struct{ registry.Registry }

func (r inventive) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	content, err := r.Registry.Open(ctx, id, file)
	if err != nil && ctx.Err() == nil {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return content, err
}

const envBroken = "REGISTRYTEST_BROKEN"

// A check can only fail in a test that fails, so each broken registry is checked by
// another process.
func TestRun_CatchesBroken(t *testing.T) {
	t.Parallel()
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunOnBroken$/^"+c.check+"$")
			cmd.Env = append(os.Environ(), envBroken+"="+name)
			output, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, string(output))
			require.Contains(t, string(output), "--- FAIL: TestRunOnBroken/"+c.check)
			require.Contains(t, string(output), "violated promise: ")
		})
	}
}

// TestRunOnBroken does nothing but in the processes that TestRun_CatchesBroken starts.
func TestRunOnBroken(t *testing.T) {
	name := os.Getenv(envBroken)
	if name == "" {
		return
	}
	registrytest.Run(t, func(*testing.T) registry.Registry { return broken[name].of(registry.NewMemory()) })
}
