package healing

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
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

// Handler serves pages that show the loop and change nothing. Mount the handler under any
// path with http.StripPrefix; its links are relative. The pages are
//
//	GET /                     the status page
//	GET /status.json          the [Status] behind it
//	GET /drift                the drift report of this process's latest pass
//	GET /drift.json           the same as JSON
//	GET /answers              the drift report of the model's answers in that pass
//	GET /answers.json         the same as JSON
//	GET /runs/{id}.json       one of the latest runs
//	GET /runs/{id}/decision   the gate's decision in that run, as a page to read or print
//
// The pages show what this process knows. If this knowledge is more than ten seconds old, a
// request reads the stores anew before it answers, for a second at most: when a store is
// down, the page says how old it is and still appears. The pages may show inputs of the
// host's models: put them behind the host's own authentication. [Handler] serves several
// loops.
func (l *Loop) Handler() http.Handler {
	status := template.Must(template.New("status").Funcs(template.FuncMap{
		"when":     when,
		"percent":  percent,
		"covered":  func(share float64) string { return percent(coveredPercent(share) / 100) },
		"outcome":  func(r Run) string { return outcome(r.Step) },
		"words":    func(s Step) string { return strings.ReplaceAll(string(s), "_", " ") },
		"verdict":  verdictClass,
		"positive": positive,
	}).Parse(statusHTML))
	mux := http.NewServeMux()
	handle := func(pattern string, p page) { mux.Handle("GET "+pattern, p.handler(l.cfg.Logger)) }
	handle("/{$}", func(r *http.Request) (answer, error) {
		l.view(r.Context())
		return htmlAnswer(func(w io.Writer) error {
			return status.Execute(w, newStatusPage(l.Status(), l.report() != nil, l.answersReport() != nil, time.Now()))
		})
	})
	handle("/status.json", func(r *http.Request) (answer, error) {
		l.view(r.Context())
		return jsonAnswer(l.Status())
	})
	handle("/runs/{file}", func(r *http.Request) (answer, error) {
		id, ok := strings.CutSuffix(r.PathValue("file"), ".json")
		if !ok {
			return answer{}, notFound{errors.New("404 page not found")}
		}
		l.view(r.Context())
		run, err := l.find(id)
		if err != nil {
			return answer{}, notFound{err}
		}
		return jsonAnswer(run)
	})
	handle("/runs/{id}/decision", func(r *http.Request) (answer, error) {
		l.view(r.Context())
		run, err := l.find(r.PathValue("id"))
		if err == nil && run.Decision == nil {
			err = fmt.Errorf("healing: %s has no decision: its last step is %q", run.ID, run.Step)
		}
		if err != nil {
			return answer{}, notFound{err}
		}
		return htmlAnswer(run.Decision.WriteHTML)
	})
	errNoReport := notFound{errors.New("no drift report yet: this process has not compared anything")}
	for name, latest := range map[string]func() *drift.Report{"/drift": l.report, "/answers": l.answersReport} {
		handle(name, func(*http.Request) (answer, error) {
			report := latest()
			if report == nil {
				return answer{}, errNoReport
			}
			return htmlAnswer(func(w io.Writer) error { return reportpage.Write(w, report) })
		})
		handle(name+".json", func(*http.Request) (answer, error) {
			report := latest()
			if report == nil {
				return answer{}, errNoReport
			}
			return jsonAnswer(report)
		})
	}
	return mux
}

// What pages show is at most viewAge old, unless a store takes longer than viewWait.
const (
	viewAge  = 10 * time.Second
	viewWait = time.Second
)

// view refreshes what the pages show, unless that is fresh or another request refreshes it.
// An error becomes part of the status.
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

// Handler serves the status of several loops, each about another model: a page that names all
// models, /status.json with a list of each [Status], and the pages of each [Loop.Handler]
// below models/ and the name of the model. A model without a name, or two models with one
// name, are an error.
func Handler(loops ...*Loop) (http.Handler, error) {
	models := template.Must(template.New("models").Funcs(template.FuncMap{"when": when, "path": url.PathEscape}).Parse(modelsHTML))
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
	silent := slog.New(slog.DiscardHandler)
	mux.Handle("GET /{$}", page(func(r *http.Request) (answer, error) {
		return htmlAnswer(func(w io.Writer) error { return models.Execute(w, statuses(r.Context())) })
	}).handler(silent))
	mux.Handle("GET /status.json", page(func(r *http.Request) (answer, error) {
		return jsonAnswer(statuses(r.Context()))
	}).handler(silent))
	return mux, nil
}

// report returns the drift report of the latest pass of this process that compared rows.
func (l *Loop) report() *drift.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastReport
}

// answersReport returns the drift report of the answers in that pass.
func (l *Loop) answersReport() *drift.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastAnswer
}

// answer is the body of a response and its content type.
type answer struct {
	contentType string
	body        []byte
}

func htmlAnswer(write func(io.Writer) error) (answer, error) {
	var b bytes.Buffer
	err := write(&b)
	return answer{"text/html; charset=utf-8", b.Bytes()}, err
}

func jsonAnswer(v any) (answer, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return answer{"application/json", append(data, '\n')}, err
}

// notFound is the error of a page that does not exist, or not yet.
type notFound struct{ error }

// page makes the answer to a request.
type page func(r *http.Request) (answer, error)

// handler serves the page, and logs why it could not be made.
func (p page) handler(logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := p(r)
		var missing notFound
		switch {
		case errors.As(err, &missing):
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		case err != nil:
			logger.ErrorContext(r.Context(), "status", "path", r.URL.Path, "error", err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", a.contentType)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Write(a.body) // an error means that the client is gone
	})
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

// newSparkline draws values between 0 and top. A top of 0 stands for the largest value.
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

// outcome returns the class of colour of a step.
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

// percent prints a share with one decimal. A share of almost 0 or almost 1 gets as many
// decimals, up to 8, as it takes not to read 0 % or 100 %.
func percent(share float64) string {
	write := func(x float64, decimals int) string { return strconv.FormatFloat(100*x, 'f', decimals, 64) + " %" }
	for decimals := 1; decimals <= 8; decimals++ {
		text := write(share, decimals)
		if (share == 0 || text != write(0, decimals)) && (share == 1 || text != write(1, decimals)) {
			return text
		}
	}
	return write(share, 1)
}

// verdictClass returns the class of colour of a verdict.
func verdictClass(v gate.Verdict) string {
	switch v {
	case gate.Pass:
		return "good"
	case gate.Fail, gate.Errored:
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
