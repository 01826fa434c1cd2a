package predictlog

import (
	"net/http"
	"time"
)

// IDHeader is the header of an answer that holds the ID of its record, by which a label
// can refer to the prediction later.
const IDHeader = "X-Prediction-ID"

// Middleware wraps a handler that answers predictions, so that every answer with a 2xx status
// is recorded.
//
// Each answer, of any status, carries the ID of its record in [IDHeader]. A host that has IDs
// of its own sets the header before it writes the answer: in next, or in a handler around the
// middleware. A value that [CheckID] refuses is replaced by a new ID. If there are several
// values, as after a proxy, the last valid value is taken and the others are removed. The
// header of a request is ignored, because a client could take IDs of others.
//
// The body that next reads, and the body that next writes, are copied, up to [Config.MaxBody]
// each. Unless [Annotate] or [Config.Decode] says otherwise, the request is read by
// [Schema.ParseJSON], and the answer is a JSON object with these members:
//
//   - "prediction": the class as a string, a number or a boolean, or the number that a
//     regression answers;
//   - "probabilities", optional: an object by class or an array in the order of
//     [Target.Classes];
//   - "probability", optional: the probability of the positive class, for a binary target
//     without "probabilities", otherwise ignored;
//   - "model" and "version", optional: strings or numbers. A monitor selects by these: an
//     answer whose model or version is named neither here, nor by Annotate, nor by Config,
//     is logged but belongs to no version.
//
// An answer without "prediction" is rejected, even if it holds probabilities: the threshold
// is the host's. A record that cannot be read or does not follow the schema is rejected too.
// Rejections happen in Run, after the client has its answer.
//
// Logging fails no request. With [Block], a full queue delays the end of the request, and so
// may delay its answer, by [Config.BlockTimeout] at most. The handler gets a copy of the
// request, and a [http.ResponseWriter] with no other method than Unwrap: flush through
// [http.ResponseController]. Compress outside of the middleware, otherwise it sees compressed
// bodies. If next panics, nothing is recorded and the panic goes on.
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
