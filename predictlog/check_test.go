package predictlog_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestSchema_CheckRecord(t *testing.T) {
	t.Parallel()
	schema := applicantSchema(t)
	for _, tc := range []struct {
		name   string
		change func(*predictlog.Record)
		want   string // empty if the record is good
	}{
		{"good", func(*predictlog.Record) {}, ""},
		{"broken rules", func(r *predictlog.Record) { r.Row[1] = predictlog.Number(150) }, ""},
		{"missing values", func(r *predictlog.Record) { r.Row = make(predictlog.Row, 4) }, ""},
		{"no answer", func(r *predictlog.Record) { r.Version, r.Output = "", predictlog.Output{} }, ""},
		{"no probabilities", func(r *predictlog.Record) { r.Output.Probabilities = nil }, ""},
		{"empty ID", func(r *predictlog.Record) { r.ID = "" }, `predictlog: record "": ID: empty`},
		{"no time", func(r *predictlog.Record) { r.Time = time.Time{} }, `predictlog: record "a": time: not set`},
		{"late", func(r *predictlog.Record) { r.Time = r.Time.AddDate(8000, 0, 0) }, `predictlog: record "a": time: year 10025, want 1 to 9999`},
		{"latency", func(r *predictlog.Record) { r.Latency = -1 }, `predictlog: record "a": latency: -1ns, want 0 or more`},
		{"model", func(r *predictlog.Record) { r.Model = "\xff" }, `predictlog: record "a": model: "\xff", want valid UTF-8 without NUL bytes`},
		{"version", func(r *predictlog.Record) { r.Version = "\x00" }, `predictlog: record "a": version: "\x00", want valid UTF-8 without NUL bytes`},
		{"short row", func(r *predictlog.Record) { r.Row = r.Row[:3] }, `predictlog: record "a": row: has 3 values, want 4`},
		{"other kind", func(r *predictlog.Record) { r.Row[0] = predictlog.Category("1") }, `predictlog: record "a": column "income": is categorical, want numeric`},
		{"category", func(r *predictlog.Record) { r.Row[2] = predictlog.Category("a\xff") }, `predictlog: record "a": column "region": is "a\xff", want valid UTF-8 without NUL bytes`},
		{"class", func(r *predictlog.Record) { r.Output.Class = "2" }, `predictlog: record "a": output: class "2", want one of ["0" "1"]`},
		{"no class", func(r *predictlog.Record) { r.Output.Class = "" }, `predictlog: record "a": output: class "", want one of ["0" "1"]`},
		{"value", func(r *predictlog.Record) { r.Output.Value = 1 }, `predictlog: record "a": output: a classifier answers a class, not a value`},
		{"three probabilities", func(r *predictlog.Record) { r.Output.Probabilities = make([]float64, 3) }, `predictlog: record "a": output: has 3 probabilities, want one for each of ["0" "1"]`},
		{"NaN", func(r *predictlog.Record) { r.Output.Probabilities[1] = math.NaN() }, `predictlog: record "a": output: probability of "1" is NaN, want 0 to 1`},
		{"below 0", func(r *predictlog.Record) { r.Output.Probabilities[0] = -0.1 }, `predictlog: record "a": output: probability of "0" is -0.1, want 0 to 1`},
		{"violation", func(r *predictlog.Record) { r.Violations = []predictlog.Violation{{Value: "\xff"}} }, `predictlog: record "a": violations: " is \xff, want ", want valid UTF-8 without NUL bytes`},
		{"tag", func(r *predictlog.Record) { r.Tags = map[string]string{"": "x"} }, `predictlog: record "a": tags: empty key`},
		{"tag text", func(r *predictlog.Record) { r.Tags = map[string]string{"k": "\xff"} }, `predictlog: record "a": tags: "k": "\xff", want valid UTF-8 without NUL bytes`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := applicantRecord("a")
			tc.change(&r)
			err := schema.CheckRecord(r)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tc.want)
			require.ErrorIs(t, err, predictlog.ErrInvalidRecord)
			var invalid *predictlog.RecordError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, r.ID, invalid.ID)
		})
	}
}

func TestSchema_CheckRecord_Regression(t *testing.T) {
	t.Parallel()
	schema, err := applicantSchema(t).WithTarget(predictlog.Target{Task: predictlog.Regression})
	require.NoError(t, err)
	r := applicantRecord("a")
	require.ErrorContains(t, schema.CheckRecord(r), "a regression answers a value, not a class")
	r.Output = predictlog.Output{Value: -1.5}
	require.NoError(t, schema.CheckRecord(r))
	r.Output.Probabilities = []float64{1}
	require.ErrorContains(t, schema.CheckRecord(r), "a regression answers a value, not a class")
}

func TestCheckID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", "019f22e2-79b0-7cc3-98c4-dc0c0c07398f", "order/7:3#x", strings.Repeat("x", 128)} {
		require.NoError(t, predictlog.CheckID(id), id)
	}
	require.EqualError(t, predictlog.CheckID(""), "empty")
	require.EqualError(t, predictlog.CheckID(strings.Repeat("x", 129)), "129 bytes long, want at most 128")
	for _, c := range []string{" ", ",", `"`, "'", "\n", "\x00", "\x7f", "é"} {
		require.ErrorContains(t, predictlog.CheckID("ab"+c), "byte 2 is ", c)
	}
}
