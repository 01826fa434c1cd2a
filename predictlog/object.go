package predictlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// eachMember calls visit for each member of the JSON object in body, in order. The value is a
// part of body, not empty and without white space around it. If body is no JSON object,
// eachMember returns an error and does not call visit.
func eachMember(body []byte, visit func(name, value []byte)) error {
	if !utf8.Valid(body) {
		return errors.New("not valid UTF-8")
	}
	if !json.Valid(body) {
		var discarded json.RawMessage
		return json.Unmarshal(body, &discarded)
	}
	// What follows relies on body being valid JSON.
	rest := skipSpace(body)
	if rest[0] != '{' {
		return fmt.Errorf("%s, want a JSON object", excerpt(bytes.TrimSpace(rest)))
	}
	for rest = skipSpace(rest[1:]); rest[0] != '}'; rest = skipSpace(rest) {
		if rest[0] == ',' {
			rest = skipSpace(rest[1:])
		}
		end := stringEnd(rest)
		name := rest[1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			unescaped, err := parseString(rest[:end])
			if err != nil {
				return err
			}
			name = []byte(unescaped)
		}
		rest = skipSpace(skipSpace(rest[end:])[1:]) // the colon, too
		end = valueEnd(rest)
		visit(name, rest[:end])
		rest = rest[end:]
	}
	return nil
}

func skipSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// stringEnd returns the length of the JSON string at the start of b.
func stringEnd(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueEnd returns the length of the JSON value at the start of b, which is a member's.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			i += stringEnd(b[i:]) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		switch {
		case depth < 0: // the end of the object around it
			return i
		case depth == 0:
			return i + 1
		}
	}
}

// isNumber reports whether the JSON value is a number.
func isNumber(raw []byte) bool { return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' }

// parseNumber reads a JSON number that a float64 can hold and that is finite.
func parseNumber(raw []byte) (float64, error) {
	if !isNumber(raw) {
		return 0, fmt.Errorf("is %s, want a number", excerpt(raw))
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, fmt.Errorf("is %s, which is out of the range of a float64", excerpt(raw))
	}
	return x, nil
}

func parseString(raw []byte) (string, error) {
	if raw[0] != '"' {
		return "", fmt.Errorf("is %s, want a string", excerpt(raw))
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// excerpt returns the part of a value that an error quotes.
func excerpt(raw []byte) string {
	const most = 60
	if len(raw) <= most {
		return string(raw)
	}
	cut := most
	for !utf8.RuneStart(raw[cut]) {
		cut--
	}
	return string(raw[:cut]) + "..."
}
