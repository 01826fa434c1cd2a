package csvlabels_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/labels/csvlabels"
)

// childPath makes this test binary append to the file that it names, or prune it.
const childPath = "CSVLABELS_TEST_CHILD"

func TestMain(m *testing.M) {
	path := os.Getenv(childPath)
	if path == "" {
		os.Exit(m.Run())
	}
	work := appendBatches
	if os.Args[1] == pruneForever {
		work = func(path, _, _ string) error { return prune(path) }
	}
	if err := work(path, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// batchSize is how many labels a child appends at once.
const batchSize = 5

func batch(n int) []labels.Label {
	ls := make([]labels.Label, batchSize)
	for i := range ls {
		ls[i] = yes(fmt.Sprintf("p-%d", n*batchSize+i))
	}
	return ls
}

// appendBatches appends the batches from one number to another, and prints each number
// once its Append returned.
func appendBatches(path, from, to string) error {
	n, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	end, err := strconv.Atoi(to)
	if err != nil {
		return err
	}
	s, err := csvlabels.Open(path, csvlabels.Config{})
	if err != nil {
		return err
	}
	for ; n < end; n++ {
		if err := s.Append(context.Background(), batch(n)...); err != nil {
			return err
		}
		fmt.Println(n)
	}
	return s.Close()
}

// pruneForever is the first argument of a child that prunes.
const pruneForever = "prune"

// old returns a label that arrived a day before all others.
func old(predictionID string) labels.Label {
	l := yes(predictionID)
	l.Arrived = arrived.AddDate(0, 0, -1)
	return l
}

// prune appends labels that are old and prunes the file of them, again and again, and prints
// how often it did.
func prune(path string) error {
	s, err := csvlabels.Open(path, csvlabels.Config{NoSync: true})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := s.Append(context.Background(), old("old-1"), old("old-2")); err != nil {
			return err
		}
		if err := s.Prune(context.Background(), arrived); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// start runs appendBatches in a child process, and returns the numbers it prints.
func start(t *testing.T, path string, from, to int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	return startWith(t, path, strconv.Itoa(from), strconv.Itoa(to))
}

func startWith(t *testing.T, path string, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], args...)
	child.Env = append(os.Environ(), childPath+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	return child, bufio.NewScanner(out)
}

// requireOnce checks that each label of the first batches is there exactly once, and of
// the batches after them at most one, whose Append did not return, in part.
func requireOnce(t *testing.T, s labels.Store, batches int) {
	t.Helper()
	times := map[string]int{}
	for _, l := range history(t, s) {
		require.Equal(t, yes(l.PredictionID), l)
		times[l.PredictionID]++
	}
	for n := range batches {
		for _, l := range batch(n) {
			require.Equal(t, 1, times[l.PredictionID], l.PredictionID)
			delete(times, l.PredictionID)
		}
	}
	for _, l := range batch(batches) {
		require.LessOrEqual(t, times[l.PredictionID], 1, l.PredictionID)
		delete(times, l.PredictionID)
	}
	require.Empty(t, times)
}

func TestStore_Killed(t *testing.T) {
	t.Parallel()
	const rounds = 20
	path := filepath.Join(t.TempDir(), "labels.csv")
	random := rand.New(rand.NewPCG(1, 2))
	returned := 0 // batches whose Append returned; each child goes on from there
	for range rounds {
		child, numbers := start(t, path, returned, 1<<30)
		for deadline := returned + random.IntN(20); numbers.Scan(); returned++ {
			require.Equal(t, strconv.Itoa(returned), numbers.Text())
			if returned == deadline {
				require.NoError(t, child.Process.Kill())
			}
		}
		require.Error(t, child.Wait(), "killed")
		s := open(t, path, csvlabels.Config{})
		requireOnce(t, s, returned)
		require.NoError(t, s.Close())
	}
	require.GreaterOrEqual(t, returned, rounds)
}

func TestStore_Processes(t *testing.T) {
	t.Parallel()
	const batches = 40
	path := filepath.Join(t.TempDir(), "labels.csv")
	s := open(t, path, csvlabels.Config{})
	first, numbers := start(t, path, 0, batches)
	second, rest := start(t, path, 0, batches)
	for n := range batches { // all three append the same
		require.NoError(t, s.Append(t.Context(), batch(n)...))
		require.True(t, numbers.Scan())
	}
	for rest.Scan() {
	}
	require.NoError(t, first.Wait())
	require.NoError(t, second.Wait())
	requireOnce(t, s, batches)
}

func TestStore_SeesOtherProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "labels.csv")
	s := open(t, path, csvlabels.Config{})
	child, numbers := start(t, path, 0, 20)
	for n := 0; numbers.Scan(); n++ {
		found, err := s.Lookup(t.Context(), batch(n)[0].PredictionID)
		require.NoError(t, err)
		require.Len(t, found, 1, "the Append of batch %d returned", n)
		require.GreaterOrEqual(t, len(history(t, s)), (n+1)*batchSize)
	}
	require.NoError(t, child.Wait())
	requireOnce(t, s, 20)
}

// A process that is killed while it prunes leaves the file as it was or pruned. Others that
// append meanwhile, of which one was there before, lose nothing.
func TestStore_KilledWhilePruning(t *testing.T) {
	t.Parallel()
	const rounds = 30
	path := filepath.Join(t.TempDir(), "labels.csv")
	s := open(t, path, csvlabels.Config{NoSync: true})
	random := rand.New(rand.NewPCG(3, 4))
	n := 0 // batches appended
	for range rounds {
		pruner, pruned := startWith(t, path, pruneForever, "")
		require.True(t, pruned.Scan(), "pruned once")
		wait := time.After(time.Duration(random.IntN(int(5 * time.Millisecond))))
		killed := false
		for !killed {
			require.NoError(t, s.Append(t.Context(), batch(n)...))
			n++
			found, err := s.Lookup(t.Context(), batch(n - 1)[0].PredictionID)
			require.NoError(t, err)
			require.Len(t, found, 1)
			select {
			case <-wait:
				require.NoError(t, pruner.Process.Kill())
				killed = true
			default:
			}
		}
		for pruned.Scan() {
		}
		require.Error(t, pruner.Wait(), "killed")
	}
	appender, numbers := start(t, path, 0, n) // which knows nothing of the past
	for numbers.Scan() {
		require.NoError(t, s.Prune(t.Context(), arrived))
	}
	require.NoError(t, appender.Wait())
	require.NoError(t, s.Prune(t.Context(), arrived))
	requireOnce(t, s, n)
	requireOnce(t, open(t, path, csvlabels.Config{}), n)
}
