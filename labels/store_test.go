package labels_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
)

var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

func TestLabel_Check(t *testing.T) {
	t.Parallel()
	valid := labels.Label{PredictionID: "p-1", Class: "yes", Time: noon}
	require.NoError(t, valid.Check())
	require.NoError(t, labels.Label{PredictionID: "p-1", Time: noon}.Check(), "a value of 0")
	require.NoError(t, labels.Label{PredictionID: "p-1", Value: math.Copysign(0, -1), Time: noon}.Check())

	for _, c := range []struct {
		name   string
		change func(*labels.Label)
		want   string
	}{
		{"no ID", func(l *labels.Label) { l.PredictionID = "" }, `labels: label of prediction "": prediction_id: empty`},
		{"ID with a comma", func(l *labels.Label) { l.PredictionID = "a,b" }, `label of prediction "a,b": prediction_id: byte 1 is ','`},
		{"class and value", func(l *labels.Label) { l.Value = 2 }, `value: 2 beside class "yes", want one of them`},
		{"class and -0", func(l *labels.Label) { l.Value = math.Copysign(0, -1) }, `value: -0 beside class "yes"`},
		{"class in Latin-1", func(l *labels.Label) { l.Class = "gr\xfcn" }, `class: "gr\xfcn", want UTF-8 without NUL`},
		{"class with NUL", func(l *labels.Label) { l.Class = "a\x00" }, `class: "a\x00", want UTF-8 without NUL`},
		{"NaN", func(l *labels.Label) { l.Class, l.Value = "", math.NaN() }, `value: NaN, want a finite number`},
		{"infinite", func(l *labels.Label) { l.Class, l.Value = "", math.Inf(-1) }, `value: -Inf, want a finite number`},
		{"no time", func(l *labels.Label) { l.Time = time.Time{} }, `time: not set`},
		{"no time in microseconds", func(l *labels.Label) { l.Time = time.Time{}.Add(time.Nanosecond) }, `time: not set`},
		{"before year 1", func(l *labels.Label) { l.Time = time.Time{}.Add(-time.Hour) }, `time: year 0, want 1 to 9999`},
		{"arrived after year 9999", func(l *labels.Label) { l.Arrived = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, `arrived: year 10000`},
		{"after year 9999", func(l *labels.Label) { l.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, `time: year 10000`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := valid
			c.change(&l)
			err := l.Check()
			require.ErrorContains(t, err, c.want)
			require.ErrorIs(t, err, labels.ErrInvalidLabel)
			var labelErr *labels.LabelError
			require.ErrorAs(t, err, &labelErr)
			require.Equal(t, l.PredictionID, labelErr.PredictionID)
		})
	}
}

func TestLabel_Stored(t *testing.T) {
	t.Parallel()
	elsewhere := time.FixedZone("elsewhere", 3600)
	l := labels.Label{PredictionID: "p-1", Value: 1, Time: noon.Add(1999).In(elsewhere)}
	want := labels.Label{PredictionID: "p-1", Value: 1, Time: noon.Add(1000), Arrived: noon.Add(2000)}
	require.Equal(t, want, l.Stored(noon.Add(2999).In(elsewhere)))
	l.Arrived = noon.Add(3999).In(elsewhere)
	want.Arrived = noon.Add(3000)
	require.Equal(t, want, l.Stored(noon))
	l.Arrived = time.Time{}.Add(time.Nanosecond) // is not set, in microseconds
	require.Equal(t, noon, l.Stored(noon).Arrived)
}

func TestLabel_Equal(t *testing.T) {
	t.Parallel()
	l := labels.Label{PredictionID: "p-1", Value: 1, Time: noon.Add(1500)}
	same := l
	same.Time, same.Arrived = noon.Add(1999).In(time.FixedZone("elsewhere", 3600)), noon
	require.True(t, l.Equal(same), "the same microsecond in another zone")
	for name, other := range map[string]labels.Label{
		"prediction": {PredictionID: "p-2", Value: 1, Time: l.Time},
		"value":      {PredictionID: "p-1", Value: 2, Time: l.Time},
		"class":      {PredictionID: "p-1", Class: "1", Time: l.Time},
		"time":       {PredictionID: "p-1", Value: 1, Time: noon.Add(2000)},
	} {
		require.False(t, l.Equal(other), name)
	}
	negative := labels.Label{PredictionID: "p-1", Value: math.Copysign(0, -1), Time: noon}
	require.False(t, negative.Equal(labels.Label{PredictionID: "p-1", Time: noon}), "-0 is not 0")
}
