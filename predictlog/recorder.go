package predictlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-playground/validator/v10"
)

var (
	// ErrQueueFull is returned by [Recorder.Record] when the queue is full: at once
	// under the policy [Drop], after [Config.BlockTimeout] under [Block].
	ErrQueueFull = errors.New("predictlog: queue is full")

	// ErrStopped is returned by [Recorder.Record] after [Recorder.Run] has ended.
	ErrStopped = errors.New("predictlog: recorder has stopped")
)

// Overflow says what happens to a record when the queue is full.
type Overflow uint8

// The overflow policies.
const (
	// Block makes the request wait for room, for [Config.BlockTimeout] at most and as
	// long as its context lives. If there is no room by then, the record is lost and
	// counted in [Stats.Dropped].
	Block Overflow = iota
	// Drop loses the record and counts it in [Stats.Dropped].
	Drop
)

// String returns "block" or "drop".
func (o Overflow) String() string {
	switch o {
	case Block:
		return "block"
	case Drop:
		return "drop"
	}
	return fmt.Sprintf("Overflow(%d)", o)
}

// Config tunes a [Recorder]. The zero Config is valid.
type Config struct {
	// Model and Version are recorded when neither the handler's [Annotation] nor the
	// answer names them.
	Model, Version string

	// Decode reads the row and the answer from the bodies of a request and of its answer. The
	// bodies are only valid during the call. By default [Schema.ParseJSON] reads the row, and
	// the answer is read as [Recorder.Middleware] says. Run calls Decode, not the request.
	// Decode is not called if the handler's annotation has both Row and Output.
	Decode func(request, response []byte) (Annotation, error)

	// MaxBody bounds, in bytes, the copy of either body. A longer body reaches the handler or
	// the client in full, but its record is rejected. Default 1 MiB.
	MaxBody int64 `validate:"gte=0"`

	// QueueSize bounds the records in memory, including those that are being written. Default
	// 8192.
	QueueSize int `validate:"gte=0"`
	// MaxQueueBytes bounds the memory of the bodies of these records, in bytes. Memory of an
	// [Annotation] or of a record given to [Recorder.Record] is not counted. The queue is
	// full when either bound would be passed, but an empty queue takes one record of any
	// size. Requests that are not yet answered, or wait for room, hold their bodies in
	// addition. Default 64 MiB.
	MaxQueueBytes int64 `validate:"gte=0"`
	// Overflow says what happens when the queue is full. Default Block.
	Overflow Overflow `validate:"lte=1"`
	// BlockTimeout is the longest wait of a request for room under Block. While the store is
	// down and the queue is full, it is the delay of every request. Default 100ms.
	BlockTimeout time.Duration `validate:"gte=0"`

	// BatchSize bounds the records of one [Appender.Append]. Default 1000.
	BatchSize int `validate:"gte=0"`
	// FlushInterval is the longest wait of a record for its first Append while the store
	// keeps up. Run wakes at this interval, so that no request has to wake it, and once the
	// queue is half full. A killed process loses the records of this time. Default 1s.
	FlushInterval time.Duration `validate:"gte=0"`
	// RetryBackoff is the wait after a failed Append. The wait doubles with each failure in a
	// row, up to a hundredfold, and half of it is random. Default 100ms.
	RetryBackoff time.Duration `validate:"gte=0"`
	// DrainTimeout bounds how long Run, after its context has ended, waits for requests in
	// flight and writes queued records. Default 10s.
	DrainTimeout time.Duration `validate:"gte=0"`

	// OnReject is called for each record that cannot be stored, so that the host can keep it
	// elsewhere. Run calls OnReject and waits for it. Default: none; the rejection is counted
	// and logged.
	OnReject func(Rejected)
	// Logger is told of failed appends, rejections and losses. Default: silent.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	c.QueueSize = cmp.Or(c.QueueSize, 8192)
	c.MaxQueueBytes = cmp.Or(c.MaxQueueBytes, 64<<20)
	c.BlockTimeout = cmp.Or(c.BlockTimeout, 100*time.Millisecond)
	c.BatchSize = cmp.Or(c.BatchSize, 1000)
	c.FlushInterval = cmp.Or(c.FlushInterval, time.Second)
	c.RetryBackoff = cmp.Or(c.RetryBackoff, 100*time.Millisecond)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 10*time.Second)
	if c.OnReject == nil {
		c.OnReject = func(Rejected) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check reports every field that is out of bounds.
func (c Config) check() error {
	err := validator.New().Struct(c)
	var broken validator.ValidationErrors
	if !errors.As(err, &broken) {
		return err
	}
	var errs []error
	for _, field := range broken {
		errs = append(errs, fmt.Errorf("%s is %v, want %s=%s", field.Field(), field.Value(), field.Tag(), field.Param()))
	}
	return errors.Join(errs...)
}

// Rejected is a record that could not be stored.
type Rejected struct {
	// Record holds ID, Time and Latency, and all else that could be read.
	Record Record
	// Request and Response are the bodies, each cut off at [Config.MaxBody]; nil if empty, or
	// if the record did not come through the middleware.
	Request, Response []byte
	// Err is the reason: the bodies cannot be decoded, [ErrInvalidRecord], [ErrDuplicate], or
	// the store's error when Run had to give up.
	Err error
}

// Stats counts what a [Recorder] did since it was made. Every answer with a 2xx status, and
// every call of [Recorder.Record] with a valid record, ends as recorded, rejected or dropped.
type Stats struct {
	Recorded int64 `json:"recorded"` // stored
	Rejected int64 `json:"rejected"` // handed to [Config.OnReject]
	Dropped  int64 `json:"dropped"`  // lost: the queue was full, or Run had ended
	Queued   int64 `json:"queued"`   // held in memory at present
	Retries  int64 `json:"retries"`  // failed calls of Append that are repeated
}

// Recorder writes questions and answers of a model to an [Appender]. A [Store] is an
// Appender, and a queue of messages can be one. Records come from [Recorder.Middleware] and
// [Recorder.Record]; [Recorder.Run] writes them. An answer reaches its client before its
// record is stored: Run says what a killed process loses. All methods are safe for concurrent
// use.
type Recorder struct {
	dst      Appender
	schema   *Schema
	cfg      Config
	queue    *queue
	captures sync.Pool // of *capture

	running  atomic.Bool
	inFlight atomic.Int64 // requests inside the middleware

	recorded, rejected, dropped, retries atomic.Int64
}

// NewRecorder returns a recorder to dst. NewRecorder starts nothing: records are queued, up
// to the queue's bound, until [Recorder.Run] writes them. A nil dst and every field of cfg
// that is out of bounds are errors.
func NewRecorder(dst Appender, cfg Config) (*Recorder, error) {
	var errs []error
	if dst == nil {
		errs = append(errs, errors.New("nil Appender"))
	}
	errs = append(errs, cfg.check())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("predictlog: new recorder: %w", err)
	}
	cfg = cfg.withDefaults()
	return &Recorder{
		dst:      dst,
		schema:   dst.Schema(),
		cfg:      cfg,
		queue:    newQueue(cfg),
		captures: sync.Pool{New: func() any { return new(capture) }},
	}, nil
}

// Record queues a record of an answer that was not given over HTTP, and returns its ID. An
// empty ID becomes a new ID of the record's Time, a zero Time the present, an empty Model or
// Version that of the [Config]. Violations are found anew. Append rows without an answer to
// the store itself.
//
// A record that does not follow the schema is a [*RecordError]. When the queue is full, the
// policy decides how long Record waits for room before it returns [ErrQueueFull], or the
// error of ctx if ctx ends first. After Run has ended, Record returns [ErrStopped]. Errors of
// the store are not returned; see [Config.OnReject]. Record keeps no reference to r's memory.
func (r *Recorder) Record(ctx context.Context, record Record) (id string, err error) {
	if record.Time.IsZero() {
		record.Time = time.Now()
	}
	if record.ID == "" {
		record.ID = NewIDAt(record.Time)
	}
	record.Model = cmp.Or(record.Model, r.cfg.Model)
	record.Version = cmp.Or(record.Version, r.cfg.Version)
	if err := r.schema.CheckRecord(record); err != nil {
		return "", err
	}
	c := r.captures.Get().(*capture)
	c.record = record.Clone()
	if err := r.enqueue(ctx, c); err != nil {
		return "", err
	}
	return record.ID, nil
}

// enqueue takes over c, which is queued, or dropped and counted.
func (r *Recorder) enqueue(ctx context.Context, c *capture) error {
	err := r.queue.push(ctx, c)
	if err != nil {
		r.dropped.Add(1)
		r.recycle(c)
	}
	return err
}

// Flush returns once every record that was queued before the call is stored or rejected.
// Flush wakes [Recorder.Run], which writes the records. Without Run, Flush waits until ctx
// ends, and returns the error of ctx.
func (r *Recorder) Flush(ctx context.Context) error {
	if err := r.queue.flush(ctx); err != nil {
		return fmt.Errorf("predictlog: flush: %w", err)
	}
	return nil
}

// Stats returns the present counts. They are read one by one, so under load they may differ
// by the records of an instant.
func (r *Recorder) Stats() Stats {
	return Stats{
		Recorded: r.recorded.Load(),
		Rejected: r.rejected.Load(),
		Dropped:  r.dropped.Load(),
		Queued:   int64(r.queue.len()),
		Retries:  r.retries.Load(),
	}
}
