package filetelemetry_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/healing/filetelemetry"
	"github.com/selfheal-ml/selfheal/healing/healingtest"
	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string, cfg filetelemetry.Config) *filetelemetry.Store {
	t.Helper()
	s, err := filetelemetry.Open(dir, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// opened says in which folder a store is.
type opened struct {
	*filetelemetry.Store
	dir string
}

func TestStore_Conformance(t *testing.T) {
	t.Parallel()
	at := func(t testing.TB, dir string) healing.Telemetry {
		return opened{open(t, dir, filetelemetry.Config{NoSync: true}), dir}
	}
	healingtest.RunTelemetry(t, healingtest.TelemetryHarness{
		New: func(t testing.TB) healing.Telemetry { return at(t, t.TempDir()) },
		Reopen: func(t testing.TB, s healing.Telemetry) healing.Telemetry {
			require.NoError(t, s.(opened).Close())
			return at(t, s.(opened).dir)
		},
		Second: func(t testing.TB, s healing.Telemetry) healing.Telemetry { return at(t, s.(opened).dir) },
		Damage: func(t testing.TB, s healing.Telemetry, p healing.Point) {
			change(t, s.(opened).dir, string(p.Data), strings.ToUpper(string(p.Data)))
		},
		PrunesInPortions: true,
	})
}

// files returns the files of points below dir.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, ".tsv") {
			list = append(list, path)
		}
		return err
	}))
	return list
}

// change replaces text in all files.
func change(t testing.TB, dir, old, to string) {
	t.Helper()
	for _, path := range files(t, dir) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(content, []byte(old), []byte(to)), 0o644))
	}
}

func read(t testing.TB, s healing.Telemetry, q healing.PointQuery) (points []healing.Point, errs []error) {
	t.Helper()
	for p, err := range s.Scan(t.Context(), q) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		points = append(points, p)
	}
	return points, errs
}

// A pass is a line that a person can read.
func TestStore_Lines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, filetelemetry.Config{})
	require.NoError(t, s.Put(t.Context(),
		healing.Point{Series: "credit/passes", Time: start, Data: []byte(`{"samples":7}`)},
		healing.Point{Series: "credit/passes", Time: start.Add(time.Minute), Part: "a", Data: []byte{0}}))
	content, err := os.ReadFile(filepath.Join(dir, "credit!passes.series", "2026-01-05.tsv"))
	require.NoError(t, err)
	require.Equal(t, "+142d5ea1\t2026-01-05T00:00:00.000000Z\t\"\"\t\"credit/passes\"\t={\"samples\":7}\n"+
		".fc9abd8f\t2026-01-05T00:01:00.000000Z\t\"a\"\t\"credit/passes\"\t:AA==\n", string(content))
}

// A damaged line is reported with its place and, as far as it can be read, its time; an
// earlier line of the point counts again.
func TestStore_DamagedLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, filetelemetry.Config{})
	put := func(minute int, data string) {
		require.NoError(t, s.Put(t.Context(), healing.Point{Series: "m", Time: start.Add(time.Duration(minute) * time.Minute), Data: []byte(data)}))
	}
	put(1, "one")
	put(2, "two")
	put(2, "changed")
	put(3, "three")
	change(t, dir, "changed", "forged!")
	points, errs := read(t, s, healing.PointQuery{Series: "m"})
	require.Len(t, points, 3)
	require.Equal(t, "two", string(points[1].Data))
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], healing.ErrDamaged)
	require.ErrorContains(t, errs[0], filepath.Join("m.series", "2026-01-05.tsv")+":3: has another checksum")

	change(t, dir, ":02:00.000000Z", ":02-00.000000Z") // now both lines, and their times
	points, errs = read(t, s, healing.PointQuery{Series: "m", From: start.Add(3 * time.Minute)})
	require.Len(t, points, 1)
	require.Len(t, errs, 2, "they may be in the bounds")

	put(4, "four")
	points, errs = read(t, s, healing.PointQuery{Series: "m", Last: 2})
	require.Len(t, points, 2)
	require.Empty(t, errs, "they are before")
}

// The latest points of a year are read from the latest files.
func TestStore_LastOpensTheLatestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, filetelemetry.Config{NoSync: true})
	for day := range 365 {
		var points []healing.Point
		for i := range 4 {
			points = append(points, healing.Point{Series: "m", Time: start.Add(time.Duration(day*24+6*i) * time.Hour), Data: []byte("pass")})
		}
		require.NoError(t, s.Put(t.Context(), points...))
	}
	all := files(t, dir)
	require.Len(t, all, 365)
	for _, path := range all[:362] { // whoever opens them fails
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Mkdir(path, 0o755))
	}
	points, errs := read(t, s, healing.PointQuery{Series: "m", Last: 12})
	require.Empty(t, errs)
	require.Len(t, points, 12)
	points, errs = read(t, s, healing.PointQuery{Series: "m", From: start.AddDate(0, 0, 363)})
	require.Empty(t, errs)
	require.Len(t, points, 8)
	_, errs = read(t, s, healing.PointQuery{Series: "m", Last: 13})
	require.Len(t, errs, 1)
}

// A file that is mostly outdated is written anew, and what was damaged is set aside.
func TestStore_Compacts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := open(t, dir, filetelemetry.Config{NoSync: true}), open(t, dir, filetelemetry.Config{NoSync: true})
	data := bytes.Repeat([]byte("0123456789"), 100)
	put := func(i int) {
		p := healing.Point{Series: "m", Time: start.Add(time.Duration(i%20) * time.Minute), Data: fmt.Appendf(nil, "%d %s", i, data)}
		if i == 3 {
			p.Data = []byte("to be damaged")
		}
		require.NoError(t, []*filetelemetry.Store{s, other}[i%2].Put(t.Context(), p))
	}
	for i := range 4 {
		put(i)
	}
	change(t, dir, "to be damaged", "damaged")
	for i := 4; i < 2000; i++ {
		put(i)
	}
	for _, h := range []*filetelemetry.Store{s, other} {
		points, errs := read(t, h, healing.PointQuery{Series: "m"})
		require.Empty(t, errs)
		require.Len(t, points, 20)
		for i, p := range points {
			require.Equal(t, fmt.Sprintf("%d %s", 1980+i, data), string(p.Data))
		}
	}
	info, err := os.Stat(files(t, dir)[0])
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(200_000), "of 2 MB that were written")
	aside, err := os.ReadFile(files(t, dir)[0] + ".damaged")
	require.NoError(t, err)
	require.Contains(t, string(aside), "=damaged\n")
}

// Prune removes whole days, with what was set aside on them, and folders that are empty
// then.
func TestStore_PrunesWholeDays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, filetelemetry.Config{NoSync: true})
	for day := range 3 {
		require.NoError(t, s.Put(t.Context(), healing.Point{Series: "m", Time: start.AddDate(0, 0, day)}))
	}
	require.NoError(t, s.Put(t.Context(), healing.Point{Series: "old", Time: start}))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m.series", "2026-01-05.tsv.damaged"), nil, 0o644))
	require.NoError(t, s.Prune(t.Context(), start.AddDate(0, 0, 1).Add(time.Hour)))
	points, errs := read(t, s, healing.PointQuery{Series: "m"})
	require.Empty(t, errs)
	require.Len(t, points, 2)
	require.NoDirExists(t, filepath.Join(dir, "old.series"))
	require.NoFileExists(t, filepath.Join(dir, "m.series", "2026-01-05.tsv.damaged"))
}

// What a killed process left of a Put into several files is done by whoever comes next,
// also a reader.
func TestStore_EndsAPutThatWasBegun(t *testing.T) {
	t.Parallel()
	points := []healing.Point{
		{Series: "m", Time: start, Data: []byte("new")},
		{Series: "m", Time: start.AddDate(0, 0, 1), Data: []byte("new")},
		{Series: "n", Time: start, Data: []byte("new\n")},
	}
	whole := t.TempDir()
	s := open(t, whole, filetelemetry.Config{})
	require.NoError(t, s.Put(t.Context(), points...))
	var pending bytes.Buffer
	for _, path := range files(t, whole) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		rel, err := filepath.Rel(whole, path)
		require.NoError(t, err)
		fmt.Fprintf(&pending, "%d %s\n%s", len(content), rel, content)
	}
	dir := t.TempDir()
	s = open(t, dir, filetelemetry.Config{})
	require.NoError(t, s.Put(t.Context(), points[0])) // that far it came
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pending"), pending.Bytes(), 0o644))
	got, errs := read(t, s, healing.PointQuery{Series: "n"})
	require.Empty(t, errs)
	require.Len(t, got, 1)
	require.NoFileExists(t, filepath.Join(dir, "pending"))
	require.Len(t, files(t, dir), 3)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "pending"), []byte("9 ../../elsewhere\nabc"), 0o644))
	require.NoError(t, s.Put(t.Context(), points[0]), "what cannot be read is set aside")
	require.FileExists(t, filepath.Join(dir, "pending.damaged"))
}

// What a killed process left of a line is set aside, and reported.
func TestStore_TornPut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var torn []appendfile.Torn
	s := open(t, dir, filetelemetry.Config{OnTorn: func(at appendfile.Torn) { torn = append(torn, at) }})
	require.NoError(t, s.Put(t.Context(), healing.Point{Series: "m", Time: start, Data: []byte("a")}))
	path := files(t, dir)[0]
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	half := bytes.Replace(content, []byte{'.'}, []byte{'+'}, 1) // the first of two lines
	require.NoError(t, os.WriteFile(path, append(bytes.Clone(content), half...), 0o644))
	points, errs := read(t, s, healing.PointQuery{Series: "m"})
	require.Empty(t, errs)
	require.Len(t, points, 1)
	require.NoError(t, s.Put(t.Context(), healing.Point{Series: "m", Time: start.Add(1000), Data: []byte("b")}))
	require.Len(t, torn, 1)
	points, errs = read(t, s, healing.PointQuery{Series: "m"})
	require.Empty(t, errs)
	require.Len(t, points, 2)
}

// killDir, if set, makes the test binary a process that puts points until it is killed.
const killDir = "SELFHEAL_FILETELEMETRY_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		if err := putForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// both returns points of two days and two series that belong together.
func both(n int) []healing.Point {
	data := bytes.Repeat(fmt.Appendf(nil, "%d ", n), 2000)
	return []healing.Point{
		{Series: "m", Time: start, Data: data}, {Series: "m", Time: start.AddDate(0, 0, 1), Data: data}, {Series: "n", Time: start, Data: data},
		{Series: "log", Time: start.Add(time.Duration(n) * time.Minute), Data: []byte(strconv.Itoa(n))},
	}
}

func putForEver(dir string) error {
	s, err := filetelemetry.Open(dir, filetelemetry.Config{NoSync: true})
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		if err := s.Put(context.Background(), both(n)...); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// A process is killed again and again. What it had put is there, and what belongs together
// is of one Put.
func TestStore_Kill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		var said bytes.Buffer
		cmd.Stdout = &said
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(60+23*round) * time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		s := open(t, dir, filetelemetry.Config{})
		numbers := map[string]bool{}
		for _, q := range []healing.PointQuery{{Series: "m"}, {Series: "n"}} {
			points, errs := read(t, s, q)
			require.Empty(t, errs)
			for _, p := range points {
				number, _, _ := strings.Cut(string(p.Data), " ")
				numbers[number] = true
			}
		}
		require.LessOrEqual(t, len(numbers), 1, "of one Put")
		lines := strings.Fields(said.String())
		points, errs := read(t, s, healing.PointQuery{Series: "log"})
		require.Empty(t, errs)
		require.GreaterOrEqual(t, len(points), len(lines))
	}
}

func BenchmarkStore_Latest(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, filetelemetry.Config{NoSync: true})
	pass := []byte(`{"text":"` + strings.Repeat("x", 1400) + `"}`)
	for day := range 365 {
		var points []healing.Point
		for i := range 288 {
			points = append(points, healing.Point{Series: "m/passes", Time: start.Add(time.Duration(day)*24*time.Hour + time.Duration(i)*5*time.Minute), Data: pass})
		}
		require.NoError(b, s.Put(b.Context(), points...))
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range s.Scan(b.Context(), healing.PointQuery{Series: "m/passes", Last: 288}) {
			if n++; err != nil {
				b.Fatal(err)
			}
		}
		if n != 288 {
			b.Fatal(n)
		}
	}
}
