package fileregistry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

var errCrash = errors.New("crash")

// steps are a life of a registry. Each step may be repeated.
var steps = []func(ctx context.Context, r registry.Registry) error{
	registerStep("a"),
	transitionStep(registry.Transition{Version: "1", To: registry.Production, Key: "promote a"}),
	registerStep("b"),
	transitionStep(registry.Transition{Version: "2", To: registry.Production, Expect: "1", Key: "promote b"}),
	transitionStep(registry.Transition{Version: "1", To: registry.Production, Expect: "2", Displaced: registry.Quarantined, Key: "roll back"}),
}

// more are steps that leave no event in the history. Each may be repeated.
var more = []func(ctx context.Context, r *registry.Ledger) error{
	func(ctx context.Context, r *registry.Ledger) error {
		_, err := r.Attach(ctx, registry.Attachment{Version: "1", Documents: map[string][]byte{"watch.json": []byte("{}")}})
		return err
	},
	func(ctx context.Context, r *registry.Ledger) error {
		return r.Delete(ctx, registry.Deletion{Version: "2", Time: noon})
	},
}

func registerStep(key string) func(context.Context, registry.Registry) error {
	return func(ctx context.Context, r registry.Registry) error {
		draft := registry.Draft{Key: key, Time: noon, Documents: map[string][]byte{"card.md": []byte("# " + key)}}
		_, err := r.Register(ctx, draft, strings.NewReader(key))
		return err
	}
}

func transitionStep(t registry.Transition) func(context.Context, registry.Registry) error {
	t.Time = noon
	return func(ctx context.Context, r registry.Registry) error {
		_, err := r.Transition(ctx, t)
		return err
	}
}

// live takes the steps in order and returns how many were acknowledged.
func live(ctx context.Context, r registry.Registry) (acknowledged int, err error) {
	for i, step := range steps {
		if err := step(ctx, r); err != nil {
			return i, err
		}
	}
	return len(steps), nil
}

// intact requires that everything that is visible is whole.
func intact(t testing.TB, r *registry.Ledger) {
	t.Helper()
	inProduction := 0
	for _, v := range versions(t, r) {
		if v.Stage == registry.Production {
			inProduction++
		}
		for _, f := range v.Files {
			if !v.Deleted.IsZero() {
				break
			}
			_, err := registry.ReadFile(t.Context(), r, v.ID, f.Name)
			require.NoError(t, err)
		}
	}
	promoted := len(history(t, r)) > 0
	require.Equal(t, promoted, inProduction == 1, "%d versions in production", inProduction)
}

// clean requires that the leftovers can be removed and everything is whole without them.
func clean(t testing.TB, r *registry.Ledger) {
	t.Helper()
	_, err := r.Clean(t.Context(), 0)
	require.NoError(t, err)
	leftovers, err := r.Leftovers(t.Context())
	require.NoError(t, err)
	require.Empty(t, leftovers)
	intact(t, r)
}

// Whichever change to the folder is the last that a process made, or the only one that
// fails, what it acknowledged is there, nothing is visible in part, and to take the steps
// again leads to the same end as if nothing had happened.
func TestCrash(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	undisturbed := open(t, t.TempDir())
	_, err := live(ctx, undisturbed)
	require.NoError(t, err)
	for _, step := range more {
		require.NoError(t, step(ctx, undisturbed))
	}

	for name, fails := range map[string]func(n, at int) bool{
		"every change from the n-th on": func(n, at int) bool { return n >= at },
		"only the n-th change":          func(n, at int) bool { return n == at },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at++ {
				dir := t.TempDir()
				n, where := 0, ""
				hook := func(operation, path string) error {
					n++
					if !fails(n, at) {
						return nil
					}
					if where == "" {
						where = fmt.Sprintf("change %d, %s of %s", n, operation, path)
					}
					return errCrash
				}
				acknowledged := 0
				crashed, err := fileregistry.OpenHooked(dir, hook)
				if err == nil {
					acknowledged, err = live(ctx, crashed)
				}
				for _, step := range more {
					if err == nil {
						err = step(ctx, crashed)
					}
				}
				if where == "" {
					require.NoError(t, err)
					require.Greater(t, at, 50, "the hook is called")
					return // there are fewer changes than that
				}

				r := open(t, dir)
				intact(t, r)
				changes := len(versions(t, r)) + len(history(t, r))
				require.GreaterOrEqual(t, changes, acknowledged, where)
				require.LessOrEqual(t, changes, acknowledged+1, where)

				_, err = live(ctx, r)
				require.NoError(t, err, where)
				for _, step := range more {
					require.NoError(t, step(ctx, r), where)
				}
				require.Equal(t, versions(t, undisturbed), versions(t, r), where)
				require.Equal(t, history(t, undisturbed), history(t, r), where)
				clean(t, r)
			}
		})
	}
}
