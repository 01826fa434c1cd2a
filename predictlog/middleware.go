package predictlog

import (
	"net/http"
	"time"
)

// IDHeader is the header of an answer that holds the ID of its record, by which a label
// can refer to the prediction later.
const IDHeader = "X-Prediction-ID"

// Middleware wraps a handler that answers predictions, so that every answer with a 2xx
// status is recorded.
//
// Each answer, of any status, carries the ID of its record in [IDHeader]. A host that has
// IDs of its own sets the header before it writes the answer: in next, or in a handler
// around the middleware. A value that [CheckID] refuses is replaced by a new ID. Of
// several values, as a proxy adds that of the server behind it, the last valid one is
// taken and the others are removed. The header of a request is not heeded, for a client could take IDs of others.
//
// What next reads of the request's body, and writes as the answer's, is copied, up to
// [Config.MaxBody] each. Unless [Annotate] or [Config.Decode] says otherwise, the request
// is read by [Schema.ParseJSON], and the answer is a JSON object with these members:
//
//   - "prediction": the class as a string, a number or a boolean, or the number that a
//     regression answers;
//   - "probabilities", optional: an object by class or an array in the order of
//     [Target.Classes];
//   - "probability", optional: that of the positive class, for a binary target without
//     "probabilities", otherwise ignored;
//   - "model" and "version", optional: strings or numbers. Whoever monitors a version goes
//     by these: an answer that names none, here, by Annotate or by Config, is logged but
//     counted for none.
//
// An answer without "prediction" is rejected, even if it holds probabilities: the
// threshold is the host's. So is a record that cannot be read or does not follow the
// schema. Rejections happen in Run; the client has its answer by then.
//
// Logging fails no request. With [Block], a full queue delays the end of the request,
// and so may delay its answer, by [Config.BlockTimeout] at most. The handler gets a request
// that is a copy, and a [http.ResponseWriter] that implements no more than that interface and Unwrap: flush
// through [http.ResponseController]. Compress outside of the middleware, or it sees
// compressed bodies. If next panics, nothing is recorded and the panic goes its way.
func (r *Recorder) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.inFlight.Add(1)
		defer r.inFlight.Add(-1)

		start := time.Now()
		c := r.captures.Get().(*capture)
		x := newExchange(w, request, c, r.cfg.MaxBody, start)
		next.ServeHTTP(&x.answer, x.request)
		latency := time.Since(start)

		id, status := x.end()
		if status < 200 || status > 299 {
			r.recycle(c)
			return
		}
		c.bodies = true
		c.record.ID, c.record.Time, c.record.Latency = id, start.Add(latency), latency
		_ = r.enqueue(request.Context(), c) // a loss is counted, and the request succeeds
	})
}
