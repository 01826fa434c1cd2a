package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
	"github.com/selfheal-ml/selfheal/predictlog"
)

// connections is the number of simultaneous requests of the client.
const connections = 8

// client asks the service over HTTP, on connections that it keeps. It is safe for
// concurrent use.
type client struct {
	url              string
	http             *http.Client
	answered, failed atomic.Int64 // of the calls of predict
}

func newClient(url string) *client {
	return &client{url: url, http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: connections},
		Timeout:   10 * time.Second,
	}}
}

// request is an application at a point of simulated time, with its truth, which becomes known
// later.
type request struct {
	at        time.Time
	applicant applicant
	defaulted bool
}

// answer is the answer of the service to a request.
type answer struct {
	reply
	id string // of the prediction
}

// statusError is an answer other than 200 OK.
type statusError struct {
	path string
	code int
	body []byte
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.path, e.code, http.StatusText(e.code), bytes.TrimSpace(e.body))
}

// post sends a body and decodes the answer to it into v. Any other answer than 200 OK is
// a [*statusError].
func (c *client) post(ctx context.Context, path string, at time.Time, body, v any) (http.Header, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(timeHeader, at.Format(time.RFC3339Nano))
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body) // to the end, or the connection is not used again
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, &statusError{path, response.StatusCode, content}
	}
	if err := json.Unmarshal(content, v); err != nil {
		return nil, fmt.Errorf("%s: answer %q: %w", path, content, err)
	}
	return response.Header, nil
}

// predict asks for one prediction.
func (c *client) predict(ctx context.Context, r request) (answer, error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		c.failed.Add(1)
	} else {
		c.answered.Add(1)
	}
	return a, err
}

func (c *client) ask(ctx context.Context, r request) (answer, error) {
	var a answer
	header, err := c.post(ctx, "/predict", r.at, r.applicant, &a.reply)
	if err != nil {
		return answer{}, err
	}
	a.id = header.Get(predictlog.IDHeader)
	return a, nil
}

// predictAll asks for many predictions at once and returns the answers in the order of
// the requests, or an error that names each that failed.
func (c *client) predictAll(ctx context.Context, requests []request) ([]answer, error) {
	answers := make([]answer, len(requests))
	errs := make([]error, len(requests))
	next := make(chan int)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for i := range next {
				answers[i], errs[i] = c.predict(ctx, requests[i])
			}
		})
	}
	for i := range requests {
		next <- i
	}
	close(next)
	wg.Wait()
	return answers, errors.Join(errs...)
}

// refused makes a request that the service must refuse with the status code, and returns
// the body of its answer.
func (c *client) refused(ctx context.Context, r request, code int) ([]byte, error) {
	a, err := c.ask(ctx, r)
	var refused *statusError
	switch {
	case err == nil:
		return nil, fmt.Errorf("/predict: answered by version %s, want status %d", a.Version, code)
	case errors.As(err, &refused) && refused.code == code:
		return refused.body, nil
	}
	return nil, fmt.Errorf("want status %d: %w", code, err)
}

// postLabels feeds labels to the service. A label's time travels with it.
func (c *client) postLabels(ctx context.Context, batch []labels.Label) error {
	type row struct {
		ID    string    `json:"prediction_id"`
		Class string    `json:"class"`
		Time  time.Time `json:"time"`
	}
	rows := make([]row, len(batch))
	for i, l := range batch {
		rows[i] = row{l.PredictionID, l.Class, l.Time}
	}
	var said struct{ Stored int }
	if _, err := c.post(ctx, "/labels", time.Time{}, rows, &said); err != nil {
		return err
	}
	if said.Stored != len(rows) {
		return fmt.Errorf("/labels: %d labels stored of %d", said.Stored, len(rows))
	}
	return nil
}
