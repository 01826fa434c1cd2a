package gate

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// WriteMarkdown writes the decision as GitHub Flavored Markdown, for a comment on a pull
// request: a heading, what stands in the way, a table of the checks, a table of the metrics,
// and the hashes. Equal decisions give equal bytes. The error is that of w.
//
// Text from the data is escaped: an address does not become a link, a name does not mention a
// person, a number or hash does not refer to an issue or commit, and there are no emoji. Links
// that a repository configures itself, such as "TICKET-12", are not escaped.
func (d Decision) WriteMarkdown(w io.Writer) error {
	p := newPage(d)
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n", escaped(p.Headline), escaped(p.Lead))
	for _, f := range p.Facts {
		fmt.Fprintf(&b, "- %s: %s", f.Name, escaped(f.Value))
		if f.Note != "" {
			fmt.Fprintf(&b, " (%s)", f.Note)
		}
		b.WriteString("\n")
	}
	if len(p.Checks) > 0 {
		b.WriteString("\n| Verdict | Check | Proof | Measured | Wanted | Interval | Rows | Needed | |\n| --- | --- | --- | ---: | ---: | --- | ---: | ---: | --- |\n")
	}
	for i, c := range p.Checks {
		verdict := c.Verdict.String()
		if d.Checks[i].stands() {
			verdict = "**" + verdict + "**"
		}
		interval := c.Interval
		if interval != "" {
			interval += " (" + c.Level + ")"
		}
		measured := c.Statistic
		if c.Measure != "measured" && measured != none {
			measured = c.Measure + " " + measured
		}
		tableRow(&b, verdict, escaped(c.Criterion), escaped(c.Proof), measured, c.Wanted, interval, c.Rows, c.Needed, escaped(c.Reason))
	}
	for _, c := range p.Checks {
		if len(c.Segments) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n<details><summary>%s: %s</summary>\n\n", escapedHTML(c.Criterion), c.Counted)
		b.WriteString("| Segment | Verdict | Rows | Production | Shadow | Change | Detectable drop | Rows needed |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
		for _, s := range c.Segments {
			tableRow(&b, escaped(s.Name), s.Verdict.String(), s.Rows, s.Production, s.Shadow, s.Change, s.Detects, s.Needed)
		}
		b.WriteString("\n</details>\n")
	}
	switch {
	case len(p.Metrics) > 0 && p.Compared:
		b.WriteString("\n| Metric | Production | Shadow | Change |\n| --- | ---: | ---: | ---: |\n")
	case len(p.Metrics) > 0:
		b.WriteString("\n| Metric | Shadow |\n| --- | ---: |\n")
	}
	for _, m := range p.Metrics {
		if p.Compared {
			tableRow(&b, m.Name, m.Production, m.Shadow, m.Change)
		} else {
			tableRow(&b, m.Name, m.Shadow)
		}
	}
	b.WriteString("\n")
	for _, f := range p.Legend {
		fmt.Fprintf(&b, "<sub><b>%s</b> %s</sub><br>\n", escaped(f.Name), escaped(f.Value))
	}
	for _, f := range p.Prints {
		fmt.Fprintf(&b, "<sub>%s <code>%s</code></sub><br>\n", f.Name, escaped(f.Value))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("gate: write Markdown: %w", err)
	}
	return nil
}

func tableRow(b *strings.Builder, cells ...string) {
	for _, cell := range cells {
		b.WriteString("| " + cmp.Or(cell, " ") + " ")
	}
	b.WriteString("|\n")
}

// htmlEscapes escapes HTML. A line break could end a block of HTML, or a row of a table.
var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", " ", "\n", " ")

// markdownEscapes escapes other characters with a meaning in Markdown.
var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`, "#", `\#`, "$", `\$`,
)

// links finds the texts that a comment must follow, so that GitHub does not link an address
// ("https://example.org", "www.example.org", "a@example.org"), mention a person ("@name") or
// refer to an issue ("#12", "GH-12"). Escaping a character is not enough: GitHub reads the
// text after unescaping.
var links = regexp.MustCompile(`(?i)www|:/|@|#|\bgh-`)

// commits finds possible hashes of commits. GitHub links a hash of 7 to 40 digits. A comment
// follows every sixth digit, because the rest of a hash may be a hash too.
var (
	commits = regexp.MustCompile(`[0-9A-Fa-f]{7,}`)
	sixes   = regexp.MustCompile(`.{6}`)
)

// emoji finds the beginning of an emoji's name, such as ":us:" or ":8ball:", but not a time.
var emoji = regexp.MustCompile(`:([A-Za-z+-]|[0-9]{3}|[0-9][a-z])`)

// escaped returns Markdown that reads as s.
func escaped(s string) string { return unlinked(markdownEscapes.Replace(htmlEscapes.Replace(s))) }

// escapedHTML returns HTML that reads as s. Inside HTML, Markdown escapes do not work.
func escapedHTML(s string) string { return unlinked(htmlEscapes.Replace(s)) }

func unlinked(s string) string {
	s = links.ReplaceAllString(s, "$0<!-- -->")
	s = commits.ReplaceAllStringFunc(s, func(run string) string {
		const most = 40
		if len(run) > most {
			return run
		}
		return strings.TrimSuffix(sixes.ReplaceAllString(run, "$0<!-- -->"), "<!-- -->")
	})
	return emoji.ReplaceAllString(s, ":<!-- -->$1")
}
