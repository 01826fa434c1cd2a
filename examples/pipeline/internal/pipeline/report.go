package pipeline

import (
	"encoding/json"
	"fmt"
	"io"
)

// print writes the summary as a table, or as JSON.
func (s *storySummary) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, s)
	}
	p := &printer{w: w}
	p.scores(
		scoreLine{"before the drift", s.Before},
		scoreLine{"under drift", s.Drifted},
		scoreLine{"after healing", s.Healed},
	)
	p.line("%d requests over HTTP, %d failed; %.1f s", s.Requests, s.Failed, s.Seconds)
	p.files(s.Dir)
	return p.err
}

// print writes the summary as a table, or as JSON.
func (s *replaySummary) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, s)
	}
	p := &printer{w: w}
	p.scores(
		scoreLine{"static", s.Static},
		scoreLine{"healed", s.Healed},
	)
	p.line("%d monitor passes, %d runs: %d promotions, %d rejections, %d inconclusive, %d skipped; %d rollbacks; %.1f s",
		s.Passes, s.Runs, s.Promotions, s.Rejections, s.Inconclusive, s.Skipped, s.Rollbacks, s.Seconds)
	p.files(s.Dir)
	return p.err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printer writes lines and remembers the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// scoreLine is a line of the table.
type scoreLine struct {
	name string
	score
}

func (p *printer) scores(lines ...scoreLine) {
	p.line("")
	p.line("%-18s %6s %6s %6s %9s %7s", "production", "F1", "AUC", "Brier", "accuracy", "rows")
	for _, l := range lines {
		p.line("%-18s %6.3f %6.3f %6.3f %9.3f %7d", l.name, l.F1, l.AUC, l.Brier, l.Accuracy, l.Rows)
	}
	p.line("")
}

func (p *printer) files(dir string) {
	p.line("files: %s (predictions, labels, registry, journal, telemetry, reference.json, drift-reports)", dir)
}
