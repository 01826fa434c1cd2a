package drift_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

func TestResult_MarshalJSON(t *testing.T) {
	t.Parallel()
	result := drift.Result{Statistic: 0.5, PValue: math.NaN(), EffectSize: 0.25, NReference: 3, NCurrent: 4, Warnings: []error{errors.New("few rows")}}
	const fields = `"statistic":0.5,"p_value":null,"effect_size":0.25,"n_reference":3,"n_current":4,"warnings":["few rows"]`
	for want, v := range map[string]any{
		`{` + fields + `}`:                    result,
		`{` + fields + `,"lo":0.5,"hi":null}`: drift.ProfileResult{Result: result, Lo: 0.5, Hi: math.Inf(1)},
	} {
		got, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}

	psi, err := drift.PSI([]int{1, 2}, []int{2, 1})
	require.NoError(t, err)
	_, err = json.Marshal(&psi)
	require.NoError(t, err)
}
