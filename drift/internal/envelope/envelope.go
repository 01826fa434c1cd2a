// Package envelope writes and strictly reads JSON with a kind, a version and a checksum.
package envelope

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version is raised when the meaning of the stored content changes.
const Version = 2

type envelope struct {
	Kind          string          `json:"kind"`
	SchemaVersion int             `json:"schema_version"`
	SHA256        string          `json:"sha256"` // of the content, compact
	Content       json.RawMessage `json:"content"`
}

// Seal returns the content as JSON in an envelope, and the checksum of the content.
func Seal(kind string, content any) (data []byte, sum string, err error) {
	raw, err := json.Marshal(content)
	if err != nil {
		return nil, "", fmt.Errorf("drift: %s: %w", kind, err)
	}
	sum = checksum(raw)
	data, err = json.Marshal(envelope{Kind: kind, SchemaVersion: Version, SHA256: sum, Content: raw})
	return data, sum, err
}

// Unseal decodes the output of [Seal], indented or not, into content. Content that does not
// seal to the same bytes again is an error even if the checksum fits, so that equal content
// has one fingerprint. Every error says that the data are corrupt.
func Unseal(kind string, data []byte, content any) error {
	corrupt := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w", kind, fmt.Errorf(format, args...))
	}
	var e envelope
	if err := decodeStrictly(data, &e); err != nil {
		return corrupt("%w", err)
	}
	if e.Kind != kind {
		return corrupt("kind is %q, want %q", e.Kind, kind)
	}
	if e.SchemaVersion != Version {
		return corrupt("schema version is %d, want %d", e.SchemaVersion, Version)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Content); err != nil {
		return corrupt("content: %w", err)
	}
	if sum := checksum(compact.Bytes()); sum != e.SHA256 {
		return corrupt("content has SHA-256 %s, but was written with %.64q", sum, e.SHA256)
	}
	if err := decodeStrictly(e.Content, content); err != nil {
		return corrupt("content: %w", err)
	}
	if _, sum, err := Seal(kind, content); err != nil || sum != e.SHA256 {
		return corrupt("content is not in the form in which it is written")
	}
	return nil
}

// decodeStrictly decodes one JSON value. Unknown fields and trailing data are errors.
func decodeStrictly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// leastElement is a lower bound on the JSON size, in bytes, of a column or its counts.
const leastElement = 64

// Elements is a list whose elements can take much more memory than their JSON. The list is
// made only if the JSON is long enough for all elements.
type Elements[T any] []T

// UnmarshalJSON reads a JSON array.
func (e *Elements[T]) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := decodeStrictly(data, &raw); err != nil {
		return err
	}
	for i := range raw {
		if len(raw[i]) < leastElement {
			return fmt.Errorf("element %d has %d bytes, want at least %d", i, len(raw[i]), leastElement)
		}
	}
	*e = make(Elements[T], len(raw))
	for i := range raw {
		if err := decodeStrictly(raw[i], &(*e)[i]); err != nil {
			return err
		}
	}
	return nil
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
