package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

var errOutage = errors.New("outage")

var noon = time.Date(2025, time.March, 1, 12, 0, 0, 0, time.UTC)

// loadText is a LoadFunc whose model is the artifact itself.
func loadText(_ context.Context, _ registry.Version, artifact io.Reader) (string, error) {
	b, err := io.ReadAll(artifact)
	return string(b), err
}

func newLive[M any](t *testing.T, r registry.Registry, load registry.LoadFunc[M], cfg registry.LiveConfig) *registry.Live[M] {
	t.Helper()
	l, err := registry.NewLive(r, load, cfg)
	require.NoError(t, err)
	return l
}

// serves requires that l has loaded this version, and its model.
func serves(t *testing.T, l *registry.Live[string], id, model string) {
	t.Helper()
	loaded := l.Get()
	require.NotNil(t, loaded)
	require.Equal(t, id, loaded.Version.ID)
	require.Equal(t, model, loaded.Model)
}

// run runs l until the function it returns is called, which waits for the end.
func run[M any](t *testing.T, l *registry.Live[M]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

func TestNewLive_Invalid(t *testing.T) {
	t.Parallel()
	for _, poll := range []time.Duration{-1, 24*time.Hour + 1} {
		_, err := registry.NewLive[string](nil, nil, registry.LiveConfig{Poll: poll})
		for _, part := range []string{"nil Registry", "nil LoadFunc", fmt.Sprintf("Poll is %v, want 0 to 24h0m0s", poll)} {
			require.ErrorContains(t, err, part)
		}
	}
}

func TestLive_Refresh(t *testing.T) {
	t.Parallel()
	r := registry.NewMemory()
	l := newLive(t, r, loadText, registry.LiveConfig{})
	require.Nil(t, l.Get())
	require.NoError(t, l.Err())

	register(t, r, "a")
	register(t, r, "b")
	require.ErrorIs(t, l.Refresh(t.Context()), registry.ErrNoProduction)
	require.ErrorIs(t, l.Err(), registry.ErrNoProduction)
	require.Nil(t, l.Get())

	promote(t, r, "1")
	require.Nil(t, l.Get(), "Get asks nobody")
	require.NoError(t, l.Refresh(t.Context()))
	require.NoError(t, l.Err())
	serves(t, l, "1", "a")

	promote(t, r, "2")
	former := l.Get()
	require.NoError(t, l.Refresh(t.Context()))
	serves(t, l, "2", "b")
	require.Equal(t, "a", former.Model, "a request goes on with what it got")
}

func TestLive_LoadsOnce(t *testing.T) {
	t.Parallel()
	r := registry.NewMemory()
	register(t, r, "a")
	promote(t, r, "1")
	var loads atomic.Int32
	l := newLive(t, r, func(ctx context.Context, v registry.Version, artifact io.Reader) (string, error) {
		loads.Add(1)
		return loadText(ctx, v, artifact)
	}, registry.LiveConfig{})

	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := l.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, loads.Load())
}

func TestLive_KeepsTheOldModel(t *testing.T) {
	t.Parallel()
	outage := func(method string) func(int, string) error {
		return func(_ int, m string) error {
			if m == method {
				return errOutage
			}
			return nil
		}
	}
	refuse := func(context.Context, registry.Version, io.Reader) (string, error) { return "half", errOutage }
	for name, c := range map[string]struct {
		fault func(int, string) error
		load  registry.LoadFunc[string]
	}{
		"registry does not answer": {outage("Versions"), loadText},
		"artifact does not open":   {outage("Open"), loadText},
		"model does not load":      {nil, refuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &registrytest.Faulty{Registry: registry.NewMemory()}
			load := loadText
			l := newLive(t, r, func(ctx context.Context, v registry.Version, artifact io.Reader) (string, error) {
				return load(ctx, v, artifact)
			}, registry.LiveConfig{})
			register(t, r, "a")
			register(t, r, "b")
			promote(t, r, "1")
			require.NoError(t, l.Refresh(t.Context()))
			promote(t, r, "2")

			r.Before, load = c.fault, c.load
			require.ErrorIs(t, l.Refresh(t.Context()), errOutage)
			require.ErrorIs(t, l.Err(), errOutage)
			serves(t, l, "1", "a")

			r.Before, load = nil, loadText
			require.NoError(t, l.Refresh(t.Context()))
			require.NoError(t, l.Err())
			serves(t, l, "2", "b")
		})
	}
}

// damaged is a registry whose stored artifacts lost their last byte.
type damaged struct{ registry.Registry }

func (d damaged) Open(ctx context.Context, id, file string) (io.ReadCloser, error) {
	v, err := registry.Get(ctx, d, id)
	if err != nil {
		return nil, err
	}
	content, err := registry.ReadFile(ctx, d.Registry, id, file)
	if err != nil {
		return nil, err
	}
	f, err := v.File(file)
	return registry.Verify(f, io.NopCloser(bytes.NewReader(content[:len(content)-1]))), err
}

func TestLive_VerifiesWhatLoadDoesNot(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]registry.LoadFunc[string]{
		"load reads nothing": func(context.Context, registry.Version, io.Reader) (string, error) { return "model", nil },
		"load reads a part": func(_ context.Context, _ registry.Version, artifact io.Reader) (string, error) {
			_, err := artifact.Read(make([]byte, 1))
			return "model", err
		},
		"load ignores the error": func(ctx context.Context, v registry.Version, artifact io.Reader) (string, error) {
			model, _ := loadText(ctx, v, artifact)
			return model, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registry.NewMemory()
			register(t, r, "a long artifact")
			promote(t, r, "1")

			bad := newLive(t, damaged{r}, load, registry.LiveConfig{})
			err := bad.Refresh(t.Context())
			require.ErrorIs(t, err, registry.ErrCorrupt)
			require.ErrorContains(t, err, `registry: load version "1": `)
			require.Nil(t, bad.Get())

			good := newLive(t, r, load, registry.LiveConfig{})
			require.NoError(t, good.Refresh(t.Context()))
			require.NotNil(t, good.Get())
		})
	}
}

func TestLive_RefreshGivesUpWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := registry.NewMemory()
		register(t, r, "a")
		promote(t, r, "1")
		release := make(chan struct{})
		l := newLive(t, r, func(ctx context.Context, v registry.Version, artifact io.Reader) (string, error) {
			<-release
			return loadText(ctx, v, artifact)
		}, registry.LiveConfig{})

		var slow error
		go func() { slow = l.Refresh(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, l.Refresh(ctx), context.DeadlineExceeded)
		require.NoError(t, l.Err(), "an impatient caller is no failure of the registry")

		close(release)
		synctest.Wait()
		require.NoError(t, slow)
		serves(t, l, "1", "a")
	})
}

func TestLive_RefreshGivesUpLoading(t *testing.T) {
	t.Parallel()
	r := registry.NewMemory()
	register(t, r, "a")
	promote(t, r, "1")
	ctx, cancel := context.WithCancel(t.Context())
	l := newLive(t, r, func(ctx context.Context, _ registry.Version, _ io.Reader) (string, error) {
		cancel()
		return "", ctx.Err()
	}, registry.LiveConfig{})
	require.ErrorIs(t, l.Refresh(ctx), context.Canceled)
	require.NoError(t, l.Err())
	require.Nil(t, l.Get())
}

func TestLive_Run(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := registry.NewMemory()
		l := newLive(t, r, loadText, registry.LiveConfig{Poll: 10 * time.Second})
		register(t, r, "a")
		register(t, r, "b")
		promote(t, r, "1")

		stop := run(t, l)
		synctest.Wait()
		serves(t, l, "1", "a") // at once

		promote(t, r, "2")
		time.Sleep(5*time.Second - 1)
		synctest.Wait()
		serves(t, l, "1", "a") // no poll is earlier than Poll/2
		time.Sleep(10*time.Second + 1)
		synctest.Wait()
		serves(t, l, "2", "b") // none is later than 3*Poll/2

		stop()
		promote(t, r, "1")
		time.Sleep(time.Hour)
		serves(t, l, "2", "b")
	})
}

func TestLive_RunPollsWithJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var polls []time.Time
		r := &registrytest.Faulty{Registry: registry.NewMemory(), Before: func(int, string) error {
			polls = append(polls, time.Now())
			return nil
		}}
		stop := run(t, newLive(t, r, loadText, registry.LiveConfig{}))
		time.Sleep(time.Hour)
		stop()

		waits := make(map[time.Duration]bool)
		for i := 1; i < len(polls); i++ {
			wait := polls[i].Sub(polls[i-1])
			require.GreaterOrEqual(t, wait, 2500*time.Millisecond)
			require.Less(t, wait, 7500*time.Millisecond)
			waits[wait] = true
		}
		require.Greater(t, len(waits), 100, "waits differ")
	})
}

// logBuffer is safe to be read and emptied while a logger writes to it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns the lines written since it was last called.
func (l *logBuffer) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return strings.Split(strings.TrimSuffix(l.b.String(), "\n"), "\n")
}

func TestLive_RunLogsChangesOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		var out atomic.Bool
		r := &registrytest.Faulty{Registry: registry.NewMemory(), Before: func(int, string) error {
			if out.Load() {
				return errOutage
			}
			return nil
		}}
		l := newLive(t, r, loadText, registry.LiveConfig{
			Poll:   time.Second,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		logs := func(want ...string) {
			t.Helper()
			time.Sleep(time.Minute) // some 60 polls
			synctest.Wait()
			lines := log.lines()
			require.Len(t, lines, len(want), lines)
			for i, line := range lines {
				require.Contains(t, line, want[i])
			}
		}
		register(t, r, "a")
		stop := run(t, l)
		logs(`level=INFO msg="registry: no version in production yet"`)
		promote(t, r, "1")
		logs(`level=INFO msg="registry: model swapped" from="" to=1`)
		out.Store(true)
		logs(`level=WARN msg="registry: refresh failed" err=outage`)
		out.Store(false)
		logs(`level=INFO msg="registry: refresh works again"`)
		stop()
	})
}

// Requests that are answered during promotions never see a model under another's version.
func TestLive_SwapsWhileServing(t *testing.T) {
	t.Parallel()
	const promotions = 100
	r := registry.NewMemory()
	register(t, r, "a")
	register(t, r, "b")
	promote(t, r, "1")
	// The parts of a model are read one by one, as a prediction would.
	type model struct{ weights [64]string }
	l := newLive(t, r, func(ctx context.Context, v registry.Version, artifact io.Reader) (*model, error) {
		text, err := loadText(ctx, v, artifact)
		m := new(model)
		for i := range m.weights {
			m.weights[i] = text
		}
		return m, err
	}, registry.LiveConfig{})
	require.NoError(t, l.Refresh(t.Context()))

	done := make(chan struct{})
	var requests sync.WaitGroup
	for range 4 {
		requests.Go(func() {
			for {
				loaded := l.Get()
				for _, weight := range loaded.Model.weights {
					if weight != loaded.Version.Key {
						t.Errorf("version %q answers with %q", loaded.Version.Key, weight)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range promotions {
		id := []string{"2", "1"}[i%2]
		promote(t, r, id)
		require.NoError(t, l.Refresh(t.Context()))
		require.Equal(t, id, l.Get().Version.ID)
	}
	close(done)
	requests.Wait()
}

func TestLive_GetDoesNotAllocate(t *testing.T) {
	r := registry.NewMemory()
	register(t, r, "a")
	promote(t, r, "1")
	l := newLive(t, r, loadText, registry.LiveConfig{})
	require.NoError(t, l.Refresh(t.Context()))
	require.Zero(t, testing.AllocsPerRun(100, func() { l.Get() }))
}
