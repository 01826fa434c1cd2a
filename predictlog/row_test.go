package predictlog_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		value  predictlog.Value
		kind   predictlog.Kind
		text   string
		number float64
		isText bool
	}{
		{predictlog.Missing(), 0, "missing", 0, false},
		{predictlog.Value{}, 0, "missing", 0, false},
		{predictlog.Number(0.1), predictlog.Numeric, "0.1", 0.1, false},
		{predictlog.Number(math.Inf(-1)), predictlog.Numeric, "-Inf", math.Inf(-1), false},
		{predictlog.Category(""), predictlog.Categorical, "", 0, true},
		{predictlog.Category("a"), predictlog.Categorical, "a", 0, true},
	} {
		require.Equal(t, tc.kind, tc.value.Kind())
		require.Equal(t, tc.kind == 0, tc.value.IsMissing())
		require.Equal(t, tc.text, tc.value.String())
		x, isNumber := tc.value.Number()
		require.Equal(t, tc.kind == predictlog.Numeric, isNumber)
		require.InDelta(t, tc.number, x, 0) //nolint:testifylint // exact
		_, isText := tc.value.Category()
		require.Equal(t, tc.isText, isText)
	}
}

func TestValue_Equal(t *testing.T) {
	t.Parallel()
	// All of these differ from each other, and equal themselves.
	values := []predictlog.Value{
		predictlog.Missing(), predictlog.Number(0), predictlog.Number(math.Copysign(0, -1)), predictlog.Number(1),
		predictlog.Number(math.NaN()), predictlog.Number(math.Inf(1)), predictlog.Category(""), predictlog.Category("0"),
	}
	for i, v := range values {
		for j, w := range values {
			require.Equal(t, i == j, v.Equal(w), "%v and %v", v, w)
		}
	}
	payload := math.Float64frombits(math.Float64bits(math.NaN()) ^ 1)
	require.True(t, predictlog.Number(math.NaN()).Equal(predictlog.Number(payload)), "every NaN equals every NaN")
}

func TestRow_Equal(t *testing.T) {
	t.Parallel()
	row := predictlog.Row{predictlog.Number(1), predictlog.Missing()}
	require.True(t, row.Equal(predictlog.Row{predictlog.Number(1), predictlog.Missing()}))
	require.False(t, row.Equal(row[:1]))
	require.False(t, row.Equal(predictlog.Row{predictlog.Number(1), predictlog.Number(0)}))
	require.True(t, predictlog.Row(nil).Equal(predictlog.Row{}))
}

func TestKind_Text(t *testing.T) {
	t.Parallel()
	for _, kind := range []predictlog.Kind{predictlog.Numeric, predictlog.Categorical} {
		text, err := json.Marshal(kind)
		require.NoError(t, err)
		require.JSONEq(t, `"`+kind.String()+`"`, string(text))
		var back predictlog.Kind
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, kind, back)
	}
	require.Equal(t, "missing", predictlog.Kind(0).String())
	_, err := predictlog.Kind(0).MarshalText()
	require.EqualError(t, err, "predictlog: unknown kind 0")
	var kind predictlog.Kind
	require.EqualError(t, kind.UnmarshalText([]byte("text")), `predictlog: unknown kind "text", want numeric or categorical`)
}
