package mlflowregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Error is an unsuccessful answer of the server. Use [errors.As] to get it.
type Error struct {
	Method, Path string
	Status       int    // of HTTP
	Code         string // MLflow's error_code, "" if the answer has none
	Message      string // what the server said, cut off if long
}

func (e *Error) Error() string {
	code := e.Code
	if code == "" {
		code = http.StatusText(e.Status)
	}
	return fmt.Sprintf("mlflowregistry: %s %s: %d %s: %s", e.Method, e.Path, e.Status, code, e.Message)
}

// Is makes an Error about a missing thing [registry.ErrNotFound].
func (e *Error) Is(target error) bool {
	return target == registry.ErrNotFound && e.Status == http.StatusNotFound && e.Code == codeMissing
}

const (
	codeMissing = "RESOURCE_DOES_NOT_EXIST"
	codeExists  = "RESOURCE_ALREADY_EXISTS"
	codeInvalid = "INVALID_PARAMETER_VALUE"
)

// hasCode reports whether err is an answer with this error_code.
func hasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// isMissing reports whether err says that the requested thing does not exist.
func isMissing(err error) bool { return hasCode(err, codeMissing) }

const (
	maxAnswer  = 64 << 20 // bytes of JSON that are read
	maxMessage = 1000     // bytes of an error that are kept
)

// client makes requests. It is safe for concurrent use.
type client struct {
	base  string // ends with "/api/2.0/"
	cfg   Config
	plain http.Client
}

func (c *client) request(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	switch {
	case c.cfg.Username != "" || c.cfg.Password != "":
		req.SetBasicAuth(c.cfg.Username, c.cfg.Password)
	case c.cfg.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	return req, nil
}

// do makes a request. It returns a successful answer, whose body the caller closes, or an
// [*Error].
func (c *client) do(req *http.Request) (*http.Response, error) {
	res, err := c.plain.Do(req)
	if err != nil {
		return nil, fmt.Errorf("mlflowregistry: %w", err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, failure(req, res)
}

// failure returns an answer as an error. Handlers send JSON with an error_code or a detail;
// unknown paths, crashes, gateways and refused logins send text or HTML.
func failure(req *http.Request, res *http.Response) error {
	e := &Error{Method: req.Method, Path: req.URL.Path, Status: res.StatusCode}
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	var answer struct {
		Code    string          `json:"error_code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	switch {
	case err != nil:
		e.Message = "the answer could not be read: " + err.Error()
	case json.Unmarshal(data, &answer) == nil && (answer.Code != "" || answer.Message != "" || answer.Detail != nil):
		e.Code, e.Message = answer.Code, answer.Message
		if e.Message == "" {
			e.Message = string(answer.Detail)
		}
	default:
		e.Message = strings.Join(strings.Fields(string(data)), " ")
	}
	if to := res.Header.Get("Location"); to != "" {
		e.Message = strings.TrimSpace("leads to " + to + " " + e.Message)
	}
	if len(e.Message) > maxMessage {
		e.Message = strings.ToValidUTF8(e.Message[:maxMessage], "") + "..."
	}
	if wait, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && wait > 0 {
		return &waitError{e, time.Duration(wait) * time.Second}
	}
	return e
}

// waitError is an answer that says when to ask again.
type waitError struct {
	error
	wait time.Duration
}

func (e *waitError) Unwrap() error { return e.error }

// passing reports whether a failure may pass by itself. All other answers are final: the same
// request would get the same answer.
func passing(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return err != nil // no answer, or half of one
	}
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// passingArtifact is passing for artifacts. For a missing artifact older servers always
// answer 500.
func passingArtifact(err error) bool {
	var e *Error
	return passing(err) && !(errors.As(err, &e) && e.Status == http.StatusInternalServerError)
}

// retry calls attempt until it succeeds, fails for good, or has failed as often as Config
// allows. attempt may be called again after it took effect.
func (c *client) retry(ctx context.Context, passing func(error) bool, attempt func() error) error {
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := attempt()
		if err == nil || n >= c.cfg.Attempts || ctx.Err() != nil || !passing(err) {
			return err
		}
		c.cfg.Logger.DebugContext(ctx, "mlflowregistry: request repeated", "attempt", n+1, "err", err)
		if err := c.pause(ctx, n, err); err != nil {
			return err
		}
	}
}

// pause waits before attempt n+1.
func (c *client) pause(ctx context.Context, n int, err error) error {
	wait := min(c.cfg.Backoff<<min(n-1, 10), maxBackoff)
	wait = wait/2 + rand.N(wait/2+1)
	var asked *waitError
	if errors.As(err, &asked) {
		wait = max(wait, min(asked.wait, maxBackoff))
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// once calls create, which must not take effect twice. After a failure that may hide a
// success, once asks find whether create took effect before it tries again.
func (c *client) once(ctx context.Context, create func() error, find func() (bool, error)) error {
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := create()
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		if err := c.pause(ctx, n, err); err != nil {
			return err
		}
		if found, errFind := find(); found || errFind != nil {
			return errFind
		}
		if n >= c.cfg.Attempts {
			return err
		}
	}
}

// get asks for JSON, repeatedly if necessary.
func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.retry(ctx, passing, func() error { return c.call(ctx, http.MethodGet, path, query, nil, out) })
}

// send sends JSON that may safely be sent twice, repeatedly if necessary.
func (c *client) send(ctx context.Context, method, path string, body, out any) error {
	return c.retry(ctx, passing, func() error { return c.call(ctx, method, path, nil, body, out) })
}

// call makes one attempt of a request with a JSON answer. A nil out ignores the answer.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, out any) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("mlflowregistry: %s %s: %w", method, path, err)
		}
		content = bytes.NewReader(data)
	}
	req, err := c.request(ctx, method, path, query, content)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("mlflowregistry: %s %s: %w", method, path, err)
	case len(data) > maxAnswer:
		return &Error{Method: method, Path: path, Status: res.StatusCode, Message: fmt.Sprintf("the answer has more than %d bytes", maxAnswer)}
	}
	return decode(req, res, data, out)
}

// decode stores the JSON of an answer in out. A nil out ignores the content, but the answer
// must be JSON or empty: a page for people, such as a login page, does not come from the
// server, and the request was not carried out.
func decode(req *http.Request, res *http.Response, data []byte, out any) error {
	if out == nil {
		if len(data) == 0 {
			return nil
		}
		out = new(json.RawMessage)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return &Error{Method: req.Method, Path: req.URL.Path, Status: res.StatusCode, Message: "the answer is not the JSON it should be: " + err.Error()}
	}
	return nil
}
