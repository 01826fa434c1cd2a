package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"
)

// Errors that callers branch on.
var (
	// ErrNotFound means that there is no such version or file.
	ErrNotFound = errors.New("registry: not found")
	// ErrNoProduction means that no version was promoted yet.
	ErrNoProduction = errors.New("registry: no version in production")
	// ErrConflict means that another version is in production than the caller expected.
	// Use [errors.As] with a [*ConflictError] to learn which.
	ErrConflict = errors.New("registry: conflict")
	// ErrIllegal means that a version may not go from its stage to the requested one, or that
	// the transition contradicts an earlier transition with the same key.
	ErrIllegal = errors.New("registry: illegal transition")
	// ErrFenced means that the caller's fencing token is older than one already seen: the
	// caller lost its lease to another process and must stop.
	ErrFenced = errors.New("registry: fenced off by a newer token")
	// ErrCorrupt means that stored bytes do not match their recorded SHA-256.
	ErrCorrupt = errors.New("registry: stored data is damaged")
)

// ConflictError names the version that was expected in production and the one that is there.
type ConflictError struct {
	Expected string // the version the caller expected, "" for none
	Actual   string // the version that is in production, "" for none
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("registry: expected %s in production, found %s", orNone(e.Expected), orNone(e.Actual))
}

// Unwrap returns [ErrConflict].
func (e *ConflictError) Unwrap() error { return ErrConflict }

func orNone(id string) string {
	if id == "" {
		return "none"
	}
	return fmt.Sprintf("version %q", id)
}

// Stage is the state of a version in its life.
type Stage string

// The stages. Legal transitions are staging to production, archived or quarantined; archived
// to production or quarantined; quarantined to archived (a person's pardon). A version leaves
// production only when another takes its place.
const (
	Staging     Stage = "staging"     // registered, not yet judged
	Production  Stage = "production"  // answering requests
	Archived    Stage = "archived"    // rejected or superseded; may be promoted again
	Quarantined Stage = "quarantined" // proven harmful; never promoted
)

// ModelFile is the name of the file that is a version's artifact. The files of an artifact
// that is a folder have the names ModelFile + "/" + path.
const ModelFile = "model"

// File is one stored file of a version.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hexadecimal
	// Blob is the registry's name of the content: a name in the [Blobs] of a [Ledger].
	Blob string `json:"blob,omitempty"`
}

// Version is one registered version of the model. Stage, Since and Promoted change with its
// transitions. Files and Metrics grow with attachments. Deleted changes once. All other
// fields are fixed at registration. Maps and slices are the receiver's own.
type Version struct {
	// ID is given by the registry and unique in it.
	ID string `json:"id"`
	// Key is the idempotency key of the registration; "" if another client of a shared
	// registry registered the version.
	Key string `json:"key"`
	// Created is when the version was registered, in UTC.
	Created time.Time `json:"created"`
	// Stage is the present stage. Since is when the version got there, in UTC.
	Stage Stage     `json:"stage"`
	Since time.Time `json:"since"`
	// Promoted is when the version last entered production, zero for never.
	Promoted time.Time `json:"promoted,omitzero"`
	// Deleted is when the files were deleted, zero for never. A version without files never
	// enters production.
	Deleted time.Time `json:"deleted,omitzero"`
	// Files are the artifact, which is one file or a folder, see [ModelFile], and the
	// documents, in the order of their names. Deleted files stay in the list.
	Files []File `json:"files"`
	// Tags and Metrics are the registrant's own; nil for none.
	Tags    map[string]string  `json:"tags,omitempty"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// File returns the file of the version with this name, or [ErrNotFound].
func (v Version) File(name string) (File, error) {
	for _, f := range v.Files {
		if f.Name == name {
			return f, nil
		}
	}
	return File{}, fmt.Errorf("%w: file %q of version %q", ErrNotFound, name, v.ID)
}

// Draft describes a version to be registered.
type Draft struct {
	// Key makes Register idempotent. Required.
	Key string
	// Time is when the version is registered; zero is the present. It is kept in UTC.
	Time time.Time
	// Documents are small files kept beside the artifact (a reference profile, a model
	// card), by name; at most 16 MiB each. Names are letters, digits, dots, dashes and
	// underscores, do not start with a dot, and are not [ModelFile].
	Documents map[string][]byte
	// Folder, if not nil, is the artifact, in the place of a single file. All its files are
	// regular ones: at least one, at most 10,000. A path has at most 1000 bytes, all
	// printable and none a backslash.
	Folder fs.FS
	// Tags and Metrics are stored with the version. Names are not empty, metrics are
	// finite.
	Tags    map[string]string
	Metrics map[string]float64
	// Token is the fencing token of the caller's lease, see [Transition.Token].
	Token uint64
}

// Transition asks for a version to be moved to another stage. Its strings are UTF-8.
type Transition struct {
	// Version is the ID of the version to move.
	Version string
	// To is the requested stage.
	To Stage
	// Expect is the ID of the version that the caller believes to be in production, "" for
	// none. It is checked only if the transition changes production.
	Expect string
	// Displaced is the stage of the version that leaves production when another takes its
	// place: Archived by default, Quarantined in a rollback.
	Displaced Stage
	// Time is when the transition happens; zero is the present. It is kept in UTC.
	Time time.Time
	// Actor asks for the transition, for this Reason; the history keeps both.
	Actor, Reason string
	// Decision is the hash of the gate's decision, "" for none.
	Decision string
	// Key, if not empty, makes the transition idempotent: a repetition returns the event of
	// the first transition and changes nothing, whatever it expects to be in production. A
	// Key that was used for another version or stage is [ErrIllegal].
	Key string
	// Token is the fencing token of the caller's lease, 0 for none. A token lower than the
	// highest in the history is refused with [ErrFenced], even in a repetition: a process
	// that lost its lease must notice.
	Token uint64
}

// Event is one transition that happened. Events may be compared with ==.
type Event struct {
	// Seq numbers the events of a registry upwards from 1, in the order in which they
	// happened.
	Seq uint64 `json:"seq"`
	// Time is when it happened, in UTC.
	Time time.Time `json:"time"`
	// Version moved from From to To.
	Version string `json:"version"`
	From    Stage  `json:"from"`
	To      Stage  `json:"to"`
	// Displaced is the version that left production because of the event, "" for none.
	// DisplacedTo is its new stage.
	Displaced   string `json:"displaced,omitempty"`
	DisplacedTo Stage  `json:"displaced_to,omitempty"`
	Actor       string `json:"actor,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Decision    string `json:"decision,omitempty"`
	Key         string `json:"key,omitempty"`
	Token       uint64 `json:"token,omitempty"`
}

// Registry keeps the versions of one model. All methods are safe for concurrent use by many
// goroutines and, if the implementation says so, processes. The sub-package registrytest
// checks these promises.
type Registry interface {
	// Register stores the artifact, which is nil if the draft has a Folder, and the
	// documents. It returns the version, in Staging, once it is as durable as the registry
	// promises. If a version with the same key exists, that version is returned unchanged and
	// the artifact is not read. A Register whose artifact could not be read to its end, or
	// that was cancelled while it was read, leaves no version behind. A token that is fenced
	// off is [ErrFenced], even if the version exists. After any other error Register is safe
	// to repeat with a fresh artifact.
	Register(ctx context.Context, draft Draft, artifact io.Reader) (Version, error)

	// Versions yields the versions that q matches, newest first, as they were at one moment.
	// The sequence ends at the first error, which comes with a zero Version; a cancelled ctx
	// is such an error. The sequence may be ranged over again, which asks again.
	Versions(ctx context.Context, q Query) iter.Seq2[Version, error]

	// Open returns a file of a version by its name. A file that does not exist, or was
	// deleted, is [ErrNotFound]. Reading to the end verifies the size and the SHA-256: damage
	// ends the reading with an error that is [ErrCorrupt], never with io.EOF, and every later
	// Read returns the same error. The caller closes the file.
	Open(ctx context.Context, id, file string) (io.ReadCloser, error)

	// Transition moves a version, and the version that it displaces from production, in one
	// atomic step: whatever dies, both have moved or neither has. A transition that is
	// refused with [ErrFenced], [ErrNotFound], [ErrConflict] or [ErrIllegal], in this order
	// of precedence, leaves no trace. After any other error it is unknown whether the
	// transition happened; a transition with a Key is safe to repeat.
	Transition(ctx context.Context, t Transition) (Event, error)

	// History yields the events with a Seq above after, oldest first. Errors are yielded
	// as by Versions.
	History(ctx context.Context, after uint64) iter.Seq2[Event, error]
}

// Attacher is implemented by a [Registry] that can add findings to a version after its
// registration.
type Attacher interface {
	// Attach adds documents and metrics to a version and returns it. A document or a metric
	// that exists already stays unchanged, so a repetition changes nothing. A version that
	// does not exist is [ErrNotFound]; a version whose files were deleted is [ErrIllegal].
	Attach(ctx context.Context, a Attachment) (Version, error)
}

// Attachment holds additions to a version, with the rules of [Draft].
type Attachment struct {
	Version   string
	Documents map[string][]byte
	Metrics   map[string]float64
	Token     uint64 // see [Transition.Token]
}

// Deleter is implemented by a [Registry] that can delete the files of a version.
type Deleter interface {
	// Delete deletes the files of a version that is archived or quarantined. All else that is
	// known of the version stays. The version to which a rollback would go back is not
	// deleted: that is [ErrIllegal], as is a version in another stage. A version that does
	// not exist is [ErrNotFound]; a version whose files are deleted already is no error.
	Delete(ctx context.Context, d Deletion) error
}

// Deletion asks for the files of a version to be deleted.
type Deletion struct {
	Version       string
	Time          time.Time // when it happens; the present if zero
	Actor, Reason string    // who asks, and why
	Token         uint64    // see [Transition.Token]
}

// Fencer is implemented by a [Registry] that can be told of a new holder of the lease
// before that holder changes anything.
type Fencer interface {
	// Fence makes the registry refuse every lower token with [ErrFenced] from now on. A token
	// below one already seen is ErrFenced itself. A token that was seen changes nothing.
	Fence(ctx context.Context, token uint64) error
}

// Observer is implemented by a [Registry] that keeps measurements of a version over time,
// as MLflow does for its pages.
type Observer interface {
	// Observe records finite measurements of a version at a time. A repetition changes
	// nothing.
	Observe(ctx context.Context, version string, at time.Time, metrics map[string]float64) error
}

// Caveat is implemented by a [Registry] whose store makes it promise less than others do.
type Caveat interface {
	// Caveat returns a sentence for the people who run the service on what is promised less,
	// "" for nothing. leased says whether all transitions are made under one lease and with
	// its token. The answer is always the same and needs no request.
	Caveat(leased bool) string
}

// Query selects versions. The zero Query selects all.
type Query struct {
	// ID, Key and Stage, unless empty, must equal the version's.
	ID, Key string
	Stage   Stage
}

// Matches reports whether v is selected by q.
func (q Query) Matches(v Version) bool {
	return (q.ID == "" || q.ID == v.ID) &&
		(q.Key == "" || q.Key == v.Key) &&
		(q.Stage == "" || q.Stage == v.Stage)
}

// Get returns the version with this ID, or [ErrNotFound].
func Get(ctx context.Context, r Registry, id string) (Version, error) {
	if id == "" {
		return Version{}, fmt.Errorf("%w: empty ID", ErrNotFound) // a Query would match all
	}
	v, ok, err := first(ctx, r, Query{ID: id})
	if err == nil && !ok {
		err = fmt.Errorf("%w: version %q", ErrNotFound, id)
	}
	return v, err
}

// Find returns the version that was registered with this key, or [ErrNotFound].
func Find(ctx context.Context, r Registry, key string) (Version, error) {
	if key == "" {
		return Version{}, fmt.Errorf("%w: empty key", ErrNotFound) // a Query would match all
	}
	v, ok, err := first(ctx, r, Query{Key: key})
	if err == nil && !ok {
		err = fmt.Errorf("%w: key %q", ErrNotFound, key)
	}
	return v, err
}

// InProduction returns the version that is in production, or [ErrNoProduction].
func InProduction(ctx context.Context, r Registry) (Version, error) {
	v, ok, err := first(ctx, r, Query{Stage: Production})
	if err == nil && !ok {
		err = ErrNoProduction
	}
	return v, err
}

// Predecessor returns the version to which a rollback goes back: among the archived versions
// that were in production and are not deleted, the one archived last. Without such a version
// Predecessor returns [ErrNotFound].
func Predecessor(ctx context.Context, r Registry) (Version, error) {
	var archived []Version
	for v, err := range r.Versions(ctx, Query{Stage: Archived}) {
		if err != nil {
			return Version{}, err
		}
		archived = append(archived, v)
	}
	v, ok := predecessor(archived)
	if !ok {
		return Version{}, fmt.Errorf("%w: no earlier version to go back to", ErrNotFound)
	}
	return v, nil
}

func first(ctx context.Context, r Registry, q Query) (Version, bool, error) {
	for v, err := range r.Versions(ctx, q) {
		return v, err == nil, err
	}
	return Version{}, false, nil
}

// ReadFile returns the whole content of a file of a version, verified. It is meant for
// documents; an artifact may be larger than memory.
func ReadFile(ctx context.Context, r Registry, id, file string) (content []byte, err error) {
	f, err := r.Open(ctx, id, file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(f)
}
