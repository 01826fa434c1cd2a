package gate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
)

func TestMaturity(t *testing.T) {
	t.Parallel()
	e := better(t)
	twoDays := gate.Maturity{Age: 48 * time.Hour, Share: 0.9}
	check := verdict(t, gate.Errored, twoDays, e)
	require.Equal(t, "the evidence does not say how old the rows are", check.Reason)
	optional := twoDays
	optional.Optional = true
	verdict(t, gate.Skipped, optional, e)

	e.Times = make([]time.Time, e.N())
	for i := range e.Times {
		e.Times[i] = e.At.Add(-48 * time.Hour)
		if i < 100 {
			e.Times[i] = e.At.Add(-time.Hour)
		}
	}
	check = verdict(t, gate.Pass, twoDays, e)
	require.True(t, check.Precondition)
	require.Equal(t, 0.95, check.Statistic)
	require.Equal(t, "1,900 of 2,000 rows are 2 days old or older (95.0 %), at least 90.0 % wanted", check.Reason)
	check = verdict(t, gate.Undecided, gate.Maturity{Age: 48 * time.Hour, Share: 0.96}, e)
	require.Equal(t, 2500, check.Needed, "100 young rows are 4 % of as many")
	require.Zero(t, verdict(t, gate.Undecided, gate.Maturity{Age: 48 * time.Hour, Share: 1}, e).Needed, "no number would do")

	unset := e
	unset.At = time.Time{}
	verdict(t, gate.Errored, twoDays, unset)
	empty := gate.Evidence{At: day0, Times: []time.Time{}}
	verdict(t, gate.Errored, gate.Maturity{}, empty) // as without times: the hash is the same

	for want, c := range map[string]gate.Maturity{
		"Age is -1ns":   {Age: -1},
		"Share is 1.5":  {Share: 1.5},
		"Share is NaN,": {Share: nan},
	} {
		require.ErrorContains(t, validate(c), want)
	}
}
