package predictlog_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// applicant is the input of the model that the tests of this package serve.
type applicant struct {
	Income float64 `json:"income" validate:"gte=0"`
	Age    *int    `json:"age"    validate:"required,gte=18,lte=120"`
	Region string  `json:"region" validate:"oneof=north south"`
	Owner  bool    `json:"owner"`
}

func applicantSchema(t testing.TB) *predictlog.Schema {
	t.Helper()
	schema, err := predictlog.SchemaOf[applicant]()
	require.NoError(t, err)
	return schema
}

func applicantRow() predictlog.Row {
	return predictlog.Row{predictlog.Number(1000), predictlog.Number(30), predictlog.Category("north"), predictlog.Category("true")}
}

func applicantRecord(id string) predictlog.Record {
	return predictlog.Record{
		ID:      id,
		Time:    time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC),
		Model:   "credit",
		Version: "3",
		Row:     applicantRow(),
		Output:  predictlog.Output{Class: "1", Probabilities: []float64{0.25, 0.75}},
		Latency: 3 * time.Millisecond,
	}
}

func TestRecord_Equal(t *testing.T) {
	t.Parallel()
	rich := func() predictlog.Record {
		r := applicantRecord("a")
		r.Violations = []predictlog.Violation{{Column: "age", Rule: "gte=18", Value: "3"}}
		r.Tags = map[string]string{"tenant": "x"}
		return r
	}
	require.True(t, rich().Equal(rich()))
	same := rich()
	same.Time = same.Time.Add(999 * time.Nanosecond).In(time.FixedZone("east", 3600))
	same.Latency += 999 * time.Nanosecond
	require.True(t, rich().Equal(same), "below a microsecond, and in another zone, a record is the same")
	bare, empty := applicantRecord("a"), applicantRecord("a")
	empty.Violations, empty.Tags = []predictlog.Violation{}, map[string]string{}
	require.True(t, bare.Equal(empty), "nil and empty collections are equal")

	for name, change := range map[string]func(*predictlog.Record){
		"ID":          func(r *predictlog.Record) { r.ID = "b" },
		"time":        func(r *predictlog.Record) { r.Time = r.Time.Add(time.Microsecond) },
		"model":       func(r *predictlog.Record) { r.Model = "" },
		"version":     func(r *predictlog.Record) { r.Version = "" },
		"row":         func(r *predictlog.Record) { r.Row[0] = predictlog.Missing() },
		"class":       func(r *predictlog.Record) { r.Output.Class = "0" },
		"value":       func(r *predictlog.Record) { r.Output.Value = math.Copysign(0, -1) },
		"probability": func(r *predictlog.Record) { r.Output.Probabilities[0] = 0 },
		"latency":     func(r *predictlog.Record) { r.Latency = 0 },
		"violations":  func(r *predictlog.Record) { r.Violations = nil },
		"tags":        func(r *predictlog.Record) { r.Tags["tenant"] = "y" },
	} {
		other := rich()
		change(&other)
		require.False(t, rich().Equal(other), name)
	}
}

func TestRecord_Clone(t *testing.T) {
	t.Parallel()
	r := applicantRecord("a")
	r.Time = r.Time.Add(1500 * time.Nanosecond).In(time.FixedZone("east", 3600))
	r.Violations = []predictlog.Violation{{Column: "age"}}
	r.Tags = map[string]string{"a": "b"}
	clone := r.Clone()
	require.True(t, clone.Equal(r))
	require.Equal(t, time.UTC, clone.Time.Location())
	require.Equal(t, 1000, clone.Time.Nanosecond())
	r.Row[0], r.Output.Probabilities[0], r.Violations[0].Column, r.Tags["a"] = predictlog.Missing(), 9, "x", "x"
	require.Equal(t, applicantRow(), clone.Row)
	require.Equal(t, []float64{0.25, 0.75}, clone.Output.Probabilities)
	require.Equal(t, "age", clone.Violations[0].Column)
	require.Equal(t, "b", clone.Tags["a"])
}

func TestRecord_Answered(t *testing.T) {
	t.Parallel()
	require.False(t, predictlog.Record{}.Answered())
	require.True(t, predictlog.Record{Version: "3"}.Answered(), "a regression may answer 0")
	require.True(t, predictlog.Record{Output: predictlog.Output{Value: 1}}.Answered())
}

func TestViolation_String(t *testing.T) {
	t.Parallel()
	require.Equal(t, "age is 150, want lte=120", predictlog.Violation{Column: "age", Rule: "lte=120", Value: "150"}.String())
}
