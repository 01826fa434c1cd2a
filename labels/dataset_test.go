package labels_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

func idsOf(d labels.Dataset) []string {
	ids := []string{}
	for _, e := range d.Examples {
		ids = append(ids, e.Record.ID)
	}
	return ids
}

func TestCollect(t *testing.T) {
	t.Parallel()
	predictions := predict(t, 0, predictlog.Target{})
	for _, i := range []int{3, 1, 2} {
		require.NoError(t, predictions.Append(t.Context(), prediction(i)))
	}
	sameTime := prediction(2)
	sameTime.ID = "a-2"
	require.NoError(t, predictions.Append(t.Context(), sameTime))

	d, err := labels.Collect(t.Context(), predictions, labelled(t, 1, 2), predictlog.Query{})
	require.NoError(t, err)
	require.Same(t, predictions.Schema(), d.Schema)
	require.Equal(t, []string{"p-1", "a-2", "p-2", "p-3"}, idsOf(d), "by time, then by ID")
	require.Equal(t, labels.Count{Predictions: 4, Labelled: 2}, d.Coverage().Count)

	truth := d.Labelled()
	require.Same(t, d.Schema, truth.Schema)
	require.Equal(t, []string{"p-1", "p-2"}, idsOf(truth))
	require.Len(t, d.Examples, 4)
}

func TestDataset_Between(t *testing.T) {
	t.Parallel()
	d, err := labels.Collect(t.Context(), predict(t, 5, predictlog.Target{}), labelled(t), predictlog.Query{})
	require.NoError(t, err)
	at := func(i int) time.Time { return prediction(i).Time }
	for _, c := range []struct {
		name     string
		from, to time.Time
		want     []string
	}{
		{"from is in, to is not", at(1), at(3), []string{"p-1", "p-2"}},
		{"between two examples", at(1).Add(1), at(3).Add(1), []string{"p-2", "p-3"}},
		{"no bounds", time.Time{}, time.Time{}, []string{"p-0", "p-1", "p-2", "p-3", "p-4"}},
		{"no from", time.Time{}, at(1), []string{"p-0"}},
		{"no to", at(4), time.Time{}, []string{"p-4"}},
		{"an instant", at(2), at(2), []string{}},
		{"to before from", at(3), at(1), []string{}},
		{"before all", at(-9), at(-1), []string{}},
		{"after all", at(9), time.Time{}, []string{}},
	} {
		part := d.Between(c.from, c.to)
		require.Equal(t, c.want, idsOf(part), c.name)
		require.Same(t, d.Schema, part.Schema)
	}
	require.Empty(t, labels.Dataset{}.Between(at(1), time.Time{}).Examples)

	part := d.Between(at(0), at(1))
	part.Examples = append(part.Examples, labels.Example{})
	require.Equal(t, "p-1", d.Examples[1].Record.ID, "appending to a part leaves the whole alone")
}

// twoExamples returns a dataset of a labelled and an unlabelled example.
func twoExamples(t *testing.T) labels.Dataset {
	t.Helper()
	schema, err := predictlog.NewSchema([]predictlog.Column{
		{Name: "age", Kind: predictlog.Numeric},
		{Name: "region", Kind: predictlog.Categorical},
	}, predictlog.Target{})
	require.NoError(t, err)
	first, second := prediction(0), prediction(1)
	first.Row = predictlog.Row{predictlog.Number(0), predictlog.Category("north")}
	second.Row = predictlog.Row{predictlog.Missing(), predictlog.Category("")}
	return labels.Dataset{Schema: schema, Examples: []labels.Example{
		{Record: first, Label: labels.Label{PredictionID: first.ID, Class: "1", Time: noon}, Labelled: true},
		{Record: second},
	}}
}

func TestDataset_Fingerprint(t *testing.T) {
	t.Parallel()
	base := twoExamples(t).Fingerprint()
	require.Len(t, base, 64)
	require.Equal(t, base, twoExamples(t).Fingerprint())

	seen := map[string]string{base: "nothing"}
	for name, change := range map[string]func(*labels.Dataset){
		"schema":    func(d *labels.Dataset) { d.Schema = newSchema(t, predictlog.Target{}) },
		"no schema": func(d *labels.Dataset) { d.Schema = nil },
		"target": func(d *labels.Dataset) {
			d.Schema, _ = d.Schema.WithTarget(predictlog.Target{Task: predictlog.Regression})
		},
		"order":             func(d *labels.Dataset) { slices.Reverse(d.Examples) },
		"one less":          func(d *labels.Dataset) { d.Examples = d.Examples[:1] },
		"one more":          func(d *labels.Dataset) { d.Examples = append(d.Examples, d.Examples[1]) },
		"ID":                func(d *labels.Dataset) { d.Examples[0].Record.ID = "p-7" },
		"time":              func(d *labels.Dataset) { d.Examples[0].Record.Time = noon.Add(time.Microsecond) },
		"number":            func(d *labels.Dataset) { d.Examples[0].Record.Row[0] = predictlog.Number(math.SmallestNonzeroFloat64) },
		"-0":                func(d *labels.Dataset) { d.Examples[0].Record.Row[0] = predictlog.Number(math.Copysign(0, -1)) },
		"NaN":               func(d *labels.Dataset) { d.Examples[0].Record.Row[0] = predictlog.Number(math.NaN()) },
		"missing":           func(d *labels.Dataset) { d.Examples[0].Record.Row[0] = predictlog.Missing() },
		"category missing":  func(d *labels.Dataset) { d.Examples[1].Record.Row[0] = predictlog.Category("missing") },
		"category":          func(d *labels.Dataset) { d.Examples[0].Record.Row[1] = predictlog.Category("north\"") },
		"category to the -": func(d *labels.Dataset) { d.Examples[1].Record.Row[1] = predictlog.Missing() },
		"row longer": func(d *labels.Dataset) {
			d.Examples[0].Record.Row = append(d.Examples[0].Record.Row, predictlog.Missing())
		},
		"class":   func(d *labels.Dataset) { d.Examples[0].Label.Class = "0" },
		"value":   func(d *labels.Dataset) { d.Examples[0].Label.Class, d.Examples[0].Label.Value = "", 1 },
		"value 0": func(d *labels.Dataset) { d.Examples[0].Label.Class = "" },
		"value -0": func(d *labels.Dataset) {
			d.Examples[0].Label.Class, d.Examples[0].Label.Value = "", math.Copysign(0, -1)
		},
		"label gone":    func(d *labels.Dataset) { d.Examples[0].Labelled = false },
		"another label": func(d *labels.Dataset) { d.Examples[1].Labelled = true },
	} {
		d := twoExamples(t)
		change(&d)
		fingerprint := d.Fingerprint()
		other, collides := seen[fingerprint]
		require.False(t, collides, "%s looks like %s", name, other)
		seen[fingerprint] = name
	}

	for name, change := range map[string]func(*labels.Dataset){
		"zone":               func(d *labels.Dataset) { d.Examples[0].Record.Time = noon.In(time.FixedZone("elsewhere", 3600)) },
		"answer":             func(d *labels.Dataset) { d.Examples[0].Record.Output.Class = "0" },
		"version":            func(d *labels.Dataset) { d.Examples[0].Record.Version = "v9" },
		"time of the label":  func(d *labels.Dataset) { d.Examples[0].Label.Time = noon.Add(time.Hour) },
		"label not labelled": func(d *labels.Dataset) { d.Examples[1].Label.Class = "0" },
		"misfit":             func(d *labels.Dataset) { d.Examples[1].Misfit = labels.ErrInvalidLabel },
	} {
		d := twoExamples(t)
		change(&d)
		require.Equal(t, base, d.Fingerprint(), name)
	}
	require.Len(t, labels.Dataset{}.Fingerprint(), 64)
}

func TestDataset_FingerprintProperties(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, predictlog.Target{Task: predictlog.Regression})
	build := func(text string) labels.Dataset {
		d := labels.Dataset{Schema: schema}
		for i, word := range strings.Split(text, "|") {
			r := prediction(i)
			r.Row = predictlog.Row{predictlog.Category(word)}
			d.Examples = append(d.Examples, labels.Example{Record: r, Labelled: i%2 == 0})
		}
		return d
	}
	// Few letters, among them all that the fingerprint's own form uses.
	text := gen.SliceOf(gen.OneConstOf("a", `"`, `\`, " ", "\n", "=", "2", "|")).Map(func(parts []string) string {
		return strings.Join(parts, "")
	})
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250603))
	props.Property("fingerprints are equal if and only if the data are", prop.ForAll(func(a, b string) bool {
		return (build(a).Fingerprint() == build(b).Fingerprint()) == (a == b)
	}, text, text))
	props.TestingRun(t)
}

func BenchmarkDataset_Fingerprint(b *testing.B) {
	d, err := labels.Collect(b.Context(), predict(b, 1000, predictlog.Target{}), labelled(b, 1, 2, 3), predictlog.Query{})
	require.NoError(b, err)
	b.Run("n=1000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Fingerprint()
		}
	})
}
