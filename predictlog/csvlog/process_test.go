//go:build unix

package csvlog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

// childTask names what this test binary does when a test runs it as a child process.
const childTask = "CSVLOG_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childTask) {
	case "":
		os.Exit(m.Run())
	case "append":
		exit(appendForever(os.Args[1]))
	case "overlap":
		exit(appendOverlapping(os.Args[1]))
	case "full":
		exit(fillDisk(os.Args[1]))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, task, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), childTask+"="+task)
	cmd.Stderr = os.Stderr
	return cmd
}

func childStore(dir string) (*csvlog.Store, error) {
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "income", Kind: predictlog.Numeric, Rule: "gte=0"},
		{Name: "region", Kind: predictlog.Categorical},
	}, predictlog.Target{})
	if err != nil {
		return nil, err
	}
	return csvlog.Open(dir, schema, csvlog.Config{})
}

// twoDays returns the n-th batch, of records of two days.
func twoDays(n int) []predictlog.Record {
	const size = 50
	records := make([]predictlog.Record, size)
	for i := range records {
		records[i] = applicant(n*size + i)
		records[i].Time = noon.AddDate(0, 0, i%2)
	}
	return records
}

// appendForever appends batches until it is killed, and prints the number of each once
// its Append returned.
func appendForever(dir string) error {
	store, err := childStore(dir)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := store.Append(context.Background(), twoDays(n)...); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// A killed process leaves every record whose Append returned, exactly once; of the one
// it was killed in, whole records or none, and repeating it completes it.
func TestStore_Kill(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		dir := t.TempDir()
		cmd := child(t, "append", dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		returned := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if returned++; returned == 1+round*2 {
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())

		store := open(t, dir, applicants(t), csvlog.Config{})
		var appended []predictlog.Record
		for n := range returned + 1 {
			appended = append(appended, twoDays(n)...)
		}
		require.Subset(t, ids(appended), ids(scan(t, store, predictlog.Query{})), "nothing else is there")
		require.NoError(t, store.Append(t.Context(), twoDays(returned)...))
		var want []predictlog.Record
		for day := range 2 {
			for i, r := range appended {
				if i%2 == day {
					want = append(want, r)
				}
			}
		}
		requireEqual(t, want, scan(t, store, predictlog.Query{}))
	}
}

// appendOverlapping appends 200 records in batches of random size and place.
func appendOverlapping(dir string) error {
	store, err := childStore(dir)
	if err != nil {
		return err
	}
	records := applicantsTo(200)
	for range 50 {
		from := rand.IntN(len(records))
		to := min(len(records), from+1+rand.IntN(20))
		if err := store.Append(context.Background(), records[from:to]...); err != nil {
			return err
		}
	}
	return errors.Join(store.Append(context.Background(), records...), store.Close())
}

func TestStore_TwoProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	children := []*exec.Cmd{child(t, "overlap", dir), child(t, "overlap", dir)}
	for _, cmd := range children {
		require.NoError(t, cmd.Start())
	}
	for _, cmd := range children {
		require.NoError(t, cmd.Wait())
	}
	store := open(t, dir, applicants(t), csvlog.Config{OnTorn: func(torn appendfile.Torn) { t.Errorf("%+v", torn) }})
	require.ElementsMatch(t, ids(applicantsTo(200)), ids(scan(t, store, predictlog.Query{})))
	require.NoError(t, store.Append(t.Context(), applicantsTo(200)...))
}

// fillDisk appends until a file would pass 4 KiB, and goes on with another day.
func fillDisk(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 4 << 10, Max: 4 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	store, err := childStore(dir)
	if err != nil {
		return err
	}
	if err := store.Append(context.Background(), applicantsTo(5)...); err != nil {
		return err
	}
	// The first day's file takes its record, the second day's does not.
	batch := applicantsTo(100)
	for i := range batch {
		batch[i].ID = "big-" + strconv.Itoa(i)
		if i > 0 {
			batch[i].Time = noon.AddDate(0, 0, 1)
		}
	}
	if err := store.Append(context.Background(), batch...); !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("want EFBIG, got %w", err)
	}
	return store.Append(context.Background(), applicantsTo(8)...)
}

// An Append that the disk does not take leaves nothing on any day.
func TestStore_DiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, child(t, "full", dir).Run())
	requireEqual(t, applicantsTo(8), scan(t, open(t, dir, applicants(t), csvlog.Config{}), predictlog.Query{}))
}
