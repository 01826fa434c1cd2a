package paired_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate/paired"
)

func TestTango_Edges(t *testing.T) {
	t.Parallel()
	// The models never differ: still, what 100 rows have not shown may happen.
	ci, err := paired.Tango(0, 0, 100, 0.9)
	require.NoError(t, err)
	require.InDelta(t, -ci.Hi, ci.Lo, 1e-12)
	require.InDelta(t, 0.0263, ci.Hi, 1e-4)
	r, err := paired.TangoNonInferior(0, 0, 100, 0)
	require.NoError(t, err)
	require.Equal(t, paired.Result{Statistic: 0, PValue: 0.5}, r)

	// Each row is a win.
	ci, err = paired.Tango(10, 0, 10, 0.9)
	require.NoError(t, err)
	require.InDelta(t, 1, ci.Hi, 1e-9)
	require.Greater(t, ci.Lo, 0.5)

	for name, call := range map[string]func() error{
		"no rows":     func() error { _, err := paired.Tango(0, 0, 0, 0.9); return err },
		"more":        func() error { _, err := paired.Tango(6, 5, 10, 0.9); return err },
		"negative":    func() error { _, err := paired.TangoNonInferior(-1, 5, 10, 0.1); return err },
		"level 0":     func() error { _, err := paired.Tango(1, 1, 10, 0); return err },
		"level 1":     func() error { _, err := paired.Tango(1, 1, 10, 1); return err },
		"level NaN":   func() error { _, err := paired.Tango(1, 1, 10, math.NaN()); return err },
		"margin":      func() error { _, err := paired.TangoNonInferior(1, 1, 10, -0.1); return err },
		"margin of 1": func() error { _, err := paired.TangoNonInferior(1, 1, 10, 1); return err },
	} {
		require.ErrorIs(t, call(), paired.ErrInput, name)
	}
}

func TestTango_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	counts := gen.SliceOfN(3, gen.IntRange(0, 200))
	props.Property("swapping the models negates the interval", prop.ForAll(func(c []int) bool {
		n := c[0] + c[1] + c[2] + 1
		a, errA := paired.Tango(c[0], c[1], n, 0.9)
		b, errB := paired.Tango(c[1], c[0], n, 0.9)
		return errA == nil && errB == nil && math.Abs(a.Lo+b.Hi) < 1e-9 && math.Abs(a.Hi+b.Lo) < 1e-9
	}, counts))
	props.Property("the interval holds the measured difference, within -1 and 1", prop.ForAll(func(c []int) bool {
		n := c[0] + c[1] + c[2] + 1
		ci, err := paired.Tango(c[0], c[1], n, 0.95)
		d := float64(c[0]-c[1]) / float64(n)
		return err == nil && -1 <= ci.Lo && ci.Lo <= d && d <= ci.Hi && ci.Hi <= 1
	}, counts))
	props.Property("a margin of 0 is the root of McNemar's statistic", prop.ForAll(func(c []int) bool {
		n := c[0] + c[1] + c[2] + 1
		tango, errA := paired.TangoNonInferior(c[0], c[1], n, 0)
		mcnemar, errB := paired.McNemar(c[0], c[1])
		return errA == nil && errB == nil && math.Abs(tango.Statistic*tango.Statistic-mcnemar.ChiSquare.Statistic) < 1e-9
	}, counts))
	props.Property("the test rejects where the interval excludes the margin", prop.ForAll(func(c []int) bool {
		n := c[0] + c[1] + c[2] + 1
		const margin, alpha = 0.05, 0.05
		ci, errA := paired.Tango(c[0], c[1], n, 1-2*alpha)
		r, errB := paired.TangoNonInferior(c[0], c[1], n, margin)
		return errA == nil && errB == nil && (math.Abs(ci.Lo+margin) < 1e-9 || (ci.Lo > -margin) == (r.PValue < alpha))
	}, counts))
	props.TestingRun(t)
}

func ExampleTango() {
	ci, err := paired.Tango(40, 20, 160, 0.95)
	fmt.Printf("%+.3f to %+.3f %v\n", ci.Lo, ci.Hi, err)
	// Output: +0.031 to +0.218 <nil>
}

func ExampleTangoNonInferior() {
	r, err := paired.TangoNonInferior(12, 3, 200, 0.01)
	fmt.Printf("z = %.2f, p = %.4f %v\n", r.Statistic, r.PValue, err)
	// Output: z = 2.73, p = 0.0032 <nil>
}
