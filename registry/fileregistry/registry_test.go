package fileregistry_test

import (
	"bytes"
	"context"
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

func open(t testing.TB, dir string) *registry.Ledger {
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

// versions returns all versions, without the names of their blobs, which are random.
func versions(t testing.TB, r registry.Registry) []registry.Version {
	t.Helper()
	var all []registry.Version
	for v, err := range r.Versions(t.Context(), registry.Query{}) {
		require.NoError(t, err)
		for i := range v.Files {
			v.Files[i].Blob = ""
		}
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

// folder is a registry together with its folder.
type folder struct {
	*registry.Ledger
	dir string
}

func again(t *testing.T, r registry.Registry) registry.Registry {
	dir := r.(folder).dir
	return folder{open(t, dir), dir}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, registrytest.Harness{
		New: func(t *testing.T) registry.Registry {
			dir := t.TempDir()
			return folder{open(t, dir), dir}
		},
		Reopen: again,
		Second: again,
		Damage: func(t *testing.T, r registry.Registry, v registry.Version, file string) {
			f, err := v.File(file)
			require.NoError(t, err)
			path := filepath.Join(r.(folder).dir, "blobs", f.Blob)
			content := read(t, path)
			content[len(content)/2] ^= 1
			rewrite(t, path, content)
		},
	})
}

// files returns the paths of all files under dir, relative to it.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	}))
	return names
}

func TestOpen_Fails(t *testing.T) {
	t.Parallel()
	_, err := fileregistry.Open("", fileregistry.Config{})
	require.EqualError(t, err, "fileregistry: dir is empty")

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = fileregistry.Open(file, fileregistry.Config{})
	require.ErrorContains(t, err, "fileregistry: open: ")
	require.ErrorContains(t, err, file)
}

func TestRegistry_Files(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "several", "levels")
	r := open(t, dir)
	v := register(t, r, "a")
	promote(t, r, "1", "")

	want := []string{"log/00000001.json", "log/00000002.json"}
	for _, f := range v.Files {
		want = append(want, "blobs/"+f.Blob)
	}
	require.ElementsMatch(t, want, files(t, dir))

	model, err := v.File(registry.ModelFile)
	require.NoError(t, err)
	require.Equal(t, "a", string(read(t, filepath.Join(dir, "blobs", model.Blob))))
	require.Contains(t, string(read(t, filepath.Join(dir, "log", "00000002.json"))),
		`"moved":{"seq":1,"time":"2025-03-01T12:00:00Z","version":"1","from":"staging","to":"production"}`)

	// A model may be a secret.
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, path)
		return nil
	}))
}

// A folder that exists is read without any change to it.
func TestRegistry_ReadsOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	register(t, open(t, dir), "a")
	stale := filepath.Join(dir, "log", "stale.tmp")
	leave(t, stale, "", 48*time.Hour)
	r, err := fileregistry.OpenHooked(dir, func(operation, path string) error {
		if operation == "sync" {
			return nil
		}
		return &fs.PathError{Op: operation, Path: path, Err: syscall.EROFS}
	})
	require.NoError(t, err)
	require.Len(t, versions(t, r), 1)
	content, err := registry.ReadFile(t.Context(), r, "1", registry.ModelFile)
	require.NoError(t, err)
	require.Equal(t, "a", string(content))
	_, err = r.Transition(t.Context(), registry.Transition{Version: "1", To: registry.Archived})
	require.ErrorIs(t, err, syscall.EROFS)

	open(t, dir)
	require.NoFileExists(t, stale, "what a process left half written goes after a day")
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
	require.Contains(t, lines[0], `msg="registry: registered" version=1 key=a`)
	require.Contains(t, lines[1], `msg="registry: transition" seq=1 version=1 from=staging to=production`)
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

func TestAppend_WithoutHardLinks(t *testing.T) {
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
// link itself can tell that the entry is not another's.
func TestAppend_LinkMadeButReportedAsFailed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := fileregistry.OpenHooked(dir, func(operation, path string) error {
		if operation != "link" {
			return nil
		}
		temps, err := filepath.Glob(filepath.Join(dir, "log", "*.tmp"))
		return errors.Join(err, os.Link(temps[0], path), fs.ErrExist)
	})
	require.NoError(t, err)
	register(t, r, "a")
	promote(t, r, "1", "")
	require.Len(t, history(t, r), 1)
}

// As on NFS, where a client may believe for a while that a name does not exist. The entry
// may be the own one, whose artifact must stay.
func TestAppend_TakenButInvisible(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := fileregistry.OpenHooked(dir, func(operation, _ string) error {
		if operation == "link" {
			return fs.ErrExist
		}
		return nil
	})
	require.NoError(t, err)
	_, err = r.Register(t.Context(), registry.Draft{Key: "a"}, strings.NewReader("a"))
	require.EqualError(t, err, "registry: append entry 1: registry: entry 1 exists but cannot be seen yet")
	leftovers, err := open(t, dir).Leftovers(t.Context())
	require.NoError(t, err)
	require.Len(t, leftovers, 1)
}

func TestRegister_LeavesNoFiles(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	dir := t.TempDir()
	created := 0
	r, err := fileregistry.OpenHooked(dir, func(operation, _ string) error {
		if operation == "create" {
			created++
		}
		if created == 2 && operation == "write" {
			return full
		}
		return nil
	})
	require.NoError(t, err)
	draft := registry.Draft{Key: "a", Documents: map[string][]byte{"card.md": []byte("# a")}}
	_, err = r.Register(t.Context(), draft, strings.NewReader("a"))
	require.ErrorIs(t, err, full)
	require.EqualError(t, err, `registry: register: store file "card.md": fileregistry: put blob: disk full`)
	require.Empty(t, files(t, dir))
	require.Empty(t, versions(t, r))
}

// A cancelled Register cleans up, though its ctx is done.
func TestRegister_CancelledLeavesNoFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := fileregistry.OpenHooked(dir, func(_, path string) error {
		if filepath.Base(filepath.Dir(path)) == "log" {
			cancel() // the blobs are stored
		}
		return nil
	})
	require.NoError(t, err)
	ctx2, cancel2 := context.WithCancel(ctx)
	defer cancel2()
	_, err = r.Register(ctx2, registry.Draft{Key: "a"}, strings.NewReader("a"))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, versions(t, r))
	_, err = r.Clean(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, files(t, dir))
}
