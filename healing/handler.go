package healing

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/drift"
	"github.com/selfheal-ml/selfheal/drift/reportpage"
	"github.com/selfheal-ml/selfheal/gate"
)

//go:embed status.html
var statusHTML string

//go:embed models.html
var modelsHTML string

// Handler serves what a person wants to see, and nothing that changes anything. Mount it
// under any path with http.StripPrefix; its links are relative. It serves
//
//	GET /                     the status page
//	GET /status.json          the [Status] behind it
//	GET /drift                the drift report of this process's latest pass
//	GET /drift.json           the same as JSON
//	GET /answers              the drift report of the model's answers in that pass
//	GET /answers.json         the same as JSON
//	GET /runs/{id}.json       one of the latest runs
//	GET /runs/{id}/decision   what the gate decided in it, as a page to read or print
//
// It shows what this process knows. If that is more than ten seconds old a request reads
// anew before it answers, for a second at most: a store that is down makes the page old,
// and say so, but never away. It may show what the host's models are fed with: put it
// behind the host's own authentication. [Handler] serves several loops.
func (l *Loop) Handler() http.Handler {
	page := template.Must(template.New("status").Funcs(template.FuncMap{
		"when":     when,
		"percent":  percent,
		"covered":  func(share float64) string { return percent(coveredPercent(share) / 100) },
		"outcome":  func(r Run) string { return outcome(r.Step) },
		"words":    func(s Step) string { return strings.ReplaceAll(string(s), "_", " ") },
		"verdict":  verdictClass,
		"positive": positive,
	}).Parse(statusHTML))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		l.view(r.Context())
		var b bytes.Buffer
		if err := page.Execute(&b, newStatusPage(l.Status(), l.report() != nil, l.answersReport() != nil, time.Now())); err != nil {
			l.fail(w, r, err)
			return
		}
		write(w, "text/html; charset=utf-8", b.Bytes())
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, r *http.Request) {
		l.view(r.Context())
		l.reply(w, r, l.Status())
	})
	mux.HandleFunc("GET /runs/{file}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := strings.CutSuffix(r.PathValue("file"), ".json")
		if !ok {
			http.NotFound(w, r)
			return
		}
		l.view(r.Context())
		run, err := l.find(id)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		l.reply(w, r, run)
	})
	mux.HandleFunc("GET /runs/{id}/decision", func(w http.ResponseWriter, r *http.Request) {
		l.view(r.Context())
		run, err := l.find(r.PathValue("id"))
		if err == nil && run.Decision == nil {
			err = fmt.Errorf("healing: %s has no decision, it came as far as %q", run.ID, run.Step)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		var b bytes.Buffer
		if err := run.Decision.WriteHTML(&b); err != nil {
			l.fail(w, r, err)
			return
		}
		write(w, "text/html; charset=utf-8", b.Bytes())
	})
	for name, report := range map[string]func() *drift.Report{"drift": l.report, "answers": l.answersReport} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			l.replyReport(w, r, report(), func(report *drift.Report) {
				var b bytes.Buffer
				if err := reportpage.Write(&b, report); err != nil {
					l.fail(w, r, err)
					return
				}
				write(w, "text/html; charset=utf-8", b.Bytes())
			})
		})
		mux.HandleFunc("GET /"+name+".json", func(w http.ResponseWriter, r *http.Request) {
			l.replyReport(w, r, report(), func(report *drift.Report) { l.reply(w, r, report) })
		})
	}
	return mux
}

// What pages show is at most viewAge old, unless a store takes longer than viewWait.
const (
	viewAge  = 10 * time.Second
	viewWait = time.Second
)

// view refreshes what the pages show, unless that is fresh or another request is at it. An
// error is part of the status.
func (l *Loop) view(ctx context.Context) {
	l.mu.Lock()
	at := l.known.at
	l.mu.Unlock()
	if time.Since(at) < viewAge || !l.viewing.TryLock() {
		return
	}
	defer l.viewing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, viewWait)
	defer cancel()
	if err := l.Refresh(ctx); err != nil {
		l.cfg.Logger.WarnContext(ctx, "status", "error", err)
	}
}

// Handler serves the status of several loops, each about another model: a page that names
// them all, /status.json with a list of each [Status], and the pages of each, see
// [Loop.Handler], below models/ and the name of its model. A model without a name, or two
// with one name, are an error.
func Handler(loops ...*Loop) (http.Handler, error) {
	page := template.Must(template.New("models").Funcs(template.FuncMap{"when": when, "path": url.PathEscape}).Parse(modelsHTML))
	mux := http.NewServeMux()
	var (
		errs  []error
		pages = map[string]http.Handler{}
	)
	for _, l := range loops {
		name := l.parts.name()
		switch {
		case name == "":
			errs = append(errs, errors.New("healing: handler: a loop has no Parts.Model"))
		case pages[name] != nil:
			errs = append(errs, fmt.Errorf("healing: handler: two loops are about %q", name))
		}
		pages[name] = l.Handler()
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	mux.HandleFunc("GET /models/{model}/{page...}", func(w http.ResponseWriter, r *http.Request) {
		h, ok := pages[r.PathValue("model")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		below := r.Clone(r.Context())
		below.URL.Path, below.URL.RawPath = "/"+r.PathValue("page"), ""
		h.ServeHTTP(w, below)
	})
	statuses := func(ctx context.Context) []Status {
		all := make([]Status, len(loops))
		for i, l := range loops {
			l.view(ctx)
			all[i] = l.Status()
		}
		return all
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		if err := page.Execute(&b, statuses(r.Context())); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		write(w, "text/html; charset=utf-8", b.Bytes())
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, r *http.Request) {
		data, err := json.MarshalIndent(statuses(r.Context()), "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		write(w, "application/json", append(data, '\n'))
	})
	return mux, nil
}

// report returns the drift report of the latest pass of this process that has one.
func (l *Loop) report() *drift.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastReport
}

// answersReport returns the drift report of the answers of that pass.
func (l *Loop) answersReport() *drift.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastAnswer
}

// replyReport answers with a report, if there is one.
func (l *Loop) replyReport(w http.ResponseWriter, r *http.Request, report *drift.Report, answer func(*drift.Report)) {
	if report == nil {
		http.Error(w, "no drift report yet: this process has not compared anything", http.StatusNotFound)
		return
	}
	answer(report)
}

func (l *Loop) reply(w http.ResponseWriter, r *http.Request, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		l.fail(w, r, err)
		return
	}
	write(w, "application/json", append(data, '\n'))
}

// fail answers that a page could not be made.
func (l *Loop) fail(w http.ResponseWriter, r *http.Request, err error) {
	l.cfg.Logger.ErrorContext(r.Context(), "status", "path", r.URL.Path, "error", err)
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

func write(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(body) // the client's loss if it is gone
}

// statusPage is what the template shows.
type statusPage struct {
	Status
	Now time.Time
	// Share and Samples are the passes as pictures, oldest first.
	Share, Samples sparkline
	// Recent are the latest passes.
	Recent []Pass
	// HasReport and HasAnswers say whether there are drift reports to link to.
	HasReport, HasAnswers bool
}

func newStatusPage(s Status, hasReport, hasAnswers bool, now time.Time) statusPage {
	p := statusPage{Status: s, Now: now, Recent: s.Passes[:min(len(s.Passes), 12)], HasReport: hasReport, HasAnswers: hasAnswers}
	var share, samples []float64
	for i := len(s.Passes) - 1; i >= 0; i-- {
		if d := s.Passes[i].Drift; d != nil {
			share = append(share, d.Share)
		}
		samples = append(samples, float64(s.Passes[i].Samples))
	}
	p.Share, p.Samples = newSparkline(share, 1), newSparkline(samples, 0)
	return p
}

// sparkline is a small line chart.
type sparkline struct {
	Points string  // the "x,y x,y ..." of an SVG polyline in a box of 240 by 48
	Max    float64 // the value at the top
	N      int
}

const sparkWidth, sparkHeight = 240, 48

// newSparkline draws values between 0 and top, or their own maximum if top is 0.
func newSparkline(values []float64, top float64) sparkline {
	if top == 0 {
		for _, v := range values {
			top = max(top, v)
		}
	}
	s := sparkline{Max: top, N: len(values)}
	if len(values) < 2 || top == 0 {
		return s
	}
	var b strings.Builder
	for i, v := range values {
		x := sparkWidth * float64(i) / float64(len(values)-1)
		y := 1 + (sparkHeight-2)*(1-v/top)
		fmt.Fprintf(&b, "%.1f,%.1f ", x, y)
	}
	s.Points = strings.TrimSpace(b.String())
	return s
}

// outcome sorts steps into the few kinds that are told apart by colour.
func outcome(s Step) string {
	switch s {
	case StepConfirmed:
		return "good"
	case StepRolledBack, StepAborted, StepRollingBack:
		return "bad"
	case StepRejected, StepInconclusive, StepSkipped, StepSuperseded:
		return "held"
	}
	return "open"
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// percent prints a share as the gate does: one that is not all does not read 100 %.
func percent(x float64) string {
	return gate.Check{Unit: gate.UnitShare, Statistic: x, Threshold: math.NaN()}.Measured()
}

// verdictClass tells the verdicts apart by colour.
func verdictClass(v gate.Verdict) string {
	switch v {
	case gate.Pass:
		return "good"
	case gate.Fail, gate.Error:
		return "bad"
	}
	return "held"
}

// positive prints the share of positive answers of a pass.
func positive(p Pass) string {
	if p.Proxy == nil || p.Proxy.PositiveRate == nil {
		return "–"
	}
	return percent(*p.Proxy.PositiveRate)
}
