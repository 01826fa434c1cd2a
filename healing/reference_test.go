package healing_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/healing"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// rows returns rows of the world as it is now.
func (w *world) rows(n int) []predictlog.Row {
	rows := make([]predictlog.Row, n)
	for i := range rows {
		rows[i] = predictlog.Row{
			predictlog.Number(w.centre + w.rng.NormFloat64()),
			predictlog.Category([]string{"north", "south"}[w.rng.IntN(2)]),
		}
	}
	return rows
}

// A version that was put into production by hand is monitored from the first day.
func TestReferenceOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document, err := healing.ReferenceOf(w.parts.Predictions.Schema(), w.rows(2000))
	require.NoError(t, err)
	promoted(t, w.parts.Registry, map[string][]byte{healing.ReferenceDocument: document})
	l := w.loop(t, healing.Config{})
	w.days(t, l, 1, 400)
	s := status(t, l)
	require.Equal(t, "stable", s.Health)
	w.centre = 2
	w.days(t, l, 1, 400)
	s = status(t, l)
	require.Equal(t, "drifted", s.Health)
}

func TestReferenceOf_RefusesRowsOfAnotherSchema(t *testing.T) {
	t.Parallel()
	schema := newWorld(t).parts.Predictions.Schema()
	for want, row := range map[string]predictlog.Row{
		"row 1: 1 values, want 2":                             {predictlog.Number(1)},
		`row 1: column "x" is categorical, want numeric`:      {predictlog.Category("north"), predictlog.Missing()},
		`row 1: column "region" is numeric, want categorical`: {predictlog.Missing(), predictlog.Number(1)},
	} {
		_, err := healing.ReferenceOf(schema, []predictlog.Row{{predictlog.Missing(), predictlog.Missing()}, row})
		require.ErrorContains(t, err, want)
	}
	_, err := healing.ReferenceOf(schema, nil)
	require.Error(t, err)
	_, err = healing.ReferenceOf(nil, nil)
	require.ErrorContains(t, err, "nil schema")
}

// withColumns lets the world's service, whose version was trained on x and region, send
// rows of other columns from now on.
func withColumns(t *testing.T, w *world, columns []predictlog.Column, row func(predictlog.Row) predictlog.Row) {
	t.Helper()
	schema, err := predictlog.NewSchema(columns, predictlog.Target{})
	require.NoError(t, err)
	changed := predictlog.NewMemoryStore(schema)
	for r, err := range w.parts.Predictions.Scan(t.Context(), predictlog.Query{}) {
		require.NoError(t, err)
		r.Row = row(r.Row)
		require.NoError(t, changed.Append(t.Context(), r))
	}
	w.parts.Predictions = changed
}

// A version that was trained on other columns is not judged on these, nor watched against
// a predecessor that was.
func TestLoop_SchemaChange(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	withColumns(t, w, []predictlog.Column{
		{Name: "x", Kind: predictlog.Numeric}, {Name: "region", Kind: predictlog.Categorical}, {Name: "y", Kind: predictlog.Numeric},
	}, func(r predictlog.Row) predictlog.Row { return predictlog.Row{r[0], r[1], predictlog.Number(1)} })
	l := w.loop(t, healing.Config{})
	run, err := l.Retrain(t.Context(), "ann", "a column more", w.now)
	require.NoError(t, err)
	require.NoError(t, l.Tick(t.Context(), w.now))
	run = w.find(t, l, run.ID)
	require.Equal(t, healing.StepAborted, run.Step)
	require.Contains(t, run.Reason, "version 1 was trained on another schema")
	require.Contains(t, run.Reason, fmt.Sprintf("version %s on the same rows", run.Version))

	_, err = l.Promote(t.Context(), run.Version, "ann", "a column more", w.now)
	require.NoError(t, err)
	require.ErrorContains(t, l.Tick(t.Context(), w.now), "trained on another schema")
	require.Equal(t, run.Version, w.production(t))
}

// A column that the reference does not have is said to be unmonitored.
func TestMonitor_AColumnWithoutReference(t *testing.T) {
	t.Parallel()
	w, _ := deployed(t)
	w.pass(t, 6*hour, 400, 0)
	withColumns(t, w, []predictlog.Column{
		{Name: "x", Kind: predictlog.Numeric}, {Name: "region", Kind: predictlog.Categorical}, {Name: "y", Kind: predictlog.Numeric},
	}, func(r predictlog.Row) predictlog.Row { return predictlog.Row{r[0], r[1], predictlog.Number(1)} })
	l := w.loop(t, healing.Config{})
	p, err := l.Pass(t.Context(), w.now)
	require.NoError(t, err)
	require.Equal(t, []string{"y"}, p.Unmonitored)
	require.Contains(t, p.Verdict(), "; no reference for y")
}
