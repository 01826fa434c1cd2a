package sqlstoretest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing/sqlstore"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

// errand is what a child process is to do. It is passed on by an environment variable.
type errand struct {
	Do           string
	Driver, DSN  string
	Conns        int
	Prefix, Name string
	Rounds       int
}

const errandVariable = "SELFHEAL_SQLSTORE_ERRAND"

// TestMain runs the tests or, in a child process, an errand.
func TestMain(m *testing.M) {
	text := os.Getenv(errandVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	if err := runErrand(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runErrand(text string) error {
	var e errand
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return err
	}
	pool, err := e.pool()
	if err != nil {
		return err
	}
	defer pool.Close()
	schema, err := predictlog.NewSchema([]predictlog.Column{{Name: "x", Kind: predictlog.Numeric}}, predictlog.Target{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := sqlstore.Open(ctx, pool, schema, sqlstore.Config{Prefix: e.Prefix})
	if err != nil {
		return err
	}
	switch e.Do {
	case "store":
		return e.store(ctx, db)
	case "race":
		return e.race(ctx, db)
	}
	return fmt.Errorf("unknown errand %q", e.Do)
}

// start starts a child process.
func (e errand) start(t testing.TB) (*exec.Cmd, io.Reader) {
	t.Helper()
	text, err := json.Marshal(e)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), errandVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, out
}

const perBatch = 20

func batchOf(name string, i int) (records []predictlog.Record, ls []labels.Label) {
	for j := range perBatch {
		id := fmt.Sprintf("%s-%d-%d", name, i, j)
		at := noon.Add(time.Duration(i) * time.Second)
		records = append(records, predictlog.Record{ID: id, Time: at, Model: "credit", Version: "1", Row: predictlog.Row{predictlog.Number(float64(j))}})
		ls = append(ls, labels.Label{PredictionID: id, Class: "1", Time: at})
	}
	return records, ls
}

func artifactOf(key string) string { return strings.Repeat(key+" ", 300_000) }

// store stores without end, and prints what was acknowledged.
func (e errand) store(ctx context.Context, db *sqlstore.DB) error {
	reg := db.Registry("credit")
	for i := 0; ; i++ {
		records, ls := batchOf(e.Name, i)
		if err := db.Predictions().Append(ctx, records...); err != nil {
			return err
		}
		fmt.Println("records", i)
		if err := db.Labels().Append(ctx, ls...); err != nil {
			return err
		}
		fmt.Println("labels", i)
		if i%3 > 0 {
			continue
		}
		key := fmt.Sprintf("%s-%d", e.Name, i)
		if _, err := reg.Register(ctx, registry.Draft{Key: key}, strings.NewReader(artifactOf(key))); err != nil {
			return err
		}
		fmt.Println("version", i)
	}
}

// What a process was told to be stored is there, once and whole, whenever it is killed.
func TestKill(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		if !b.durable {
			return // there is nothing left to look at
		}
		p := b.place(t)
		db := p.open(t, numbers(t))
		acknowledged := map[string]int{}
		for round := range 5 {
			e := p.errand("store")
			e.Name = fmt.Sprint("run", round)
			child, out := e.start(t)
			lines := bufio.NewScanner(out)
			require.True(t, lines.Scan(), "the child has begun")
			timer := time.AfterFunc(rand.N(400*time.Millisecond), func() { _ = child.Process.Kill() })
			for ok := true; ok; ok = lines.Scan() {
				if what, i, complete := strings.Cut(lines.Text(), " "); complete {
					n := 0
					_, err := fmt.Sscan(i, &n)
					require.NoError(t, err)
					acknowledged[e.Name+" "+what] = n + 1
				}
			}
			timer.Stop()
			require.Error(t, child.Wait(), "it was killed")
		}

		count := map[string]int{} // of whole batches
		seen := map[string]bool{}
		for r, err := range db.Predictions().Scan(t.Context(), predictlog.Query{}) {
			require.NoError(t, err)
			require.False(t, seen[r.ID])
			seen[r.ID] = true
			count[strings.Split(r.ID, "-")[0]+" records"]++
		}
		for l, err := range db.Labels().Scan(t.Context(), labels.Query{}) {
			require.NoError(t, err)
			count[strings.Split(l.PredictionID, "-")[0]+" labels"]++
		}
		for what, n := range count {
			require.Zero(t, n%perBatch, "%s: whole batches", what)
			require.Contains(t, []int{acknowledged[what], acknowledged[what] + 1}, n/perBatch, what)
		}
		keys := map[string]bool{}
		reg := db.Registry("credit")
		for v, err := range reg.Versions(t.Context(), registry.Query{}) {
			require.NoError(t, err)
			require.False(t, keys[v.Key])
			keys[v.Key] = true
			content, err := registry.ReadFile(t.Context(), reg, v.ID, registry.ModelFile)
			require.NoError(t, err)
			require.True(t, string(content) == artifactOf(v.Key))
		}
		for what, n := range acknowledged {
			name, kind, _ := strings.Cut(what, " ")
			if kind != "version" {
				require.GreaterOrEqual(t, count[what], n*perBatch, what)
				continue
			}
			for i := 0; i < n; i += 3 {
				require.True(t, keys[fmt.Sprintf("%s-%d", name, i)], what)
			}
		}
		_, err := reg.Clean(t.Context(), 0) // of what the killed left behind
		require.NoError(t, err)
		left, err := reg.Leftovers(t.Context())
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// race takes part in every round and prints which it won.
func (e errand) race(ctx context.Context, db *sqlstore.DB) error {
	reg, journal := db.Registry("credit"), registry.NewChain(db.Journal("credit"))
	expect := ""
	for i := 1; i <= e.Rounds; i++ {
		version := fmt.Sprint(i)
		_, err := reg.Transition(ctx, registry.Transition{Version: version, To: registry.Production, Expect: expect})
		switch {
		case err == nil:
			fmt.Println("promotion", i)
		case !errors.Is(err, registry.ErrConflict) && !errors.Is(err, registry.ErrIllegal):
			return err
		}
		expect = version

		token, err := db.Lease("race "+version).Acquire(ctx, e.Name, time.Hour)
		if err != nil {
			return err
		}
		if token > 0 {
			fmt.Println("lease", i)
		}

		_, won, err := journal.Append(ctx, 0, []byte(fmt.Sprintf(`{"by":%q}`, e.Name)))
		if err != nil {
			return err
		}
		if won {
			fmt.Println("journal", i)
		}
		// Everybody is at entry i now, whatever others have appended since.
		log := &upTo{db.Journal("credit"), uint64(i)}
		journal = registry.NewChain(log)
		if err := journal.CatchUp(ctx, func(registry.Link) error { return nil }); err != nil {
			return err
		}
		log.last = math.MaxUint64
	}
	return nil
}

// Of many processes that race, one wins each time.
func TestRace(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		if !b.durable {
			return // one process alone can see it
		}
		const processes, rounds = 8, 15
		p := b.place(t)
		db := p.open(t, numbers(t))
		for i := range rounds {
			_, err := db.Registry("credit").Register(t.Context(), registry.Draft{Key: fmt.Sprint(i)}, strings.NewReader("model"))
			require.NoError(t, err)
		}
		var (
			children []*exec.Cmd
			outputs  []io.Reader
			won      []string
		)
		for i := range processes {
			e := p.errand("race")
			e.Name, e.Rounds = fmt.Sprint("process ", i), rounds
			child, out := e.start(t)
			children, outputs = append(children, child), append(outputs, out)
		}
		for i, child := range children {
			text, err := io.ReadAll(outputs[i])
			require.NoError(t, err)
			require.NoError(t, child.Wait())
			won = append(won, strings.Split(strings.TrimSpace(string(text)), "\n")...)
		}
		won = slices.DeleteFunc(won, func(line string) bool { return line == "" })
		slices.Sort(won)
		var want []string
		for i := 1; i <= rounds; i++ {
			want = append(want, fmt.Sprint("promotion ", i), fmt.Sprint("lease ", i), fmt.Sprint("journal ", i))
		}
		slices.Sort(want)
		require.Equal(t, want, won, "one winner each")
	})
}
