package gate_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
)

// hostile holds what data could bring into a page.
const hostile = "a|b <script>alert(1)</script> [x](http://x) *y* `z` &amp; \n# h\\"

func markdown(t testing.TB, d gate.Decision) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, d.WriteMarkdown(&b))
	return b.String()
}

func html(t testing.TB, d gate.Decision) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, d.WriteHTML(&b))
	return b.String()
}

func TestDecision_WriteMarkdown(t *testing.T) {
	t.Parallel()
	d := sample()
	d.Evidence, d.Prev = "cd34", "ef56"
	d.Checks[1].Segments = []gate.SegmentResult{
		{Segment: "region=north", Rows: 1000, Verdict: gate.Pass, Production: 0.71, Shadow: 0.74, Drop: -0.042, PValue: 0.9, Detectable: 0.03},
		{Segment: "region=south", Rows: 190, Verdict: gate.Undecided, Production: 0.7, Shadow: 0.69, Drop: 0.014, PValue: 1, Detectable: 0.11, Needed: 2304},
		{Segment: "region=east", Rows: 14, Verdict: gate.Undecided},
	}
	d.Basis = &gate.Basis{
		Coverage: labels.Count{Predictions: 2408, Labelled: 1204}, TrainingRows: 3,
		ProductionLatency: gate.Latency{P95: 1234 * time.Nanosecond}, ShadowLatency: gate.Latency{P95: 20 * time.Millisecond},
	}
	want, err := os.ReadFile(filepath.Join("testdata", "decision.md"))
	require.NoError(t, err)
	require.Equal(t, string(want), markdown(t, d))
	require.Equal(t, "## The evidence does not decide\n\n0 of 0 checks passed.\n\n- Policy: \n- Rows: 0\n", strings.Split(markdown(t, gate.Decision{}), "\n<sub>")[0])
}

func TestDecision_RenderEscapes(t *testing.T) {
	t.Parallel()
	d := sample()
	d.Policy = hostile
	d.Checks[0].Criterion, d.Checks[2].Reason, d.Checks[3].Reason = hostile, hostile, "\xff<b>"
	d.Checks[1].Segments = []gate.SegmentResult{{Segment: hostile, Rows: 7}}
	text := markdown(t, d)
	require.NotContains(t, text, "<script")
	require.NotRegexp(t, `[^\\]\]\(http`, text)
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "| ") {
			require.Contains(t, []int{5, 9, 10}, len(regexp.MustCompile(`(^|[^\\])\|`).FindAllString(line, -1)), line)
		}
	}
	page := html(t, d)
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "<b>")
}

// Names come with the data: none makes a link, tells a person or another page.
func TestDecision_RenderLinks(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"https://evil.example/x": "https:/<!-- -->/evil.example/x",
		"HTTP://evil.example":    "HTTP:/<!-- -->/evil.example",
		"www.evil.example":       "www<!-- -->.evil.example",
		"a@evil.example":         "a@<!-- -->evil.example",
		"@someone":               "@<!-- -->someone",
		"owner/name#12":          `owner/name\#<!-- -->12`,
		"GH-12":                  "GH-<!-- -->12",
		"high-risk":              "high-risk",
		"$x$":                    `\$x\$`,
		"6f94c11":                "6f94c1<!-- -->1",
		"v6F94C11A5C37-x":        "v6F94C1<!-- -->1A5C37-x",
		"6f94c11a5c3785ed8d6a35868bc169f07e40e889": "6f94c1<!-- -->1a5c37<!-- -->85ed8d<!-- -->6a3586<!-- -->8bc169<!-- -->f07e40<!-- -->e889",
		"abcdef":               "abcdef",
		":us:":                 ":<!-- -->us:",
		":+1:":                 ":<!-- -->+1:",
		":-1: :100: :8ball:":   ":<!-- -->-1: :<!-- -->100: :<!-- -->8ball:",
		"2025-03-07T23:00:00Z": "2025-03-07T23:00:00Z",
	} {
		d := sample()
		d.Policy, d.Checks[2].Reason = name, "worst in "+name
		d.Checks[1].Criterion = name
		d.Checks[1].Segments = []gate.SegmentResult{{Segment: name, Rows: 7}}
		page := markdown(t, d)
		require.Contains(t, page, "- Policy: "+want+"\n")
		require.Contains(t, page, " Worst in "+want+". ")
		require.Contains(t, page, "| worst in "+want+" |")
		require.Contains(t, page, "| "+want+" | error | 7 |")
		require.Contains(t, page, "<details><summary>"+strings.ReplaceAll(want, `\`, "")+": 1 segments</summary>")
	}
}

// Within a block of HTML a backslash is one, and a blank line would end the block.
func TestDecision_RenderSummary(t *testing.T) {
	t.Parallel()
	d := sample()
	for criterion, want := range map[string]string{
		"balanced_accuracy by segment": "balanced_accuracy by segment",
		"a < b & *c*\n\n<i>|\\":        `a &lt; b &amp; *c*  &lt;i&gt;|\`,
	} {
		d.Checks[1].Criterion = criterion
		d.Checks[1].Segments = []gate.SegmentResult{{Segment: "k=a", Rows: 7}}
		require.Contains(t, markdown(t, d), "\n<details><summary>"+want+": 1 segments</summary>\n\n")
	}
}

func TestDecision_WriteHTML(t *testing.T) {
	t.Parallel()
	for _, d := range []gate.Decision{
		gate.Evaluate(gate.Standard(), timed(better(t))), gate.Evaluate(gate.Classic(), regression(300, 1.1)), sample(), {},
	} {
		page := html(t, d)
		require.Equal(t, page, html(t, d), "equal decisions give equal bytes")
		for _, outside := range []string{"http:", "https:", "src=", "url(", "@import", "<link", "<script"} {
			require.NotContains(t, page, outside)
		}
		for _, c := range d.Checks {
			require.Contains(t, page, c.Verdict.String())
		}
		wellFormed(t, page)
	}
	page := html(t, sample())
	require.Contains(t, page, `<title>Reject the shadow: F1 0.710 → 0.742 (90 % CI of the gain &#43;0.010 to unbounded)</title>`)
	require.Contains(t, page, `aria-label="measured &#43;0.032, interval &#43;0.010 to unbounded, threshold 0"`)
	require.Contains(t, page, `<rect class="span" x="33.1" y="6" width="66.9" height="8"/>`, "an open end reaches the edge")
}

// wellFormed reads a page as XML, which a page without void elements but in its head is.
func wellFormed(t testing.TB, page string) {
	t.Helper()
	_, body, ok := strings.Cut(page, "</head>")
	require.True(t, ok)
	body, _, ok = strings.Cut(body, "</html>")
	require.True(t, ok)
	for d := xml.NewDecoder(strings.NewReader(body)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("malformed page: %v", err)
		}
	}
}

// failing is a writer that fails.
type failing struct{}

var errFull = errors.New("disk full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestDecision_RenderWriteError(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, sample().WriteMarkdown(failing{}), errFull)
	require.ErrorIs(t, sample().WriteHTML(failing{}), errFull)
}

func TestDecision_PictureIsBounded(t *testing.T) {
	t.Parallel()
	place := regexp.MustCompile(`(?: x| x1|width)="(-?[0-9.]+|[^"]*)"`)
	for _, ci := range []gate.Interval{{Lo: -1, Hi: 1}, {Lo: math.Inf(-1), Hi: math.Inf(1)}, {Lo: 2, Hi: -2}, {Lo: nan, Hi: 1}, {Lo: -math.MaxFloat64, Hi: math.MaxFloat64}} {
		for _, v := range []float64{0, 5, -5, nan, math.Inf(1), math.MaxFloat64} {
			for _, threshold := range []float64{0, 7, nan, math.Inf(-1)} {
				page := html(t, gate.Decision{Checks: []gate.Check{{CI: &ci, Statistic: v, Threshold: threshold}}})
				_, page, _ = strings.Cut(page, "<main>")
				for _, m := range place.FindAllStringSubmatch(page, -1) {
					require.Regexp(t, `^([0-9]|[0-9][0-9]|100)(\.[0-9])?$|^100\.0$`, m[1], "%v %v %v", ci, v, threshold)
				}
			}
		}
	}
}
