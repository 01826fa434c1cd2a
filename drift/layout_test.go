package drift_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
)

// countNumbers counts values by what the comment of ColumnLayout says, as SQL would.
func countNumbers(l drift.ColumnLayout, values []float64) drift.ColumnCounts {
	c := drift.ColumnCounts{Name: l.Name, Cells: make([]int64, l.Cells()), Sum: new(big.Int), Squares: new(big.Int)}
	near, far := new(big.Int), new(big.Int) // sums of k
	var hh, hl, ll big.Int
	lo, hi := l.Near()
	first := true
	for _, x := range values {
		switch {
		case math.IsNaN(x):
			c.Missing++
			continue
		case math.IsInf(x, -1):
			c.NegInf++
			continue
		case math.IsInf(x, 1):
			c.PosInf++
			continue
		}
		if first || x < c.Min {
			c.Min = x
		}
		if first || x > c.Max {
			c.Max = x
		}
		first = false
		c.Cells[sort.Search(len(l.Edges), func(i int) bool { return !(l.Edges[i] < x) })]++
		if x < lo || x > hi {
			units := l.Units(x)
			far.Add(far, units)
			c.Squares.Add(c.Squares, units.Mul(units, units))
			continue
		}
		const rounder = 3 << 51
		k := int64((x-l.Centre)*math.Ldexp(1, -l.Exponent) + rounder - rounder)
		near.Add(near, big.NewInt(k))
		h, low := k>>26, k&67108863
		hh.Add(&hh, big.NewInt(h*h))
		hl.Add(&hl, big.NewInt(h*low))
		ll.Add(&ll, big.NewInt(low*low))
	}
	c.Sum.Add(near, far)
	c.Squares.Add(c.Squares, hh.Lsh(&hh, 52))
	c.Squares.Add(c.Squares, hl.Lsh(&hl, 27))
	c.Squares.Add(c.Squares, &ll)
	return c
}

func countTexts(l drift.ColumnLayout, values []string) drift.ColumnCounts {
	c := drift.ColumnCounts{Name: l.Name, Cells: make([]int64, l.Cells())}
	for _, x := range values {
		if i := sort.SearchStrings(l.Levels, x); i < len(l.Levels) && l.Levels[i] == x {
			c.Cells[i]++
		} else {
			c.Unseen++
		}
	}
	return c
}

func TestProfile_AddCountsIsAdd(t *testing.T) {
	t.Parallel()
	parameters := gopter.DefaultTestParametersWithSeed(20250612)
	parameters.MinSuccessfulTests = 150
	props := gopter.NewProperties(parameters)
	sample := gen.SliceOf(anyNumber())
	text := func(x float64) string { return fmt.Sprint(math.Mod(math.Round(x), 5)) }
	columns := func(values []float64) []drift.Column {
		names := make([]string, len(values))
		for i, x := range values {
			names[i] = text(x)
		}
		return []drift.Column{drift.Numeric("x", values), drift.Categorical("c", names)}
	}
	same := func(base, a, b []float64, cells int) bool {
		ref, err := drift.NewReference(columns(append(base, 1)), drift.ReferenceConfig{Cells: cells})
		require.NoError(t, err)
		layout := ref.Layout()
		for _, e := range layout[0].Edges { // the ends of cells are where a side matters
			b = append(b, e, math.Nextafter(e, math.Inf(-1)), math.Nextafter(e, math.Inf(1)))
		}
		lo, hi := layout[0].Near()
		b = append(b, lo, hi, math.Nextafter(lo, math.Inf(-1)), math.Nextafter(hi, math.Inf(1)))
		want := profileOf(t, ref, columns(a)...)
		require.NoError(t, want.Add(columns(b)))
		got := ref.NewProfile()
		for _, batch := range [][]float64{a, b} {
			names := make([]string, len(batch))
			for i, x := range batch {
				names[i] = text(x)
			}
			require.NoError(t, got.AddCounts(int64(len(batch)), []drift.ColumnCounts{
				countTexts(layout[1], names), countNumbers(layout[0], batch),
			}))
		}
		wantBinary, err := want.MarshalBinary()
		require.NoError(t, err)
		gotBinary, err := got.MarshalBinary()
		require.NoError(t, err)
		counts := make([]drift.ColumnCounts, 2)
		for i, name := range ref.Names() {
			counts[i], err = want.Counts(name)
			require.NoError(t, err)
		}
		again := ref.NewProfile()
		require.NoError(t, again.AddCounts(int64(want.Rows()), counts))
		return toJSON(t, want) == toJSON(t, got) && string(wantBinary) == string(gotBinary) && toJSON(t, want) == toJSON(t, again)
	}
	props.Property("of distinct values", prop.ForAll(func(base, a, b []float64) bool { return same(base, a, b, 0) },
		sample, sample, sample))
	props.Property("of quantiles", prop.ForAll(func(base, a, b []float64) bool { return same(base, a, b, 4) },
		sample, sample, sample))
	props.Property("of a constant", prop.ForAll(func(x float64, n int, a []float64) bool {
		constant := make([]float64, n)
		for i := range constant {
			constant[i] = x
		}
		return same(constant, constant, a, 0)
	}, anyNumber(), gen.IntRange(0, 5), sample))
	props.TestingRun(t)
}

func TestProfile_AddCountsOfManyRows(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 1))
	draw := func(n int) []float64 {
		values := make([]float64, n)
		for i := range values {
			values[i] = math.Exp(3 * rng.NormFloat64())
		}
		return values
	}
	ref := newReference(t, drift.Numeric("x", draw(5000)))
	values := draw(20000)
	got := ref.NewProfile()
	require.NoError(t, got.AddCounts(20000, []drift.ColumnCounts{countNumbers(ref.Layout()[0], values)}))
	require.Equal(t, toJSON(t, profileOf(t, ref, drift.Numeric("x", values))), toJSON(t, got))
}

func TestProfile_AddCountsErrors(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("x", []float64{1, 2, 4}), drift.Categorical("c", []string{"a", "b", "b"}))
	layout := ref.Layout()
	require.Equal(t, []float64{math.Nextafter(1, 0), 1, math.Nextafter(2, 0), 2, math.Nextafter(4, 0), 4}, layout[0].Edges)
	values := []float64{1, 2, 2, 5}
	p := profileOf(t, ref, drift.Numeric("x", values), drift.Categorical("c", []string{"a", "b", "b", "new"}))
	before := toJSON(t, p)
	cases := []struct {
		name  string
		alter func(x, c *drift.ColumnCounts)
		want  string
	}{
		{"missing", func(_, c *drift.ColumnCounts) { c.Name = "other" },
			"drift: column \"other\": is none of the reference, which has [\"x\" \"c\"]\ndrift: column \"c\": is missing"},
		{"twice", func(_, c *drift.ColumnCounts) { c.Name = "x" },
			"drift: column \"x\": is given twice\ndrift: column \"c\": is missing"},
		{"cells", func(x, c *drift.ColumnCounts) { x.Cells = x.Cells[1:]; c.Cells = nil },
			"drift: column \"x\": has 6 cells, want 7\ndrift: column \"c\": has 0 cells, want 2"},
		{"negative", func(x, _ *drift.ColumnCounts) { x.Cells[1], x.Missing = 2, -1 },
			`drift: column "x": has a count of -1, want 0 to 4`},
		{"rows", func(x, _ *drift.ColumnCounts) { x.Cells[1]++ }, `drift: column "x": has counts for 5 rows, want 4`},
		{"unseen number", func(x, _ *drift.ColumnCounts) { x.Cells[1]--; x.Unseen++ },
			`drift: column "x": has counts that a numeric column cannot have`},
		{"infinite name", func(_, c *drift.ColumnCounts) { c.Unseen--; c.PosInf++ },
			`drift: column "c": has counts that a categorical column cannot have`},
		{"sum of names", func(_, c *drift.ColumnCounts) { c.Sum = big.NewInt(1) },
			`drift: column "c": has moments of no values that are not 0`},
		{"extremes", func(x, _ *drift.ColumnCounts) { x.Min, x.Max = 5, 1 },
			`drift: column "x": has minimum 5 and maximum 1`},
		{"NaN", func(x, _ *drift.ColumnCounts) { x.Min = math.NaN() },
			`drift: column "x": has minimum NaN and maximum 5`},
		{"other side of an edge", func(x, _ *drift.ColumnCounts) { x.Cells[1]--; x.Cells[2]++ },
			`drift: column "x": has minimum 1 and maximum 5, of cells 1 and 6, but counts from cell 2 to 6`},
		{"sum", func(x, _ *drift.ColumnCounts) { x.Sum = new(big.Int).Lsh(big.NewInt(1), 60) },
			`drift: column "x": has a negative variance`},
		{"squares", func(x, _ *drift.ColumnCounts) { x.Squares = new(big.Int).Lsh(big.NewInt(1), 120) },
			`drift: column "x": has a standard deviation above half of the range from 1 to 5`},
		{"sum and squares", func(x, _ *drift.ColumnCounts) {
			x.Sum, x.Squares = new(big.Int).Lsh(big.NewInt(1), 60), new(big.Int).Lsh(big.NewInt(1), 120)
		}, `drift: column "x": has a mean that is not between its minimum 1 and maximum 5`},
		{"immense", func(x, _ *drift.ColumnCounts) { x.Sum = new(big.Int).Lsh(big.NewInt(1), 1<<20) },
			`drift: column "x": has a sum that is too large for any numbers`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			counts := []drift.ColumnCounts{countNumbers(layout[0], values), countTexts(layout[1], []string{"a", "b", "b", "new"})}
			c.alter(&counts[0], &counts[1])
			err := p.AddCounts(4, counts)
			require.ErrorIs(t, err, drift.ErrInvalidInput)
			require.EqualError(t, err, c.want)
			require.Equal(t, before, toJSON(t, p), "refused counts leave nothing behind")
		})
	}
	for _, rows := range []int64{-1, 1<<53 - 3, math.MaxInt64} {
		require.ErrorIs(t, p.AddCounts(rows, nil), drift.ErrInvalidInput)
	}
	require.ErrorIs(t, new(drift.Profile).AddCounts(0, nil), drift.ErrInvalidInput)
	_, err := new(drift.Profile).Counts("x")
	require.ErrorIs(t, err, drift.ErrInvalidInput)
	_, err = ref.NewProfile().Counts("nobody")
	require.ErrorContains(t, err, `column "nobody": is unknown`)
	require.NoError(t, p.AddCounts(0, []drift.ColumnCounts{
		{Name: "c", Cells: []int64{0, 0}}, {Name: "x", Cells: make([]int64, 7)},
	}))
	require.Equal(t, before, toJSON(t, p))
}

func TestReference_LayoutIsACopy(t *testing.T) {
	t.Parallel()
	ref := newReference(t, drift.Numeric("x", []float64{1, 2}), drift.Categorical("c", []string{"a", "a"}))
	layout := ref.Layout()
	layout[0].Edges[0], layout[1].Levels[0] = 9, "z"
	require.NotEqual(t, layout, ref.Layout())
	require.Empty(t, new(drift.Reference).Layout())
	require.Nil(t, layout[0].Units(math.NaN()))
	require.Nil(t, layout[0].Units(math.Inf(1)))
}

// A reference for scores from 0 to 1 needs no data: equally spaced numbers are enough. A
// database then counts the scores, here four of them.
func ExampleProfile_AddCounts() {
	grid := make([]float64, 101)
	for i := range grid {
		grid[i] = float64(i) / 100
	}
	ref, err := drift.NewReference([]drift.Column{drift.Numeric("score", grid)}, drift.ReferenceConfig{Cells: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	score := ref.Layout()[0]
	fmt.Println("edges", fmt.Sprintf("%.2f", score.Edges[1:]), "around", score.Centre)

	counts := drift.ColumnCounts{
		Name: "score", Cells: []int64{0, 2, 0, 2, 0, 0}, Min: 0.25, Max: 0.75,
		Sum: new(big.Int), Squares: new(big.Int),
	}
	for _, x := range []float64{0.25, 0.25, 0.75, 0.75} {
		k := score.Units(x)
		counts.Sum.Add(counts.Sum, k)
		counts.Squares.Add(counts.Squares, k.Mul(k, k))
	}
	p := ref.NewProfile()
	if err := p.AddCounts(4, []drift.ColumnCounts{counts}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Rows(), "rows")
	// Output:
	// edges [0.25 0.50 0.75 1.00] around 0.5
	// 4 rows
}
