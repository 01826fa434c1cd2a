package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxDocument keeps documents small enough to be read whole into memory.
	maxDocument = 16 << 20
	// maxFiles keeps the entry of a version in a log small enough.
	maxFiles = 10_000
	// maxPath is the largest number of bytes of the path of a file in a folder.
	maxPath = 1000
)

// violations collects faults.
type violations []error

func (v *violations) add(format string, args ...any) { *v = append(*v, fmt.Errorf(format, args...)) }

// of returns the faults as one error about what, nil for none.
func (v *violations) of(what string) error {
	if len(*v) == 0 {
		return nil
	}
	return fmt.Errorf("registry: invalid %s: %w", what, errors.Join(*v...))
}

func (v *violations) documents(documents map[string][]byte) {
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		if !isDocument(name) {
			v.add("Documents has the name %q, want letters, digits, '.', '-' and '_', no leading '.', and not %q", name, ModelFile)
		}
		if size := len(documents[name]); size > maxDocument {
			v.add("Documents[%q] has %d bytes, want at most %d", name, size, maxDocument)
		}
	}
}

func (v *violations) metrics(metrics map[string]float64) {
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if name == "" || !isText(name) {
			v.add("Metrics has the name %q, want UTF-8 without NUL", name)
		}
		if value := metrics[name]; math.IsNaN(value) || math.IsInf(value, 0) {
			v.add("Metrics[%q] is %v, want a finite number", name, value)
		}
	}
}

func (v *violations) time(t time.Time) {
	if !isStorable(t) {
		v.add("Time is in the year %d, want 0 to 9999", t.UTC().Year())
	}
}

func (v *violations) text(field, value string) {
	if !isText(value) {
		v.add("%s is %q, want UTF-8 without NUL", field, value)
	}
}

// Validate returns an error that names everything that is wrong with the draft. It does not
// look into Folder.
func (d Draft) Validate() error {
	var wrong violations
	if d.Key == "" {
		wrong.add("Key is empty")
	}
	wrong.text("Key", d.Key)
	wrong.time(d.Time)
	wrong.documents(d.Documents)
	for _, name := range slices.Sorted(maps.Keys(d.Tags)) {
		if name == "" || !isText(name) || !isText(d.Tags[name]) {
			wrong.add("Tags[%q] is %q, want a name, and both UTF-8 without NUL", name, d.Tags[name])
		}
	}
	wrong.metrics(d.Metrics)
	return wrong.of("Draft")
}

// Validate returns an error that names everything that is wrong with the attachment.
func (a Attachment) Validate() error {
	var wrong violations
	wrong.documents(a.Documents)
	wrong.metrics(a.Metrics)
	return wrong.of("Attachment")
}

// Validate returns an error that names everything that is wrong with the deletion, whatever
// the registry holds.
func (d Deletion) Validate() error {
	var wrong violations
	wrong.time(d.Time)
	wrong.text("Actor", d.Actor)
	wrong.text("Reason", d.Reason)
	return wrong.of("Deletion")
}

// Validate returns an error that names everything that is wrong with the transition, whatever
// the registry holds: text that is not UTF-8 or contains NUL, a Time that cannot be stored, a
// Displaced that is no such stage. Every registry refuses such a transition with that error,
// always.
func (t Transition) Validate() error {
	var wrong violations
	wrong.text("Actor", t.Actor)
	wrong.text("Reason", t.Reason)
	wrong.text("Decision", t.Decision)
	wrong.text("Key", t.Key)
	wrong.time(t.Time)
	if t.Displaced != "" && t.Displaced != Archived && t.Displaced != Quarantined {
		wrong.add("Displaced is %q, want %q or %q: %w", t.Displaced, Archived, Quarantined, ErrIllegal)
	}
	return wrong.of("Transition")
}

// isText reports whether every store can keep s unchanged: JSON cannot keep broken UTF-8, and
// PostgreSQL cannot keep NUL.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// isStorable reports whether RFC 3339, and so JSON, can express t.
func isStorable(t time.Time) bool {
	year := t.UTC().Year()
	return 0 <= year && year <= 9999
}

// isDocument reports whether s is the name of a document.
func isDocument(s string) bool {
	for _, c := range s {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c)) {
			return false
		}
	}
	return s != "" && s[0] != '.' && s != ModelFile
}

// isPath reports whether s can be the path of a file in a folder, on any system.
func isPath(s string) bool {
	for _, c := range s {
		if !unicode.IsPrint(c) || c == '\\' || c == utf8.RuneError {
			return false
		}
	}
	return fs.ValidPath(s) && s != "." && len(s) <= maxPath
}

// pathInFolder returns the path of a file in an artifact that is a folder, and whether the
// file is one.
func pathInFolder(file string) (path string, ok bool) { return strings.CutPrefix(file, ModelFile+"/") }

// isBlobName reports whether s may be a name in [Blobs].
func isBlobName(s string) bool {
	for _, c := range s {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 100
}
