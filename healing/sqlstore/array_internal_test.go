package sqlstore

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parseArray reads an array literal as PostgreSQL does, if all elements are quoted.
func parseArray(literal string) (elements []string, err error) {
	body, ok := strings.CutPrefix(literal, "{")
	if !ok {
		return nil, errors.New("no {")
	}
	for !strings.HasPrefix(body, "}") {
		if len(elements) > 0 {
			if body, ok = strings.CutPrefix(body, ","); !ok {
				return nil, errors.New("no comma")
			}
		}
		if body, ok = strings.CutPrefix(body, `"`); !ok {
			return nil, errors.New("not quoted")
		}
		var b strings.Builder
		for {
			if body == "" {
				return nil, errors.New("ends within an element")
			}
			c := body[0]
			body = body[1:]
			if c == '"' {
				break
			}
			if c == '\\' {
				if body == "" {
					return nil, errors.New("ends with a backslash")
				}
				c, body = body[0], body[1:]
			}
			b.WriteByte(c)
		}
		elements = append(elements, b.String())
	}
	if body != "}" {
		return nil, errors.New("something after }")
	}
	return elements, nil
}

func TestTextArray(t *testing.T) {
	t.Parallel()
	var a textArray
	require.Equal(t, "{}", a.String())
	for _, s := range []string{"", "NULL", `a"b\c`, "{,}", " x ", "ü\n"} {
		a.add(s)
	}
	require.Equal(t, `{"","NULL","a\"b\\c","{,}"," x ","ü`+"\n"+`"}`, a.String())
	require.Equal(t, a.String(), a.String(), "it may be asked twice")
}

func FuzzTextArray(f *testing.F) {
	f.Add("", `"\`, "{}")
	f.Add("NULL", ",", `\"`)
	f.Fuzz(func(t *testing.T, one, two, three string) {
		var a textArray
		want := []string{one, two, three}
		for _, s := range want {
			a.add(s)
		}
		got, err := parseArray(a.String())
		require.NoError(t, err, a.String())
		require.Equal(t, want, got)
	})
}

func TestIntArray(t *testing.T) {
	t.Parallel()
	var a intArray
	require.Equal(t, "{}", a.String())
	for _, n := range []int64{0, -1, math.MaxInt64, math.MinInt64} {
		a.add(n)
	}
	require.Equal(t, "{0,-1,9223372036854775807,-9223372036854775808}", a.String())
}

func TestSlab(t *testing.T) {
	t.Parallel()
	var s slab
	for _, b := range []string{"one", "", "three"} {
		s.add([]byte(b))
	}
	require.True(t, bytes.Equal([]byte("onethree"), s.bytes))
	require.Equal(t, "{1,4,4}", s.start.String(), "SQL counts from 1")
	require.Equal(t, "{3,0,5}", s.count.String())
}
