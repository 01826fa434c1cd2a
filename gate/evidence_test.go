package gate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestFromScores(t *testing.T) {
	t.Parallel()
	e, err := gate.FromScores([]float64{0, 1, 1}, []float64{0.2, 0.5, 0.4}, []float64{0.1, 0.9, 0.6})
	require.NoError(t, err)
	require.Equal(t, 3, e.N())
	require.False(t, e.First())
	require.Equal(t, []int{0, 1, 1}, e.Truth.Class)
	require.Equal(t, []int{0, 1, 0}, e.Production.Class, "0.5 answers 1")
	require.Equal(t, []float64{0.1, 0.9, 0.6}, e.Shadow.Probability[1])
	require.Equal(t, 1.0, e.Coverage.Share())

	first, err := gate.FirstFromScores([]float64{0, 1}, []float64{0.1, 0.9})
	require.NoError(t, err)
	require.True(t, first.First())

	empty, err := gate.FirstFromScores(nil, nil)
	require.NoError(t, err)
	require.Zero(t, empty.N())
}

func TestFromScores_Malformed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		truth, production, shadow []float64
		want                      string
	}{
		"no production":     {[]float64{0, 1}, nil, []float64{0, 1}, "production: missing: set FirstDeployment if"},
		"truth":             {[]float64{0, 2}, nil, []float64{0, 1}, "truth: row 1 is 2, want 0 or 1"},
		"NaN truth":         {[]float64{math.NaN()}, nil, []float64{0}, "truth: row 0 is NaN"},
		"shadow length":     {[]float64{0, 1}, nil, []float64{0}, "shadow: Class has 1 values, want 2"},
		"no shadow":         {[]float64{0, 1}, []float64{0, 1}, nil, "shadow: Class has 0 values, want 2"},
		"production length": {[]float64{0, 1}, []float64{}, []float64{0, 1}, "production: Class has 0 values, want 2"},
		"NaN score":         {[]float64{0, 1}, nil, []float64{0, math.NaN()}, "Probability[1][1] is NaN, want 0 to 1"},
		"score above 1":     {[]float64{0, 1}, []float64{0, 1.5}, []float64{0, 1}, "production: Probability"},
	} {
		_, err := gate.FromScores(c.truth, c.production, c.shadow)
		require.ErrorIs(t, err, gate.ErrInvalidEvidence, name)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestEvidence_Validate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(e *gate.Evidence)
		want  string
	}{
		"target":        {func(e *gate.Evidence) { e.Target.Classes = []string{"a", "b", "c"} }, "binary with the classes"},
		"task":          {func(e *gate.Evidence) { e.Target.Task = 9 }, "unknown task 9"},
		"IDs twice":     {func(e *gate.Evidence) { e.IDs[1] = e.IDs[0] }, `ids: "0" occurs twice`},
		"empty ID":      {func(e *gate.Evidence) { e.IDs[1] = "" }, "ids: row 1 has none"},
		"too many IDs":  {func(e *gate.Evidence) { e.IDs = append(e.IDs, "x") }, "truth: Class has 2000 values, want 2001"},
		"times":         {func(e *gate.Evidence) { e.Times = make([]time.Time, 3) }, "times: 3 values"},
		"class":         {func(e *gate.Evidence) { e.Shadow.Class[7] = 2 }, "shadow: Class[7] is 2, want 0 to 1"},
		"value":         {func(e *gate.Evidence) { e.Truth.Value = []float64{1} }, "Value has 1 values, want none"},
		"probabilities": {func(e *gate.Evidence) { e.Shadow.Probability = e.Shadow.Probability[:1] }, "probabilities of 1 classes, want 2"},
		"sum":           {func(e *gate.Evidence) { e.Shadow.Probability[0][9] += 2e-5 }, "shadow: the probabilities of row 9 sum up to 1.0000"},
		"segments":      {func(e *gate.Evidence) { e.Segments["region"] = nil }, `segments: "region" has 0 values, want 2000`},
		"coverage":      {func(e *gate.Evidence) { e.Coverage = labels.Count{} }, "coverage: 0 of 0 predictions labelled"},
		"labels":        {func(e *gate.Evidence) { e.Coverage.Labelled *= 2 }, "coverage: 4000 of 2000"},
		"at":            {func(e *gate.Evidence) { e.At = time.Time{} }, "at: not set"},
		"misfits":       {func(e *gate.Evidence) { e.Coverage.Misfits = 1 }, "2000 of 2000 predictions labelled and 1 labels unusable"},
		"odd counts": {func(e *gate.Evidence) {
			e.Coverage = labels.Count{Predictions: math.MinInt, Labelled: 2000, Misfits: math.MaxInt}
		}, "coverage: "},
		"training rows": {func(e *gate.Evidence) { e.TrainingRows = 2001 }, "training rows: 2001, want 0 to the 2000 rows"},
		"year":          {func(e *gate.Evidence) { e.At = e.At.AddDate(9000, 0, 0) }, "at: year 11025"},
		"class text":    {func(e *gate.Evidence) { e.Target.Classes = []string{"no", "\xff"} }, `target: the classes ["no" "\xff"] are not UTF-8`},
		"segment text":  {func(e *gate.Evidence) { e.Segments["region"][7] = "\xfc" }, `segments: "region" of row 7 is "\xfc", which is not UTF-8`},
		"column text":   {func(e *gate.Evidence) { e.Segments["\xf6"] = e.Segments["region"] }, `segments: the name "\xf6" is not UTF-8`},
		"ID text":       {func(e *gate.Evidence) { e.IDs[3] = "\xff" }, `ids: "\xff" of row 3 is not UTF-8`},
		"no production": {func(e *gate.Evidence) { e.Production = nil }, "production: missing"},
		"first of two":  {func(e *gate.Evidence) { e.FirstDeployment = true }, "production: present, although FirstDeployment is set"},
		"promoted before the first": {func(e *gate.Evidence) {
			e.FirstDeployment, e.Production = true, nil
		}, "last promotion: set, although FirstDeployment is"},
		"latency":         {func(e *gate.Evidence) { e.ShadowLatency.P95 = -5 }, "shadow latency: a mean of 0s and 95 % of -5ns, want 0 or more"},
		"several at once": {func(e *gate.Evidence) { e.Shadow.Class[0] = -1; e.IDs[0] = "" }, "shadow: Class[0] is -1"},
	} {
		e := better(t)
		require.NoError(t, e.Validate())
		c.spoil(&e)
		err := e.Validate()
		require.ErrorIs(t, err, gate.ErrInvalidEvidence, name)
		require.ErrorContains(t, err, c.want, name)
	}

	r := regression(40, 0.5)
	require.NoError(t, r.Validate())
	r.Shadow.Value[3] = math.Inf(1)
	require.ErrorContains(t, r.Validate(), "Value[3] is +Inf, want a finite number")
	r = regression(40, 0.5)
	r.Production.Class = []int{1}
	require.ErrorContains(t, r.Validate(), "Class has 1 values, want none: a regression answers values")

	m := multiclass(40)
	require.NoError(t, m.Validate())
	require.NoError(t, (&gate.Evidence{FirstDeployment: true}).Validate(), "no rows are valid")
	require.ErrorContains(t, (&gate.Evidence{}).Validate(), "production: missing")
}

func TestEvidence_RowSet(t *testing.T) {
	t.Parallel()
	of := func(ids ...string) string { return (&gate.Evidence{IDs: ids}).RowSet() }
	require.Len(t, of("a"), 64)
	require.Equal(t, of("a", "b"), of("a", "b"))
	require.NotEqual(t, of("a", "b"), of("b", "a"))
	require.NotEqual(t, of("ab"), of("a", "b"))
	require.NotEqual(t, of("1:a"), of("a"))
}

func TestFromValues(t *testing.T) {
	t.Parallel()
	e, err := gate.FromValues([]float64{1, 2, 3}, []float64{1, 2, 4}, []float64{1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, predictlog.Regression, e.Target.Task)
	require.Equal(t, []string{"0", "1", "2"}, e.IDs)
	require.Equal(t, []float64{1, 2, 4}, e.Production.Value)
	first, err := gate.FirstFromValues([]float64{1}, []float64{1})
	require.NoError(t, err)
	require.True(t, first.First())
	_, err = gate.FromValues([]float64{1}, nil, []float64{1})
	require.ErrorContains(t, err, "production: missing: set FirstDeployment if")
	_, err = gate.FromValues([]float64{1, 2}, []float64{1}, []float64{1, nan})
	require.ErrorIs(t, err, gate.ErrInvalidEvidence)
	require.ErrorContains(t, err, "production: Value has 1 values, want 2")
	require.ErrorContains(t, err, "shadow: Value[1] is NaN")
}

func TestEvidence_Hash(t *testing.T) {
	t.Parallel()
	of := func(change func(e *gate.Evidence)) string {
		e := timed(better(t))
		change(&e)
		return e.Hash()
	}
	same := func(*gate.Evidence) {}
	hashes := map[string]bool{of(same): true}
	require.True(t, hashes[of(same)])
	require.True(t, hashes[of(func(e *gate.Evidence) { e.At = e.At.In(time.FixedZone("", 3600)) })], "the same instant")
	for i, change := range []func(e *gate.Evidence){
		func(e *gate.Evidence) { e.Target.Classes = []string{"0", "2"} },
		func(e *gate.Evidence) { e.Target.Task = predictlog.Multiclass },
		func(e *gate.Evidence) { e.At = e.At.Add(1) },
		func(e *gate.Evidence) { e.LastPromotion = e.LastPromotion.Add(1) },
		func(e *gate.Evidence) { e.Coverage.Predictions++ },
		func(e *gate.Evidence) { e.Coverage.Misfits++ },
		func(e *gate.Evidence) { e.IDs[7] = "seven" },
		func(e *gate.Evidence) { e.Times[7] = e.Times[7].Add(1) },
		func(e *gate.Evidence) { e.Times = nil },
		func(e *gate.Evidence) { e.Truth.Class[7] = 1 - e.Truth.Class[7] },
		func(e *gate.Evidence) { e.Production.Class[7] = 1 - e.Production.Class[7] },
		func(e *gate.Evidence) { e.Production = nil },
		func(e *gate.Evidence) { e.FirstDeployment = true },
		func(e *gate.Evidence) { e.Shadow.Probability[1][7] = 0.123 },
		func(e *gate.Evidence) { e.Shadow.Probability = nil },
		func(e *gate.Evidence) { e.Shadow.Value = []float64{1} },
		func(e *gate.Evidence) { e.Segments["parity"][7] = "none" },
		func(e *gate.Evidence) { delete(e.Segments, "size") },
		func(e *gate.Evidence) { e.ProductionLatency.Mean++ },
		func(e *gate.Evidence) { e.ShadowLatency.P95++ },
		func(e *gate.Evidence) { e.TrainingRows++ },
	} {
		changed := of(change)
		require.False(t, hashes[changed], i)
		hashes[changed] = true
	}
}

func TestEvidence_JSON(t *testing.T) {
	t.Parallel()
	for _, e := range []gate.Evidence{better(t), regression(30, 0.5), multiclass(30), alone(better(t)), {FirstDeployment: true}} {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		var read gate.Evidence
		require.NoError(t, json.Unmarshal(data, &read))
		require.Equal(t, hash(t, gate.Evaluate(gate.Standard(), e)), hash(t, gate.Evaluate(gate.Standard(), read)))
		again, err := json.Marshal(read)
		require.NoError(t, err)
		require.Equal(t, string(data), string(again))
	}
}

// What is misspelt must not be what is not there.
func TestEvidence_StrictJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(better(t))
	require.NoError(t, err)
	for _, c := range []struct{ old, new, want string }{
		{`"production":`, `"prodction":`, `unknown field "prodction"`},
		{`"production":`, `"Production":`, `unknown field "Production"`},
		{`"shadow":`, `"production":`, `field "production" occurs twice`},
		{`"ids":`, `"times":`, `field "ids" is missing`},
		{`"shadow":{"class":`, `"shadow":{"classes":`, `unknown field "classes"`},
	} {
		var e gate.Evidence
		err := json.Unmarshal([]byte(strings.Replace(string(data), c.old, c.new, 1)), &e)
		require.ErrorContains(t, err, c.want)
		require.Zero(t, e.N(), "an error leaves the evidence as it was")
	}
}

// Of many rows, the first whose ID was there before is named.
func TestEvidence_RepeatedIDs(t *testing.T) {
	t.Parallel()
	const n = 3000
	e, err := gate.FirstFromScores(make([]float64, n), make([]float64, n))
	require.NoError(t, err)
	require.NoError(t, e.Validate())
	for i := 1; i < n; i += 97 {
		repeated := e
		repeated.IDs = slices.Clone(e.IDs)
		repeated.IDs[i] = e.IDs[i/2]
		for later := i + 1; later < n; later += 500 {
			repeated.IDs[later] = e.IDs[0]
		}
		require.ErrorContains(t, repeated.Validate(), fmt.Sprintf("%q occurs twice", e.IDs[i/2]))
	}
}

// Empty times are none: the hash is the same, and so is all that follows.
func TestEvidence_EmptyTimes(t *testing.T) {
	t.Parallel()
	policy := gate.Policy{Criteria: []gate.Criterion{gate.Maturity{Age: time.Hour, Share: 0.5, Optional: true}}, First: []gate.Criterion{gate.Maturity{Age: time.Hour, Share: 0.5}}}
	for _, e := range []gate.Evidence{better(t), {FirstDeployment: true, At: day0}} {
		empty := e
		empty.Times = []time.Time{}
		require.NoError(t, empty.Validate())
		require.Equal(t, e.Hash(), empty.Hash())
		require.Equal(t, hash(t, gate.Evaluate(policy, e)), hash(t, gate.Evaluate(policy, empty)))
		s, err := empty.Subset(nil)
		require.NoError(t, err)
		require.Zero(t, s.N())
	}
	e := better(t)
	e.Times = []time.Time{}
	s, err := e.Subset([]int{3})
	require.NoError(t, err)
	require.Nil(t, s.Times)
	verdict(t, gate.Skipped, gate.Maturity{Age: time.Hour, Share: 0.5, Optional: true}, e)
}
