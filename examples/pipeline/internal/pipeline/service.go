package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/registry"
)

const (
	modelName = "credit-risk"
	// timeHeader carries the time at which a simulated client asks. Without it the time is
	// the present.
	timeHeader = "X-Simulated-Time"
	// maxRequest bounds the body of a request for a prediction.
	maxRequest = 64 << 10
	// drainTimeout bounds the wait for requests in flight when the service ends.
	drainTimeout = 5 * time.Second
)

// service answers POST /predict with the model in production and takes labels at POST
// /labels. Of healing it knows only that the model may change.
type service struct {
	live     *registry.Live[gate.Model]
	recorder *predictlog.Recorder
	schema   *predictlog.Schema
	labels   labels.Store
	status   http.Handler // served under /healing/
}

// handler returns the routes.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /predict", s.recorder.Middleware(http.HandlerFunc(s.predict)))
	mux.Handle("POST /labels", labels.Handler(s.labels))
	mux.Handle("/healing/", http.StripPrefix("/healing", s.status))
	mux.Handle("GET /{$}", http.RedirectHandler("/healing/", http.StatusFound))
	return mux
}

// run serves on the listener, follows promotions and writes the log until ctx is done.
// Then it lets the requests in flight finish and the log drain.
func (s *service) run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()

	var wg sync.WaitGroup
	var errRecorder, errShutdown error
	wg.Go(func() { errRecorder = s.recorder.Run(background) })
	wg.Go(func() { s.live.Run(background) }) // reports failures by Err, and by its logger
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-background.Done(): // nothing is served any more
			return
		}
		limited, cancel := context.WithTimeout(background, drainTimeout)
		defer cancel()
		errShutdown = server.Shutdown(limited)
		stop() // after the last request, so that its record is drained too
	})
	errServe := server.Serve(listener)
	if errors.Is(errServe, http.ErrServerClosed) {
		errServe = nil
	} else {
		stop()
	}
	wg.Wait()
	return errors.Join(errServe, errShutdown, errRecorder)
}

// reply is the answer to a request for a prediction. The middleware reads it as well.
type reply struct {
	Prediction  string  `json:"prediction"`
	Probability float64 `json:"probability"` // of the positive class
	Version     string  `json:"version"`
}

// refusal is the answer to an unusable request.
type refusal struct {
	Error      string                 `json:"error"`
	Violations []predictlog.Violation `json:"violations,omitempty"`
}

// predict answers one applicant: 400 for a body that is no row, 422 with every broken rule,
// 503 before the first deployment.
func (s *service) predict(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		write(w, http.StatusBadRequest, refusal{Error: err.Error()})
		return
	}
	row, err := s.schema.ParseJSON(body)
	if err != nil {
		write(w, http.StatusBadRequest, refusal{Error: err.Error()})
		return
	}
	if broken := s.schema.Check(row); len(broken) > 0 {
		write(w, http.StatusUnprocessableEntity, refusal{Error: "the applicant breaks rules", Violations: broken})
		return
	}
	at := time.Time{} // now
	if given := r.Header.Get(timeHeader); given != "" {
		if at, err = time.Parse(time.RFC3339Nano, given); err != nil {
			write(w, http.StatusBadRequest, refusal{Error: timeHeader + ": " + err.Error()})
			return
		}
	}
	production := s.live.Get()
	if production == nil {
		write(w, http.StatusServiceUnavailable, refusal{Error: "no model is in production yet"})
		return
	}
	outputs, err := production.Model.Predict(r.Context(), []predictlog.Row{row})
	if err != nil {
		write(w, http.StatusInternalServerError, refusal{Error: err.Error()})
		return
	}
	version := production.Version.ID
	predictlog.Annotate(r.Context(), predictlog.Annotation{
		Model: modelName, Version: version, Time: at, Row: row, Output: &outputs[0],
	})
	write(w, http.StatusOK, reply{outputs[0].Class, outputs[0].Probabilities[1], version})
}

// write sends an answer. A client that is gone misses it.
func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}
