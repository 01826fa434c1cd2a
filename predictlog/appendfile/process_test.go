//go:build unix

package appendfile_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// childTask names what this test binary does when a test runs it as a child process.
const childTask = "APPENDFILE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childTask) {
	case "":
		os.Exit(m.Run())
	case "append":
		exit(appendForever(os.Args[1], os.Args[2]))
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

func child(t *testing.T, task string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childTask+"="+task)
	cmd.Stderr = os.Stderr
	return cmd
}

// appendForever appends numbered records until it is killed, or until 100 if asked to,
// and prints each number once its Update returned.
func appendForever(path, name string) error {
	f, err := appendfile.Open(path, appendfile.Config{NoSync: true})
	if err != nil {
		return err
	}
	for n := 0; name == "forever" || n < 100; n++ {
		pad := strings.Repeat("x", rand.IntN(20_000))
		err := f.Update(context.Background(), nil, func(int64) ([]byte, error) {
			return fmt.Appendf(nil, "%s %d %s\n", name, n, pad), nil
		})
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
	return f.Close()
}

// A killed process leaves every record whose Update returned, once and in order, and at
// most one more; what is torn is set aside.
func TestFile_Kill(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		path := filepath.Join(t.TempDir(), "f")
		cmd := child(t, "append", path, "forever")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		returned := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if returned++; returned == 1+round*7 {
				time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())

		torn := 0
		f := open(t, path, appendfile.Config{OnTorn: func(appendfile.Torn) { torn++ }})
		add(t, f, fmt.Sprintf("after %d\n", round))
		n := 0
		for line := range strings.Lines(contents(t, path, appendfile.Config{})) {
			if line == fmt.Sprintf("after %d\n", round) {
				break
			}
			fields := strings.Fields(line)
			require.Equal(t, strconv.Itoa(n), fields[1])
			n++
		}
		require.GreaterOrEqual(t, n, returned)
		require.LessOrEqual(t, n+torn, returned+1)
	}
}

func TestFile_TwoProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	children := []*exec.Cmd{child(t, "append", path, "a"), child(t, "append", path, "b")}
	for _, cmd := range children {
		require.NoError(t, cmd.Start())
	}
	for _, cmd := range children {
		require.NoError(t, cmd.Wait())
	}
	next := map[string]int{}
	for line := range strings.Lines(contents(t, path, appendfile.Config{})) {
		fields := strings.Fields(line)
		require.Equal(t, strconv.Itoa(next[fields[0]]), fields[1])
		next[fields[0]]++
	}
	require.Equal(t, map[string]int{"a": 100, "b": 100}, next)
}

// fillDisk appends to a file that may not grow past 10 bytes.
func fillDisk(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 10, Max: 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	f, err := appendfile.Open(path, appendfile.Config{})
	if err != nil {
		return err
	}
	write := func(s string) error {
		return f.Update(context.Background(), nil, func(int64) ([]byte, error) { return []byte(s), nil })
	}
	if err := write("one\n"); err != nil {
		return err
	}
	if err := write("too long\n"); !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("want EFBIG, got %w", err)
	}
	return write("two\n")
}

// A write that the disk takes only half of leaves nothing, and the next one succeeds.
func TestFile_DiskFull(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, child(t, "full", path).Run())
	p, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", string(p))
}
