package drift_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// counted returns a categorical column with so many rows of the levels "0", "1", ...
func counted(rows ...int) drift.Column { return countedAs("x", rows...) }

func countedAs(name string, rows ...int) drift.Column {
	levels, codes := make([]string, len(rows)), []int32{}
	for i, n := range rows {
		levels[i] = fmt.Sprint(i)
		for range n {
			codes = append(codes, int32(i))
		}
	}
	return drift.CategoricalCodes(name, codes, levels)
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

// What is called stable is so because a change by Detectable would have been significant,
// whatever else it would have brought about.
func TestDetector_StableMeansThatAChangeWouldBeFound(t *testing.T) {
	t.Parallel()
	const wanted = 0.2
	for _, n := range []int{30, 100, 1000} {
		for _, r := range []int{0, 1, n / 10, n / 3, n / 2} {
			ref := newReference(t, counted(n-r, r))
			for _, m := range []int{30, 60, 120, 400} {
				verdicts := make([]drift.ColumnReport, m+1)
				for x := range verdicts {
					verdicts[x] = detect(t, ref, drift.Config{}, profileOf(t, ref, counted(m-x, x))).Columns[0]
				}
				for x, c := range verdicts {
					if c.Verdict != drift.Stable {
						continue
					}
					for y, other := range verdicts {
						if math.Abs(float64(y)/float64(m)-float64(r)/float64(n)) < wanted {
							continue
						}
						significant := slices.ContainsFunc(other.Tests, func(test drift.Test) bool { return test.AdjustedPValue <= 0.05 })
						require.True(t, significant, "%d of %d against %d of %d is stable, %d of %d not significant", x, m, r, n, y, m)
					}
				}
			}
		}
	}
}

// Neither a constant column nor a rare flag takes long to judge, however many the rows.
func BenchmarkDetector_RareLevels(b *testing.B) {
	const columns = 100
	for _, c := range []struct {
		name      string
		reference []int
		current   []int
	}{
		{"constant", []int{100_000}, []int{1_000_000}},
		{"rare", []int{99_100, 900}, []int{991_000, 9_000}},
		{"even", []int{50_000, 50_000}, []int{900, 900}},
	} {
		var reference, current []drift.Column
		for i := range columns {
			name := fmt.Sprint(i)
			reference = append(reference, countedAs(name, c.reference...))
			current = append(current, countedAs(name, c.current...))
		}
		ref := newReference(b, reference...)
		detector, err := drift.NewDetector(ref, drift.Config{})
		require.NoError(b, err)
		p := profileOf(b, ref, current...)
		b.Run(fmt.Sprintf("%s/columns=%d", c.name, columns), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = detector.Detect(p)
			}
		})
	}
}
