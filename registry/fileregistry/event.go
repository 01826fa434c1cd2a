package fileregistry

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/selfheal-ml/selfheal/registry"
)

// format is the version of the form in which events are written.
const format = 1

// event is what an event file holds: one change, which is exactly one of Registered and
// Transition.
type event struct {
	Format     int               `json:"format"`
	Previous   string            `json:"previous,omitempty"` // SHA-256 of the event file before
	Registered *registry.Version `json:"registered,omitempty"`
	Transition *registry.Event   `json:"transition,omitempty"`
}

// sealFormat is the end of an event file: the SHA-256 of all bytes before it.
const sealFormat = ",\n  \"sha256\": \"%x\"\n}\n"

var sealLength = len(seal(nil))

func seal(content []byte) []byte {
	return fmt.Appendf(nil, sealFormat, sha256.Sum256(content))
}

// encode returns the bytes of an event file.
func encode(e event) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	content := bytes.TrimSuffix(b.Bytes(), []byte("\n}\n"))
	return append(content, seal(content)...), nil
}

// decode is the inverse of encode. Its error is [registry.ErrCorrupt], unless the event is
// intact and was written in another format.
func decode(data []byte) (event, error) {
	damaged := func(format string, args ...any) (event, error) {
		return event{}, fmt.Errorf("%w: %s", registry.ErrCorrupt, fmt.Sprintf(format, args...))
	}
	n := len(data) - sealLength
	if n < 0 || !bytes.Equal(data[n:], seal(data[:n])) {
		return damaged("its content does not match the SHA-256 at its end")
	}
	var version struct{ Format int }
	if err := json.Unmarshal(data, &version); err != nil {
		return damaged("%v", err)
	}
	if version.Format != format {
		return event{}, fmt.Errorf("its format is %d, want %d", version.Format, format)
	}
	// A field that this program does not know may change the meaning of those it knows.
	dec := json.NewDecoder(bytes.NewReader(append(bytes.Clone(data[:n]), '}')))
	dec.DisallowUnknownFields()
	var e event
	if err := dec.Decode(&e); err != nil {
		return damaged("%v", err)
	}
	if (e.Registered == nil) == (e.Transition == nil) {
		return damaged("want either a registered version or a transition")
	}
	return e, nil
}

// addTo adds the change to the state.
func (e event) addTo(s *registry.State) error {
	if e.Registered != nil {
		return s.AddVersion(*e.Registered)
	}
	return s.AddEvent(*e.Transition)
}
