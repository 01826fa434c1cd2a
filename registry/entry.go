package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// entryFormat is the version of the form in which a [Ledger] writes its entries.
const entryFormat = 1

// entry is the body of a [Link] in the log of a [Ledger]: one change, which is in exactly one
// of the fields beside Format.
type entry struct {
	Format     int       `json:"format"`
	Registered *Version  `json:"registered,omitempty"`
	Moved      *Event    `json:"moved,omitempty"`
	Attached   *attached `json:"attached,omitempty"`
	Deleted    *deleted  `json:"deleted,omitempty"`
	Fence      *fence    `json:"fence,omitempty"`
}

// attached holds additions to a version after its registration.
type attached struct {
	Version string             `json:"version"`
	Files   []File             `json:"files,omitempty"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// deleted says that the files of a version were deleted.
type deleted struct {
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// fence does nothing but carry the token of its [Link].
type fence struct {
	Token uint64 `json:"token"`
}

func encodeEntry(e entry) ([]byte, error) {
	e.Format = entryFormat
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("registry: encode entry: %w", err)
	}
	return body, nil
}

// decodeEntry is the inverse of encodeEntry. Its error is [ErrCorrupt], unless the entry
// was written in another format.
func decodeEntry(body []byte) (entry, error) {
	var version struct{ Format int }
	if err := json.Unmarshal(body, &version); err != nil {
		return entry{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if version.Format != entryFormat {
		return entry{}, fmt.Errorf("its format is %d, want %d", version.Format, entryFormat)
	}
	// A field that this program does not know may change the meaning of those it knows.
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var e entry
	if err := dec.Decode(&e); err != nil {
		return entry{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	kinds := 0
	for _, is := range []bool{e.Registered != nil, e.Moved != nil, e.Attached != nil, e.Deleted != nil, e.Fence != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return entry{}, fmt.Errorf("%w: it holds %d changes, want one", ErrCorrupt, kinds)
	}
	return e, nil
}

// foldEntry adds the change to the state, if the rules allow it.
func (s *state) foldEntry(e entry, token uint64) error {
	switch {
	case e.Registered != nil:
		return s.addVersion(*e.Registered)
	case e.Moved != nil && e.Moved.Token != token:
		return fmt.Errorf("registry: event %d carries the token %d, its entry %d", e.Moved.Seq, e.Moved.Token, token)
	case e.Moved != nil:
		return s.addEvent(*e.Moved)
	case e.Attached != nil:
		return s.addAttached(*e.Attached)
	case e.Deleted != nil:
		return s.addDeleted(*e.Deleted)
	case e.Fence != nil && e.Fence.Token != token:
		return fmt.Errorf("registry: a fence of token %d in an entry of token %d", e.Fence.Token, token)
	case e.Fence != nil:
		return nil // the chain remembers the token
	}
	return errors.New("registry: an entry without a change")
}
