package drift_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// counted returns a categorical column with so many rows of the levels "0", "1", ...
func counted(rows ...int) drift.Column {
	levels, codes := make([]string, len(rows)), []int32{}
	for i, n := range rows {
		levels[i] = fmt.Sprint(i)
		for range n {
			codes = append(codes, int32(i))
		}
	}
	return drift.CategoricalCodes("x", codes, levels)
}

// A level that the reference hardly has is drift when it spreads, as one that it lacks is.
func TestDetector_RareLevelsThatSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		reference, current []int
		want               drift.Verdict
	}{
		{"all of 300", []int{99_995, 5}, []int{0, 300}, drift.Drifted},
		{"300 of 1000", []int{99_995, 5}, []int{700, 300}, drift.Drifted},
		{"300 of 2000", []int{99_995, 5}, []int{1700, 300}, drift.Drifted},
		{"one of three levels", []int{60_000, 40_000, 5}, []int{300, 0, 200}, drift.Drifted},
		{"one of three, 12 %", []int{60_000, 40_000, 5}, []int{1200, 560, 240}, drift.Drifted},
		{"two rare ones", []int{60_000, 40_000, 3, 2}, []int{300, 0, 100, 100}, drift.Drifted},
		{"nothing", []int{99_995, 5}, []int{1000, 0}, drift.Stable},
		{"one row", []int{99_995, 5}, []int{999, 1}, drift.Stable},
		{"the rare level is gone", []int{60_000, 40_000, 5}, []int{600, 400, 0}, drift.Stable},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref := newReference(t, counted(c.reference...))
			report := detect(t, ref, drift.Config{}, profileOf(t, ref, counted(c.current...)))
			require.Equal(t, c.want, report.Columns[0].Verdict, report.Columns[0].Reason)
		})
	}
}
