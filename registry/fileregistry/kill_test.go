package fileregistry_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
)

// These environment variables turn the test binary into a process that uses a registry.
const (
	envDir    = "FILEREGISTRY_TEST_DIR"    // the folder of the registry
	envName   = "FILEREGISTRY_TEST_NAME"   // distinguishes the processes
	envRounds = "FILEREGISTRY_TEST_ROUNDS" // how many versions to register and promote
)

func TestMain(m *testing.M) {
	dir := os.Getenv(envDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := process(context.Background(), dir, os.Getenv(envName), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// acknowledgement is what a process prints, a line of JSON, for each change that it made.
type acknowledgement struct {
	Registered registry.Version
	Event      registry.Event // zero for a version
}

// process registers and promotes versions, and acknowledges each change.
func process(ctx context.Context, dir, name string, out io.Writer) error {
	r, err := fileregistry.Open(dir, fileregistry.Config{})
	if err != nil {
		return err
	}
	var rounds int
	if _, err := fmt.Sscan(os.Getenv(envRounds), &rounds); err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	for i := range rounds {
		key := fmt.Sprintf("%s-%d", name, i)
		draft := registry.Draft{Key: key, Documents: map[string][]byte{"card.md": []byte("# " + key)}}
		v, err := r.Register(ctx, draft, strings.NewReader(strings.Repeat(key, 10_000)))
		if err != nil {
			return err
		}
		if err := enc.Encode(acknowledgement{Registered: v}); err != nil {
			return err
		}
		e, err := insist(ctx, r, v.ID)
		if err != nil {
			return err
		}
		if err := enc.Encode(acknowledgement{Event: e}); err != nil {
			return err
		}
	}
	return nil
}

// insist promotes the version over whichever is in production, however often another
// process is faster.
func insist(ctx context.Context, r registry.Registry, id string) (registry.Event, error) {
	expect := ""
	for {
		e, err := r.Transition(ctx, registry.Transition{Version: id, To: registry.Production, Expect: expect})
		var conflict *registry.ConflictError
		if !errors.As(err, &conflict) {
			return e, err
		}
		expect = conflict.Actual
	}
}

// command returns the command of a process that uses the registry in dir.
func command(t *testing.T, dir, name string, rounds int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), envDir+"="+dir, envName+"="+name, fmt.Sprintf("%s=%d", envRounds, rounds))
	return cmd
}

// acknowledged requires that the registry holds what a process acknowledged, and returns
// the events. The last line may have been cut off by the death of the process.
func acknowledged(t *testing.T, r registry.Registry, output []byte) []registry.Event {
	t.Helper()
	past := history(t, r)
	var events []registry.Event
	for line := range bytes.Lines(output) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var ack acknowledgement
		require.NoError(t, json.Unmarshal(line, &ack))
		if e := ack.Event; e.Seq > 0 {
			require.Equal(t, past[e.Seq-1], e)
			events = append(events, e)
			continue
		}
		got, err := registry.Get(t.Context(), r, ack.Registered.ID)
		require.NoError(t, err)
		// What came after may have moved it.
		got.Stage, got.Since, got.Promoted = ack.Registered.Stage, ack.Registered.Since, ack.Registered.Promoted
		require.Equal(t, ack.Registered, got)
	}
	return events
}

// linked requires that each promotion displaced the one before it.
func linked(t *testing.T, r registry.Registry) {
	t.Helper()
	before := ""
	for i, e := range history(t, r) {
		require.EqualValues(t, i+1, e.Seq)
		require.Equal(t, before, e.Displaced)
		before = e.Version
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	const kills = 20
	rng := rand.New(rand.NewPCG(20250101, 0))
	dir := t.TempDir()
	killed := 0
	for round := range kills {
		cmd := command(t, dir, fmt.Sprint("process-", round), 1_000_000)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())

		// The process dies a moment after a random acknowledgement.
		var output bytes.Buffer
		lines := bufio.NewReader(stdout)
		for range rng.IntN(5) {
			line, err := lines.ReadBytes('\n')
			require.NoError(t, err)
			output.Write(line)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(5 * time.Millisecond))))
		require.NoError(t, cmd.Process.Kill())
		_, err = io.Copy(&output, lines)
		require.NoError(t, err)
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &exit)
		if !exit.Exited() {
			killed++
		}

		r := open(t, dir)
		intact(t, r)
		linked(t, r)
		acknowledged(t, r, output.Bytes())
		if round%2 == 0 {
			clean(t, r)
		}
	}
	require.Equal(t, kills, killed)
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	const processes, rounds = 8, 5
	dir := t.TempDir()
	outputs := make([][]byte, processes)
	errs := make([]error, processes)
	var wg sync.WaitGroup
	for i := range processes {
		cmd := command(t, dir, fmt.Sprint("process-", i), rounds)
		wg.Go(func() { outputs[i], errs[i] = cmd.Output() })
	}
	wg.Wait()

	r := open(t, dir)
	intact(t, r)
	linked(t, r)
	seen := make(map[uint64]bool)
	for i, output := range outputs {
		require.NoError(t, errs[i])
		for _, e := range acknowledged(t, r, output) {
			require.False(t, seen[e.Seq], "event %d was acknowledged twice", e.Seq)
			seen[e.Seq] = true
		}
	}
	require.Len(t, history(t, r), processes*rounds)
	require.Len(t, seen, processes*rounds)
	require.Len(t, versions(t, r), processes*rounds)
	clean(t, r)
}
