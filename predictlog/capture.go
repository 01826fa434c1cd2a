package predictlog

import (
	"errors"
	"fmt"
)

// capture is what the middleware, or Record, hands to Run: a record, and the bodies from
// which Run completes the record.
type capture struct {
	record            Record
	bodies            bool // Run fills in the record from annotation and bodies
	annotation        Annotation
	request, response body
}

// size returns the memory that the bodies take, in bytes.
func (c *capture) size() int64 { return int64(cap(c.request.bytes) + cap(c.response.bytes)) }

// body holds the first bytes of a request or an answer.
type body struct {
	bytes []byte
	cut   bool // there were more
}

// write keeps p as far as it fits into the limit.
func (b *body) write(p []byte, limit int64) {
	if room := limit - int64(len(b.bytes)); int64(len(p)) > room {
		p, b.cut = p[:room], true
	}
	b.bytes = append(b.bytes, p...)
}

// reset empties b, and gives up a buffer that is much larger than most bodies.
func (b *body) reset() {
	const most = 64 << 10
	if cap(b.bytes) > most {
		b.bytes = nil
	}
	b.bytes, b.cut = b.bytes[:0], false
}

// recycle makes c available to later requests.
func (r *Recorder) recycle(c *capture) {
	c.record, c.annotation, c.bodies = Record{}, Annotation{}, false
	c.request.reset()
	c.response.reset()
	r.captures.Put(c)
}

// complete fills in the record from annotation and bodies, and marks the rules that the row
// breaks. The error says why the record cannot be stored.
func (r *Recorder) complete(c *capture) error {
	if !c.bodies {
		c.record.Violations = r.schema.Check(c.record.Row)
		return nil
	}
	known, err := r.decode(c)
	known = known.or(Annotation{Model: r.cfg.Model, Version: r.cfg.Version, Time: c.record.Time})
	c.record.Model, c.record.Version = known.Model, known.Version
	c.record.Time, c.record.Row, c.record.Tags = known.Time.UTC(), known.Row, known.Tags
	if known.Output != nil {
		c.record.Output = *known.Output
	}
	if err != nil {
		return err
	}
	c.record.Violations = r.schema.Check(c.record.Row)
	return r.schema.CheckRecord(c.record)
}

// decode returns the content of annotation and bodies; after an error, the part that could be
// read.
func (r *Recorder) decode(c *capture) (Annotation, error) {
	known := c.annotation
	if known.Row != nil && known.Output != nil {
		return known, nil
	}
	if r.cfg.Decode != nil {
		request, errRequest := r.whole(c.request, "request")
		response, errResponse := r.whole(c.response, "response")
		if err := errors.Join(errRequest, errResponse); err != nil {
			return known, err
		}
		decoded, err := r.cfg.Decode(request, response)
		return known.or(decoded), err
	}
	var errs []error
	if known.Row == nil {
		request, err := r.whole(c.request, "request")
		if err == nil {
			known.Row, err = r.schema.ParseJSON(request)
		}
		errs = append(errs, err)
	}
	if known.Output == nil {
		response, err := r.whole(c.response, "response")
		if err == nil {
			var answer Annotation
			answer, err = r.schema.parseAnswer(response)
			known = known.or(answer)
		}
		errs = append(errs, err)
	}
	return known, errors.Join(errs...)
}

// whole returns the bytes of a body that was not cut.
func (r *Recorder) whole(b body, name string) ([]byte, error) {
	if b.cut {
		return nil, fmt.Errorf("predictlog: %s body is longer than the MaxBody of %d bytes", name, r.cfg.MaxBody)
	}
	return b.bytes, nil
}
