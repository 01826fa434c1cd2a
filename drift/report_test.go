package drift_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/reportpage"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// smallReport has a column of each verdict, and all kinds of cells.
func smallReport(t *testing.T) *drift.Report {
	t.Helper()
	nan, inf := math.NaN(), math.Inf(1)
	ref := newReference(t,
		drift.Numeric("income", repeat(40, 1.0, 2, 3, 4, 5, 6, 7, 8)),
		drift.Numeric("age", repeat(40, 18.0, 30, 30, 40, 40, 50, 60, nan)),
		drift.Categorical("region", repeat(40, "north", "north", "south", "south", "east", "east", "west", "<b>")),
		drift.Numeric("never", repeat(320, nan)),
		drift.Numeric("seldom", repeat(80, 1.0, nan, nan, nan)))
	report := detect(t, ref, drift.Config{Columns: map[string]drift.ColumnConfig{"age": {Effect: 0.2}}}, profileOf(t, ref,
		drift.Numeric("income", repeat(20, 5.0, 6, 7, 8, 9.5, 10, inf, nan)),
		drift.Numeric("age", repeat(20, 18.0, 30, 30, 40, 40, 50, 60, nan)),
		drift.Categorical("region", repeat(20, "north", "north", "south", "south", "east", "east", "west", "new")),
		drift.Numeric("never", repeat(160, nan)),
		drift.Numeric("seldom", repeat(40, 1.0, nan, nan, nan))))
	report.Label = "small & <simple>"
	report.From = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	report.To = report.From.Add(24 * time.Hour)
	return report
}

func TestReport_JSON(t *testing.T) {
	t.Parallel()
	report := smallReport(t)
	data, err := json.MarshalIndent(report, "", "  ")
	require.NoError(t, err)
	const golden = "testdata/report.json"
	if *update {
		require.NoError(t, os.WriteFile(golden, data, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(data), "if the change is meant, run go test -update and raise the schema version")

	var read drift.Report
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, *report, read)
	require.Equal(t, "drifted: 2 of 4 columns (income, region)", read.String())
}

func TestReport_HistogramsAreShares(t *testing.T) {
	t.Parallel()
	for _, c := range smallReport(t).Columns {
		var reference, current float64
		for _, b := range c.Histogram {
			reference += b.Reference
			current += b.Current
		}
		require.LessOrEqual(t, len(c.Histogram), 30)
		if len(c.Histogram) > 0 {
			require.InDelta(t, 1, reference, 1e-12, c.Name)
			require.InDelta(t, 1, current, 1e-12, c.Name)
		}
	}
}

func TestColumnReport_Leading(t *testing.T) {
	t.Parallel()
	c := drift.ColumnReport{}
	require.Equal(t, drift.Test{}, c.Leading())
	c.Tests = []drift.Test{
		{Name: drift.MethodKS, EffectSize: 0.5, Floor: 0.1},
		{Name: drift.MethodMissing, EffectSize: 0.04, Floor: 0.02, Drifted: true},
		{Name: drift.MethodInfinite, EffectSize: 0.06, Floor: 0.02, Drifted: true},
	}
	require.Equal(t, drift.MethodInfinite, c.Leading().Name)
}

func TestVerdict_Text(t *testing.T) {
	t.Parallel()
	for _, v := range []drift.Verdict{drift.Invalid, drift.Insufficient, drift.Stable, drift.Drifted} {
		text, err := v.MarshalText()
		require.NoError(t, err)
		require.Equal(t, v.String(), string(text))
		var read drift.Verdict
		require.NoError(t, read.UnmarshalText(text))
		require.Equal(t, v, read)
	}
	_, err := drift.Verdict(9).MarshalText()
	require.EqualError(t, err, "drift: unknown verdict 9")
	require.EqualError(t, new(drift.Verdict).UnmarshalText([]byte("good")),
		`drift: unknown verdict "good", want one of ["invalid" "insufficient" "stable" "drifted"]`)
	require.Equal(t, "Verdict(9)", drift.Verdict(9).String())
}

func TestKind_Text(t *testing.T) {
	t.Parallel()
	for _, k := range []drift.Kind{drift.KindNumeric, drift.KindCategorical} {
		text, err := k.MarshalText()
		require.NoError(t, err)
		var read drift.Kind
		require.NoError(t, read.UnmarshalText(text))
		require.Equal(t, k, read)
	}
	_, err := drift.Kind(0).MarshalText()
	require.EqualError(t, err, "drift: unknown kind 0")
	require.Error(t, new(drift.Kind).UnmarshalText(nil))
	require.Equal(t, "Kind(0)", drift.Kind(0).String())
}

func TestPage(t *testing.T) {
	t.Parallel()
	page := html(t, smallReport(t))
	require.Equal(t, page, html(t, smallReport(t)), "equal reports give equal bytes")

	for _, want := range []string{
		"<title>Drift report: small &amp; &lt;simple&gt;</title>",
		"The data have drifted.",
		"2 of 4 columns drifted; 30 % or more are called drift of the data set.",
		"2025-03-01 00:00 to 2025-03-02 00:00 UTC",
		"&lt;b&gt;", `id="column-5"`, "</html>",
	} {
		require.Contains(t, page, want)
	}
	// Nothing is loaded, nothing in the data is markup, and no number is missing.
	for _, no := range []string{"http:", "https:", "src=", "@import", "url(", "<link", "<b>", "NaN", "Inf,", "ZgotmplZ", "<no value>"} {
		require.NotContains(t, page, no)
	}
	for _, path := range regexp.MustCompile(` d="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		require.Regexp(t, `^[MLVHZ0-9. -]+$`, path[1])
	}
	for _, tag := range []string{"section", "details", "table", "svg", "div", "p", "span"} {
		opened := regexp.MustCompile("<" + tag + "[ >]")
		require.Len(t, opened.FindAllString(page, -1), strings.Count(page, "</"+tag+">"), tag)
	}
}

func TestPage_ShowsIntervals(t *testing.T) {
	t.Parallel()
	report := smallReport(t)
	ci := report.Columns[0].Leading().CI
	require.Greater(t, ci.Lo, 0.0)
	page := html(t, report)
	require.Contains(t, page, fmt.Sprintf("%.3f to %.3f", ci.Lo, ci.Hi))
	require.Contains(t, page, "with its 95 % confidence interval")
}

// A change that is small against the values does not vanish between the digits: neither in
// the reason, nor in the overview, the table, the picture's labels or a rate.
func TestReport_TellsValuesApart(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(71, 1))
	scaled := func(n int, location, scale, shift float64, digits int) []float64 {
		x := normals(rng, n, shift)
		unit := math.Pow10(digits)
		for i := range x {
			x[i] = math.Round(unit*(location+scale*x[i])) / unit
		}
		return x
	}
	const number = `(-?[\d.]+(?:e[-+]\d+)?)`
	median := regexp.MustCompile(`Values up to ` + number + ` went from .* the median from ` + number + ` to ` + number + `: `)
	for _, c := range []struct {
		name            string
		location, scale float64
		digits          int
		want            string // of the numbers
	}{
		{"pressure", 1013.25, 0.1, 4, `^1013\.\d{1,4}$`},
		{"timestamp", 1_701_260_997, 10_000, 0, `^17012\d{5}$`},
		{"ratio", 0.999, 1e-4, 9, `^0\.99[89]\d*$`},
		{"serial", 123_456_789_012_345, 50, 0, `^123456789012\d{3}$`},
		{"large", 1e20, 1e16, 0, `^1(\.\d+)?e\+20$`},
		{"small", 3e-7, 1e-10, 14, `^(2\.9\d*|3(\.\d+)?)e-07$`},
	} {
		ref := newReference(t, drift.Numeric(c.name, scaled(3000, c.location, c.scale, 0, c.digits)))
		report := detect(t, ref, drift.Config{}, profileOf(t, ref, drift.Numeric(c.name, scaled(1000, c.location, c.scale, 1, c.digits))))
		require.Equal(t, drift.Drifted, report.Verdict)
		found := median.FindStringSubmatch(report.Columns[0].Reason)
		require.Len(t, found, 4, report.Columns[0].Reason)
		require.NotEqual(t, found[2], found[3])
		for _, text := range found[1:] {
			require.Regexp(t, c.want, text, c.name)
		}

		page := strings.ReplaceAll(html(t, report), "\u202f", "")
		row := regexp.MustCompile(`>median (\S+) → (\S+)</td>`).FindStringSubmatch(page)
		require.Len(t, row, 3, "%s: no arrow in the overview", c.name)
		require.NotEqual(t, row[1], row[2])
		cells := regexp.MustCompile(`>Median</th><td class="number">([^<]*)</td><td class="number">([^<]*)</td>`).FindStringSubmatch(page)
		require.Len(t, cells, 3)
		require.NotEqual(t, cells[1], cells[2], c.name)
		titles := make(map[string]bool)
		for _, title := range regexp.MustCompile(`<title>([^<]*): reference`).FindAllStringSubmatch(page, -1) {
			require.False(t, titles[title[1]], "two bins are called %q", title[1])
			titles[title[1]] = true
		}
	}

	two := func(n int, upper int) drift.Column {
		return drift.Numeric("x", append(repeat(n-upper, 1_701_260_997.0), repeat(upper, 1_701_347_397.0)...))
	}
	ref := newReference(t, two(1000, 500))
	report := detect(t, ref, drift.Config{}, profileOf(t, ref, two(1000, 800)))
	require.Contains(t, report.Columns[0].Reason, "The value 1701347397 went from 50 % to 80 %: ")
	require.Contains(t, html(t, report), ">1\u202f701\u202f347\u202f397: 50.0\u00a0% → 80.0\u00a0%<")

	page := html(t, &drift.Report{Columns: []drift.ColumnReport{{
		Name: "x", Kind: drift.KindNumeric, Tests: []drift.Test{{Name: drift.MethodMissing}},
		Reference: drift.Side{Rows: 1e6, MissingRate: 0.1}, Current: drift.Side{Rows: 1e6, MissingRate: 0.10004},
	}}})
	require.Contains(t, page, ">missing 10.000\u00a0% → 10.004\u00a0%<")
}

// Where the spread changed and the median hardly, the overview shows what did move.
func TestPage_ShowsTheSpread(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(73, 1))
	narrow, wide := normals(rng, 3000, 0), normals(rng, 3000, 0)
	for i := range wide {
		wide[i] *= 1.5
	}
	ref := newReference(t, drift.Numeric("x", narrow))
	page := html(t, detect(t, ref, drift.Config{}, profileOf(t, ref, drift.Numeric("x", wide))))
	require.Regexp(t, `>(5|95)\x{a0}% quantile -?1\.\d+ → -?2\.\d+<`, page)
}

// The head of the page names the columns that drifted, and says how many rows would decide
// the others.
func TestPage_HeadSaysWhich(t *testing.T) {
	t.Parallel()
	head := func(r *drift.Report) string {
		before, _, _ := strings.Cut(html(t, r), "</header>")
		return before
	}
	report := smallReport(t)
	require.Contains(t, head(report), `Drifted: <a href="#column-1">income</a> and <a href="#column-3">region</a></p>`)
	report.Columns[4].NeededRows = 2500 // of the only insufficient column
	require.Contains(t, head(report), ">with too few rows; about 2\u202f500 would do; 1 more cannot be judged<")
	require.Contains(t, html(t, report), "<span class=\"needed\">about 2\u202f500 rows would do</span>")

	columns := func(n int) *drift.Report {
		r := new(drift.Report)
		for i := range n {
			r.Columns = append(r.Columns, drift.ColumnReport{Name: fmt.Sprintf("<%d>", i), Verdict: drift.Drifted})
		}
		return r
	}
	require.NotContains(t, head(columns(0)), "Drifted: ")
	require.Contains(t, head(columns(1)), `Drifted: <a href="#column-1">&lt;0&gt;</a></p>`)
	require.Contains(t, head(columns(6)), ` and <a href="#column-6">&lt;5&gt;</a></p>`)
	require.Contains(t, head(columns(7)), `>&lt;4&gt;</a> and <a href="#columns">2 more</a></p>`)
	long := columns(1)
	long.Columns[0].Name = strings.Repeat("é", 1000)
	require.Contains(t, head(long), ">"+strings.Repeat("é", 59)+"…</a></p>")

	undecided := &drift.Report{Columns: []drift.ColumnReport{{Verdict: drift.Insufficient}}}
	require.Contains(t, head(undecided), ">with too few rows in the reference, whatever the current ones<")
	require.Contains(t, html(t, undecided), `<span class="needed">the reference has too few rows</span>`)
	undecided.Columns = append(undecided.Columns, drift.ColumnReport{Verdict: drift.Insufficient, NeededRows: 1200})
	require.Contains(t, head(undecided), ">with too few rows; about 1\u202f200 would do, but for 1 the reference has too few<")
}

// The page explains the effect and the interval of every test that it shows, and of no other.
func TestPage_ExplainsWhatItShows(t *testing.T) {
	t.Parallel()
	const divergence, rates = "noncentral", "difference of the rates"
	explained := map[drift.Method]string{
		drift.MethodKS: "empirical distribution functions", drift.MethodChiSquare: "McDiarmid’s bound", drift.MethodG: "McDiarmid’s bound",
		drift.MethodWasserstein: "delta method", drift.MethodPSI: divergence, drift.MethodJensenShannon: divergence,
		drift.MethodHellinger: divergence, drift.MethodMissing: rates, drift.MethodInfinite: rates, drift.MethodUnseen: rates,
		drift.MethodOutOfRange: "beyond those of the reference",
	}
	for name, want := range explained {
		page := html(t, &drift.Report{Columns: []drift.ColumnReport{{Name: "x", Tests: []drift.Test{{Name: name, CI: drift.CI{Level: 0.95}}}}}})
		for _, text := range explained {
			require.Equal(t, text == want, strings.Contains(page, text), "%s: %s", name, text)
		}
	}
}

// A page begins with what needs attention most.
func TestPage_StartsWithTheMostSevere(t *testing.T) {
	t.Parallel()
	report := smallReport(t)
	report.Columns[1].Notes = []string{"2 values were read as <missing>."}
	page := html(t, report)
	require.Contains(t, page, "<li>2 values were read as &lt;missing&gt;.</li>")
	for _, section := range []string{`<td class="name"[^>]*><a href="#column-(\d)`, `<details class="column" id="column-(\d)`} {
		var order string
		for _, found := range regexp.MustCompile(section).FindAllStringSubmatch(page, -1) {
			order += found[1]
		}
		require.Equal(t, "13542", order, "drifted, insufficient, invalid, stable")
	}
	require.Contains(t, page, ">infinite 0\u00a0% → 14.3\u00a0%<")
	require.Contains(t, page, "M96 1L100 5L96 9", "an interval that goes on beyond the scale")
}

// Of many levels, those are shown that are frequent on either side, and the one that moved
// most; the sentence names it, and the rest does not set the scale.
func TestReport_ShowsTheLevelThatMoved(t *testing.T) {
	t.Parallel()
	// 16 of 30 levels are half as frequent as the others, but one of them is not later.
	rows := func(of25 int) drift.Column {
		var values []string
		for i := range 30 {
			n := 1000
			if i >= 14 {
				n = 500
			}
			if i == 25 {
				n = of25
			}
			for range n {
				values = append(values, fmt.Sprintf("c%02d", i))
			}
		}
		return drift.Categorical("x", values)
	}
	for _, c := range []struct {
		of25  int
		named string
	}{{12_000, `"c25" went from 2.3 % to 35.8 %. `}, {900, ""}} {
		ref := newReference(t, rows(500))
		report := detect(t, ref, drift.Config{}, profileOf(t, ref, rows(c.of25)))
		column := report.Columns[0]
		require.True(t, strings.HasPrefix(column.Reason, c.named), column.Reason)
		require.Len(t, column.Histogram, 13)
		require.Equal(t, "18 other levels", column.Histogram[12].Label)
		require.Equal(t, 18, column.Histogram[12].Levels)
		shown := false
		for _, b := range column.Histogram {
			shown = shown || b.Label == "c25"
		}
		require.True(t, shown)
		page := html(t, report)
		require.Contains(t, page, ">c25: ")
		if c.named == "" {
			require.Contains(t, page, `class="break"`, "the bar of the rest is longer than the scale")
		}
	}
}

// Bins without an end are labelled, and so is the share axis.
func TestPage_Axes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(72, 1))
	incomes := func(n int) []float64 {
		x := normals(rng, n, 0)
		for i := range x {
			x[i] = 40_000 * math.Exp(x[i]/2)
		}
		return x
	}
	ref := newReference(t, drift.Numeric("income", incomes(5000)), drift.Numeric("score", normals(rng, 5000, 0)), drift.Numeric("flag", repeat(1250, 0.0, 0, 0, 1)))
	page := html(t, detect(t, ref, drift.Config{}, profileOf(t, ref,
		drift.Numeric("income", incomes(1000)), drift.Numeric("score", normals(rng, 1000, 0)), drift.Numeric("flag", repeat(250, 0.0, 1, 1, 1)))))
	for _, want := range []string{
		`>&gt; 150\x{202f}000</span>`, `>&lt; 10\x{202f}000</span>`, `left:[\d.]+%">0</span>.*left:[\d.]+%">1</span>`, `left:[\d.]+%">60\x{202f}000</span>.*left:[\d.]+%">100\x{202f}000</span>`,
		`style="bottom:[\d.]+%">10\x{a0}%</span>`, ">The value 1 went from 25\u00a0% to 75\u00a0%: a distance D of 0.5 ", ">1: 25.0\u00a0% → 75.0\u00a0%<",
	} {
		require.True(t, regexp.MustCompile(want).MatchString(page), want)
	}
	require.NotContains(t, page, "e+0")
}

// A report that was not made by a detector may hold anything.
func TestPage_Empty(t *testing.T) {
	t.Parallel()
	one := 1.0
	for _, bins := range [][]drift.Bin{{{Label: "x", Lo: &one, Hi: &one}}, {{Label: "x"}}, {{Label: "x", Lo: &one}, {Label: "y", Hi: &one}}} {
		for _, kind := range []drift.Kind{drift.KindNumeric, drift.KindCategorical} {
			page := html(t, &drift.Report{Columns: []drift.ColumnReport{{Name: "x", Kind: kind, Histogram: bins, Tests: []drift.Test{{Name: drift.MethodKS}}, Reference: drift.Side{Rows: 1}}}})
			require.NotContains(t, page, "width=\"NaN")
		}
	}
}

// A page of 50 columns, each with a full histogram, can be sent by mail.
func TestPage_IsSmall(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(70, 1))
	batch := func(n int, shift float64) []drift.Column {
		var columns []drift.Column
		for i := range 50 {
			name := fmt.Sprintf("a column with a long name %d", i)
			if i%5 > 0 {
				columns = append(columns, drift.Numeric(name, normals(rng, n, shift*float64(i%2))))
				continue
			}
			columns = append(columns, population{shares: harmonicShares(40)}.sample(rng, name, n))
		}
		return columns
	}
	ref := newReference(t, batch(2000, 0)...)
	report := detect(t, ref, drift.Config{}, profileOf(t, ref, batch(1000, 1)...))
	require.Equal(t, drift.Drifted, report.Verdict)
	require.Less(t, len(html(t, report)), 500_000)
}

func TestPage_Plain(t *testing.T) {
	t.Parallel()
	for headline, report := range map[string]*drift.Report{
		"There are too few data to tell.": {Verdict: drift.Insufficient},
		"The data are stable.":            {Verdict: drift.Stable, To: time.Unix(1e9, 0), Columns: []drift.ColumnReport{{Name: "x"}}},
		"The data have drifted.":          {Verdict: drift.Drifted, From: time.Unix(1e9, 0)},
	} {
		require.Contains(t, html(t, report), headline)
	}
}

func TestPage_Error(t *testing.T) {
	t.Parallel()
	err := reportpage.Write(brokenWriter{}, smallReport(t))
	require.ErrorIs(t, err, errBroken)
	require.ErrorContains(t, err, "reportpage: ")
}

var errBroken = errors.New("disk full")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func html(t testing.TB, report *drift.Report) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, reportpage.Write(&b, report))
	return b.String()
}
