package predictlog

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// idKey is IDHeader as the keys of an [http.Header] are spelled.
const idKey = "X-Prediction-Id"

// exchange takes the place of the handler's request and ResponseWriter. It is not used again
// for other requests: a handler that wrongly keeps one after it has returned must not reach
// into another answer.
type exchange struct {
	capture *capture
	request *http.Request
	notes   notes
	body    requestBody
	answer  answerWriter
}

// newExchange makes an exchange that copies both bodies to c, up to limit bytes each.
func newExchange(w http.ResponseWriter, request *http.Request, c *capture, limit int64, start time.Time) *exchange {
	x := &exchange{capture: c}
	x.notes.Context = request.Context()
	x.request = request.WithContext(&x.notes)
	if request.Body != nil && request.Body != http.NoBody {
		x.body.ReadCloser, x.body.copied, x.body.limit = request.Body, &c.request, limit
		x.request.Body = &x.body
	}
	x.answer.ResponseWriter, x.answer.copied, x.answer.limit = w, &c.response, limit
	x.answer.id = w.Header().Get(idKey)
	if x.answer.id == "" || CheckID(x.answer.id) != nil {
		x.answer.id = NewIDAt(start)
		x.answer.setID()
	}
	return x
}

// end stops all copying after the handler has returned. It returns the prediction's ID and
// the status of the answer.
func (x *exchange) end() (id string, status int) {
	x.answer.commit(http.StatusOK)
	x.answer.copied = nil
	x.body.detach()
	x.capture.annotation = x.notes.close()
	return x.answer.id, x.answer.status
}

// requestBody copies what is read through it.
type requestBody struct {
	io.ReadCloser
	limit int64

	mu     sync.Mutex // a proxy may still be reading when its handler returns
	copied *body      // guarded by mu; nil once the handler has returned
}

// Read implements [io.Reader].
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copied != nil {
		b.copied.write(p[:n], b.limit)
	}
	return n, err
}

func (b *requestBody) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.copied = nil
}

// answerWriter copies what is written through it.
type answerWriter struct {
	http.ResponseWriter
	limit  int64
	copied *body // nil once the handler has returned

	id     string    // the prediction's; settled once status is
	header [1]string // the value of the header, here to save an allocation
	status int       // 0 until the handler has decided on it
}

// Unwrap lets [http.ResponseController] reach the host's writer.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (w *answerWriter) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols { // other codes are sent before the answer
		w.commit(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *answerWriter) Write(p []byte) (int, error) {
	w.commit(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	if w.copied != nil {
		w.copied.write(p[:n], w.limit)
	}
	return n, err
}

// commit settles status and ID before the header is sent; later calls do nothing.
func (w *answerWriter) commit(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	ids := w.Header()[idKey]
	if len(ids) == 1 && ids[0] == w.id {
		return
	}
	for _, id := range slices.Backward(ids) { // the host's ID may be one of several
		if id != w.id && CheckID(id) == nil {
			w.id = id
			break
		}
	}
	w.setID()
}

func (w *answerWriter) setID() {
	w.header[0] = w.id
	w.Header()[idKey] = w.header[:]
}
