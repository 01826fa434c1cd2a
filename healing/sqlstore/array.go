package sqlstore

import (
	"strconv"
	"strings"
)

// PostgreSQL takes any number of rows in one statement if each column comes as an array. Only
// some drivers accept Go slices as arrays; all of them send a string, which the statement
// casts.

// textArray is a literal of type text[] that grows. The zero textArray is empty.
type textArray struct{ b strings.Builder }

var arrayQuoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// add appends an element, which must be UTF-8 without NUL.
func (a *textArray) add(s string) {
	a.separate()
	a.b.WriteByte('"')
	_, _ = arrayQuoter.WriteString(&a.b, s) // a Builder never fails
	a.b.WriteByte('"')
}

func (a *textArray) separate() {
	if a.b.Len() == 0 {
		a.b.WriteByte('{')
		return
	}
	a.b.WriteByte(',')
}

// String returns the literal.
func (a *textArray) String() string {
	if a.b.Len() == 0 {
		return "{}"
	}
	return a.b.String() + "}"
}

// intArray is a literal of type bigint[] that grows. The zero intArray is empty.
type intArray struct{ b []byte }

func (a *intArray) add(n int64) {
	separator := byte(',')
	if len(a.b) == 0 {
		separator = '{'
	}
	a.b = strconv.AppendInt(append(a.b, separator), n, 10)
}

// String returns the literal.
func (a *intArray) String() string {
	if len(a.b) == 0 {
		return "{}"
	}
	return string(a.b) + "}"
}

// slab holds many byte strings in one parameter. Statements cut it at the given places.
type slab struct {
	bytes        []byte
	start, count intArray
}

// add appends b.
func (s *slab) add(b []byte) {
	s.start.add(int64(len(s.bytes) + 1)) // SQL counts from 1
	s.count.add(int64(len(b)))
	s.bytes = append(s.bytes, b...)
}
