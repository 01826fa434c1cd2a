package gate_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/metrics"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// exact returns evidence whose numbers are multiples of 1/4096 made by whole numbers
// alone, and so the same on every processor. Classes of 0 make a regression.
func exact(seed uint64, n, classes int) gate.Evidence {
	rng := rand.New(rand.NewPCG(seed, 5))
	bell := func(width int) int { // about normal, around 0
		sum := 0
		for range 8 {
			sum += rng.IntN(2*width+1) - width
		}
		return sum / 3
	}
	e := gate.Evidence{Coverage: labels.Count{Predictions: n, Labelled: n}, Production: &metrics.Answers{}, At: day0, LastPromotion: day0.AddDate(0, 0, -8)}
	e.Segments = map[string][]string{"region": make([]string, n)}
	answer := func(a *metrics.Answers, truth, width int) {
		if classes == 0 {
			a.Value = append(a.Value, float64(truth+bell(width/2))/4096)
			return
		}
		scores, sum, top := make([]int, classes), 0, 0
		for k := range scores {
			scores[k] = max(1, 1000+bell(width))
			if k == truth {
				scores[k] += 900
			}
			sum += scores[k]
		}
		left := 4096
		a.Probability = append(a.Probability, make([][]float64, classes-len(a.Probability))...)
		for k := range scores {
			p := scores[k] * 4096 / sum
			if k == classes-1 {
				p = left
			}
			left -= p
			a.Probability[k] = append(a.Probability[k], float64(p)/4096)
			if scores[k] > scores[top] {
				top = k
			}
		}
		a.Class = append(a.Class, top)
	}
	switch classes {
	case 0:
		e.Target.Task = predictlog.Regression
	case 2:
		e.Target = binary
	default:
		e.Target.Task = predictlog.Multiclass
		for k := range classes {
			e.Target.Classes = append(e.Target.Classes, strconv.Itoa(k))
		}
	}
	for i := range n {
		e.IDs = append(e.IDs, strconv.Itoa(i))
		e.Segments["region"][i] = []string{"north", "south", "east", "south", "north", "north"}[rng.IntN(6)]
		truth := 0
		if classes == 0 {
			truth = 20_000 + bell(4096)
			e.Truth.Value = append(e.Truth.Value, float64(truth)/4096)
		} else {
			truth = rng.IntN(classes)
			e.Truth.Class = append(e.Truth.Class, truth)
		}
		answer(e.Production, truth, 1000)
		answer(&e.Shadow, truth, 930)
	}
	return e
}

// TestEvaluate_Golden compares decisions with those that are stored, to the byte. It is to
// be run on other processors too, and where a sum of a product is fused or not:
//
//	GOAMD64=v3 go test ./gate -run '^TestEvaluate_Golden$'
//	GODEBUG=cpu.fma=off go test ./gate -run '^TestEvaluate_Golden$'
//
// Where decisions are to change, GOLDEN=write stores them.
func TestEvaluate_Golden(t *testing.T) {
	t.Parallel()
	policies := []gate.Policy{gate.Standard(), {Name: "more", Criteria: []gate.Criterion{
		gate.Superior{Metric: metrics.MCC, Alpha: 0.01}, gate.NonInferior{Metric: metrics.F1, Relative: 0.03}, gate.NonInferior{Metric: metrics.Secondary, Relative: 0.03},
		gate.NonInferior{Metric: metrics.ROCAUC, Margin: 0.01}, gate.Superior{Metric: metrics.PRAUC}, gate.Superior{Metric: metrics.ECE},
		gate.SegmentVeto{Metric: metrics.Secondary, MaxDrop: 0.03, MinRows: 30, Alpha: 0.05}, gate.Superior{Metric: metrics.MAE}, gate.NonInferior{Metric: metrics.RMSE, Margin: 0.01},
	}}}
	var decisions []gate.Decision
	for _, e := range []gate.Evidence{exact(1, 1500, 2), exact(2, 700, 4), exact(3, 600, 0), exact(4, 90, 2)} {
		for _, policy := range policies {
			decisions = append(decisions, gate.Evaluate(policy, e))
		}
	}
	var is bytes.Buffer
	for _, d := range decisions {
		data, err := json.Marshal(d)
		require.NoError(t, err)
		is.Write(append(data, '\n'))
	}
	path := filepath.Join("testdata", "decisions.jsonl")
	if os.Getenv("GOLDEN") == "write" {
		require.NoError(t, os.WriteFile(path, is.Bytes(), 0o644))
	}
	was, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSpace(was), []byte("\n"))
	require.Len(t, lines, len(decisions))
	for _, line := range lines {
		var d gate.Decision
		require.NoError(t, json.Unmarshal(line, &d))
		_, err := gate.Recompute(d)
		require.NoError(t, err)
	}
	require.Equal(t, string(was), is.String())
}

// What differs in the last digits only is told apart from what was changed.
func TestRecompute_Rounding(t *testing.T) {
	t.Parallel()
	e := exact(1, 600, 2)
	const tiny = 1 + 1e-9
	for name, c := range map[string]struct {
		tamper   func(d *gate.Decision)
		rounding bool
	}{
		"statistic":      {func(d *gate.Decision) { d.Checks[4].Statistic *= tiny }, true},
		"interval":       {func(d *gate.Decision) { d.Checks[4].CI.Lo += 1e-9 * d.Checks[4].CI.Hi }, true},
		"metric":         {func(d *gate.Decision) { d.Shadow[metrics.F1.String()] *= tiny }, true},
		"segment":        {func(d *gate.Decision) { d.Checks[7].Segments[0].PValue *= tiny }, true},
		"larger":         {func(d *gate.Decision) { d.Checks[4].Statistic *= 1 + 1e-5 }, false},
		"larger segment": {func(d *gate.Decision) { d.Checks[7].Segments[0].Shadow *= 1 + 1e-5 }, false},
		"unbounded":      {func(d *gate.Decision) { d.Checks[4].CI.Lo = math.Inf(-1) }, false},
		"and the verdict": {func(d *gate.Decision) {
			d.Checks[4].Statistic *= tiny
			d.Checks[4].Verdict = gate.Fail
			d.Outcome = gate.Reject
		}, false},
		"and the reason": {func(d *gate.Decision) { d.Checks[4].Statistic *= tiny; d.Checks[4].Reason += "!" }, false},
		"a check less":   {func(d *gate.Decision) { d.Checks = d.Checks[:5] }, false},
	} {
		d := stored(t, gate.Evaluate(gate.Standard(), e))
		require.Equal(t, "f1", d.Checks[4].Metric)
		require.NotEmpty(t, d.Checks[7].Segments)
		c.tamper(&d)
		for _, recompute := range []func() (gate.Decision, error){
			func() (gate.Decision, error) { return gate.Recompute(d) },
			func() (gate.Decision, error) { return gate.RecomputeFrom(d, e) },
		} {
			_, err := recompute()
			require.ErrorIs(t, err, gate.ErrDiffers, name)
			if c.rounding {
				require.ErrorIs(t, err, gate.ErrRounding, name)
			} else {
				require.NotErrorIs(t, err, gate.ErrRounding, name)
			}
		}
	}
	// Another processor may measure other last digits of single rows.
	d := stored(t, gate.Evaluate(gate.Standard(), e))
	for name, f := range d.Basis.Facts {
		for i := range f.Values {
			f.Values[i] *= tiny
		}
		d.Basis.Facts[name] = f
	}
	_, err := gate.RecomputeFrom(d, e)
	require.ErrorIs(t, err, gate.ErrRounding)
}
