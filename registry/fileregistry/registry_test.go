package fileregistry_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/fileregistry"
	"github.com/selfheal-ml/selfheal/registry/registrytest"
)

var noon = time.Date(2025, time.March, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string) *fileregistry.Registry {
	t.Helper()
	r, err := fileregistry.Open(dir, fileregistry.Config{})
	require.NoError(t, err)
	return r
}

// register registers a version whose artifact and document hold its key.
func register(t testing.TB, r registry.Registry, key string) registry.Version {
	t.Helper()
	draft := registry.Draft{Key: key, Time: noon, Documents: map[string][]byte{"card.md": []byte("# " + key)}}
	v, err := r.Register(t.Context(), draft, strings.NewReader(key))
	require.NoError(t, err)
	return v
}

func promote(t testing.TB, r registry.Registry, id, expect string) registry.Event {
	t.Helper()
	e, err := r.Transition(t.Context(), registry.Transition{Version: id, To: registry.Production, Expect: expect, Time: noon})
	require.NoError(t, err)
	return e
}

func versions(t testing.TB, r registry.Registry) []registry.Version {
	t.Helper()
	var all []registry.Version
	for v, err := range r.Versions(t.Context(), registry.Query{}) {
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

func history(t testing.TB, r registry.Registry) []registry.Event {
	t.Helper()
	var all []registry.Event
	for e, err := range r.History(t.Context(), 0) {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, func(t *testing.T) registry.Registry { return open(t, t.TempDir()) })
}

func TestOpen_Fails(t *testing.T) {
	t.Parallel()
	_, err := fileregistry.Open("", fileregistry.Config{})
	require.EqualError(t, err, "fileregistry: dir is empty")

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	_, err = fileregistry.Open(file, fileregistry.Config{})
	require.ErrorContains(t, err, "fileregistry: open: ")
	require.ErrorContains(t, err, file)
}

func TestOpen_Again(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "several", "levels")
	r := open(t, dir)
	for _, key := range []string{"a", "b"} {
		register(t, r, key)
	}
	promote(t, r, "1", "")
	promote(t, r, "2", "1")

	again := open(t, dir)
	require.Equal(t, versions(t, r), versions(t, again))
	require.Equal(t, history(t, r), history(t, again))
	content, err := registry.ReadFile(t.Context(), again, "2", "card.md")
	require.NoError(t, err)
	require.Equal(t, "# b", string(content))
}

// Two that are open at the same time see each other's changes at once.
func TestOpen_Twice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	register(t, a, "a")
	require.Equal(t, "2", register(t, b, "b").ID)
	promote(t, b, "2", "")
	promote(t, a, "1", "2")
	require.Equal(t, versions(t, a), versions(t, b))
	require.Equal(t, history(t, a), history(t, b))
}

func TestRegistry_Files(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	v := register(t, r, "a")
	register(t, r, "b")
	promote(t, r, "1", "")

	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			names = append(names, name)
		}
		return err
	}))
	want := []string{"events/00000001.json", "events/00000002.json", "events/00000003.json"}
	for _, v := range versions(t, r) {
		for _, f := range v.Files {
			want = append(want, "objects/"+f.SHA256)
		}
	}
	require.ElementsMatch(t, want, names)

	model, err := v.File(registry.ModelFile)
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(dir, "objects", model.SHA256))
	require.NoError(t, err)
	require.Equal(t, "a", string(content))

	event, err := os.ReadFile(filepath.Join(dir, "events", "00000003.json"))
	require.NoError(t, err)
	require.Contains(t, string(event), `
  "transition": {
    "seq": 1,
    "time": "2025-03-01T12:00:00Z",
    "version": "1",
    "from": "staging",
    "to": "production"
  },
`)
}

func TestRegistry_SharesContent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	for _, key := range []string{"a", "b"} {
		_, err := r.Register(t.Context(), registry.Draft{Key: key}, strings.NewReader("the same"))
		require.NoError(t, err)
	}
	objects, err := os.ReadDir(filepath.Join(dir, "objects"))
	require.NoError(t, err)
	require.Len(t, objects, 1)
}

func TestRegistry_Logs(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r, err := fileregistry.Open(t.TempDir(), fileregistry.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	register(t, r, "a")
	register(t, r, "a")
	promote(t, r, "1", "")
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 2, "one for each change, none for a repetition")
	require.Contains(t, lines[0], `msg="fileregistry: registered" version=1 key=a`)
	require.Contains(t, lines[1], `msg="fileregistry: transition" seq=1 version=1 from=staging to=production`)
}

// A promotion that loses the race in the last moment learns who won.
func TestTransition_LosesTheRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	winner := open(t, dir)
	register(t, winner, "a")
	register(t, winner, "b")

	raced := false
	loser, err := fileregistry.OpenHooked(dir, func(operation, _ string) error {
		if operation == "link" && !raced {
			raced = true
			promote(t, winner, "1", "")
		}
		return nil
	})
	require.NoError(t, err)
	_, err = loser.Transition(t.Context(), registry.Transition{Version: "2", To: registry.Production})
	require.ErrorIs(t, err, registry.ErrConflict)
	require.True(t, raced)
	require.Len(t, history(t, loser), 1)
}

// A change that loses the race to an unrelated one is made after it.
func TestRegister_LosesTheRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	winner := open(t, dir)
	raced := false
	loser, err := fileregistry.OpenHooked(dir, func(operation, _ string) error {
		if operation == "link" && !raced {
			raced = true
			register(t, winner, "a")
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "2", register(t, loser, "b").ID)
	require.Len(t, versions(t, winner), 2)
}

func TestPublish_WithoutHardLinks(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.EPERM, syscall.EOPNOTSUPP} {
		r, err := fileregistry.OpenHooked(t.TempDir(), func(operation, path string) error {
			if operation == "link" {
				return &os.LinkError{Op: "link", New: path, Err: cause}
			}
			return nil
		})
		require.NoError(t, err)
		_, err = r.Register(t.Context(), registry.Draft{Key: "a"}, strings.NewReader("a"))
		require.ErrorIs(t, err, cause)
		require.ErrorContains(t, err, "its filesystem must have hard links")
		require.Empty(t, versions(t, r))
	}
}

// As on NFS, where the reply to a link that was made can get lost. Without a Key, only the
// link itself can tell that the event is not another's.
func TestPublish_LinkMadeButReportedAsFailed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := fileregistry.OpenHooked(dir, func(operation, path string) error {
		if operation != "link" {
			return nil
		}
		temps, err := filepath.Glob(filepath.Join(dir, "tmp", "*"))
		return errors.Join(err, os.Link(temps[0], path), fs.ErrExist)
	})
	require.NoError(t, err)
	register(t, r, "a")
	promote(t, r, "1", "")
	require.Len(t, history(t, r), 1)
}

// As on NFS, where a client may believe for a while that a name does not exist.
func TestPublish_TakenButInvisible(t *testing.T) {
	t.Parallel()
	r, err := fileregistry.OpenHooked(t.TempDir(), func(operation, _ string) error {
		if operation == "link" {
			return fs.ErrExist
		}
		return nil
	})
	require.NoError(t, err)
	_, err = r.Register(t.Context(), registry.Draft{Key: "a"}, strings.NewReader("a"))
	require.ErrorContains(t, err, "00000001.json exists but cannot be seen yet")
}

func TestRegister_LeavesNoFiles(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	created := 0
	r, err := fileregistry.OpenHooked(t.TempDir(), func(operation, _ string) error {
		if operation == "create" {
			created++
		}
		if created == 3 && operation == "write" {
			return full
		}
		return nil
	})
	require.NoError(t, err)

	_, err = r.Register(t.Context(), registry.Draft{Key: "a"}, nil)
	require.ErrorContains(t, err, `fileregistry: register: store file "model": `)
	draft := registry.Draft{Key: "a", Documents: map[string][]byte{"card.md": []byte("# a")}}
	_, err = r.Register(t.Context(), draft, strings.NewReader("a"))
	require.ErrorIs(t, err, full)
	require.ErrorContains(t, err, `fileregistry: register: store file "card.md": `)

	leftovers, err := r.Leftovers(t.Context())
	require.NoError(t, err)
	require.Empty(t, leftovers)
	require.Empty(t, versions(t, r))
}
