package healing_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filetelemetry"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// killDir, if set, makes the test binary a service that lives through killSteps half
// days on the files in that folder, wherever an earlier process left off.
const (
	killDir   = "SELFHEAL_HEALING_CHILD"
	killSteps = 24
)

// tickDir, if set, makes the test binary one of several processes that tick on the files in
// that folder until a version is in production, with a training that lasts many ticks.
const tickDir = "SELFHEAL_HEALING_TICKER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		if err := live(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(tickDir); dir != "" {
		if err := tickUntilDeployed(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tickUntilDeployed prints a line for each training that it does.
func tickUntilDeployed(ctx context.Context, dir string) error {
	w, err := onFiles(dir)
	if err != nil {
		return err
	}
	train := w.parts.Trainer
	w.parts.Trainer = healing.TrainerFunc(func(ctx context.Context, r healing.TrainRequest) (healing.Trained, error) {
		fmt.Println("trains", r.Run)
		time.Sleep(3 * time.Second) // three times what the lease lasts without being renewed
		return train.Train(ctx, r)
	})
	l, err := healing.New(w.parts, healing.Config{Lease: time.Second})
	if err != nil {
		return err
	}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if err := l.Tick(ctx, epoch.Add(40*day)); err != nil {
			return err
		}
		if l.Status().Production != nil {
			return nil
		}
	}
	return errors.New("nothing was deployed within a minute")
}

// TestLoop_ThreeProcessesTrainOnce has three processes tick ten times a second while a
// training lasts three seconds.
func TestLoop_ThreeProcessesTrainOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := onFiles(dir)
	require.NoError(t, err)
	w.pass(t, 40*day, 2000, 0)
	var (
		wg   sync.WaitGroup
		outs [3][]byte
		errs [3]error
	)
	for i := range outs {
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), tickDir+"="+dir)
			cmd.Stderr = os.Stderr
			outs[i], errs[i] = cmd.Output()
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs[:]...))
	said := string(bytes.Join(outs[:], nil))
	require.Equal(t, 1, strings.Count(said, "trains"), said)
	runs := w.runs(t, w.loop(t, healing.Config{}))
	require.Len(t, runs, 1)
	require.Equal(t, healing.StepConfirmed, runs[0].Step)
}

// onFiles returns a world whose parts are the embedded defaults, in a folder.
func onFiles(dir string) (*world, error) {
	w, err := makeWorld()
	if err != nil {
		return nil, err
	}
	schema := w.parts.Predictions.Schema()
	predictions, errPredictions := csvlog.Open(filepath.Join(dir, "predictions"), schema, csvlog.Config{})
	truth, errLabels := csvlabels.Open(filepath.Join(dir, "labels.csv"), csvlabels.Config{})
	versions, errRegistry := fileregistry.Open(filepath.Join(dir, "registry"), fileregistry.Config{})
	journal, errJournal := fileregistry.OpenLog(filepath.Join(dir, "journal"))
	telemetry, errTelemetry := filetelemetry.Open(filepath.Join(dir, "telemetry"), filetelemetry.Config{})
	lease, errLease := fileregistry.OpenLease(filepath.Join(dir, "lease.json"))
	w.parts.Predictions, w.parts.Labels, w.parts.Registry = predictions, truth, versions
	w.parts.Journal, w.parts.Telemetry, w.parts.Lease = journal, telemetry, lease
	return w, errors.Join(errPredictions, errLabels, errRegistry, errJournal, errTelemetry, errLease)
}

// live does step after step: traffic, labels, a tick. Rows are made from the number of
// their step, so that a step that is repeated after a crash makes the same ones.
func live(ctx context.Context, dir string) error {
	w, err := onFiles(dir)
	if err != nil {
		return err
	}
	// The steps are of simulated time: none may wait, in real time, for the end of the lease
	// of a process that was killed.
	w.parts.Lease = nil
	l, err := healing.New(w.parts, quick)
	if err != nil {
		return err
	}
	first, err := stepsDone(dir)
	if err != nil {
		return err
	}
	for step := first; step < killSteps; step++ {
		w.rng = rand.New(rand.NewPCG(uint64(step), 7))
		w.now, w.n, w.centre = epoch.Add(time.Duration(step)*12*time.Hour), step*10000, 0
		if step > 8 {
			w.centre = 3
		}
		rows, span := 110, 12*time.Hour
		if step == 0 { // the history
			rows, span, w.now = 1000, 14*day, epoch.Add(-14*day)
		}
		records, truths, err := w.traffic(ctx, span, rows, 0)
		if err != nil {
			return err
		}
		// Stored by a process that then died, perhaps after it had promoted a version:
		// what was answered first stands.
		if err := w.parts.Predictions.Append(ctx, records...); err != nil && !errors.Is(err, predictlog.ErrDuplicate) {
			return err
		}
		if err := w.parts.Labels.Append(ctx, truths...); err != nil {
			return err
		}
		if err := l.Tick(ctx, epoch.Add(time.Duration(step+1)*12*time.Hour)); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("done-%03d", step)), nil, 0o644); err != nil {
			return err
		}
		fmt.Println(step)
	}
	return nil
}

func stepsDone(dir string) (int, error) {
	done, err := filepath.Glob(filepath.Join(dir, "done-*"))
	return len(done), err
}

// ending tells what has become of a folder.
func ending(t *testing.T, dir string) string {
	t.Helper()
	w, err := onFiles(dir)
	require.NoError(t, err)
	var b strings.Builder
	fmt.Fprintf(&b, "%s in production\n", w.production(t))
	for e, err := range w.parts.Registry.History(t.Context(), 0) {
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s: %s to %s, %s %s\n", e.Version, e.From, e.To, e.Displaced, e.DisplacedTo)
	}
	coverage, err := labels.Cover(labels.Join(t.Context(), w.parts.Predictions, w.parts.Labels, predictlog.Query{}))
	require.NoError(t, err)
	fmt.Fprintf(&b, "%d predictions, %d labelled\n", coverage.Predictions, coverage.Labelled)
	for _, r := range w.runs(t, w.loop(t, healing.Config{})) {
		fmt.Fprintf(&b, "%s %s at %s: %s\n", r.Order.Trigger, r.Step, r.Started.Sub(epoch), r.Reason)
	}
	return b.String()
}

// TestLoop_Kill9 kills a process that serves and heals, on the embedded defaults, at 20
// random instants, and compares how it ends with a process that nobody disturbs.
func TestLoop_Kill9(t *testing.T) {
	t.Parallel()
	undisturbed, killed := t.TempDir(), t.TempDir()
	start := func(dir string) (*exec.Cmd, *bufio.Scanner) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		return cmd, bufio.NewScanner(out)
	}
	cmd, lines := start(undisturbed)
	begun := time.Now()
	for lines.Scan() {
	}
	require.NoError(t, cmd.Wait())
	perStep := time.Since(begun) / killSteps

	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		cmd, lines := start(killed)
		go func() {
			for lines.Scan() { // so that the child never waits for us
			}
		}()
		// From before it has read anything to a few steps on.
		time.Sleep(time.Duration(rng.Int64N(int64(3*perStep) + 1)))
		require.NoError(t, cmd.Process.Kill())
		cmd.Wait()

		w, err := onFiles(killed)
		require.NoError(t, err)
		atMostOne := 0
		for _, err := range w.parts.Registry.Versions(t.Context(), registry.Query{Stage: registry.Production}) {
			require.NoError(t, err)
			atMostOne++
		}
		require.LessOrEqual(t, atMostOne, 1)
	}
	done, err := stepsDone(killed)
	require.NoError(t, err)
	t.Logf("%d of %d steps were done when it was killed for the last time", done, killSteps)
	cmd, lines = start(killed)
	for lines.Scan() {
	}
	require.NoError(t, cmd.Wait())
	require.Equal(t, ending(t, undisturbed), ending(t, killed))
}
