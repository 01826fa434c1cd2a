package filetelemetry

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/selfheal-ml/selfheal/healing"
)

// A line is a flag, a checksum of the flag and of the rest, and, each after a tab, the time,
// the part and the series in quotes, and the data. Data that are text of one line follow a
// '=' unchanged; other data follow a ':' in base64.
const (
	flagMore = '+' // the next line is of the same Put
	flagLast = '.'
	sumSize  = 8
	// timeLayout has a fixed width, in microseconds.
	timeLayout = "2006-01-02T15:04:05.000000Z"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(flag byte, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte{flag}, castagnoli), castagnoli, rest)
}

// appendLine appends the line of a point.
func appendLine(p []byte, flag byte, point healing.Point) []byte {
	rest := make([]byte, 0, len(point.Data)+len(point.Series)+64)
	rest = append(rest, '\t')
	rest = point.Time.AppendFormat(rest, timeLayout)
	rest = append(rest, '\t')
	rest = strconv.AppendQuote(rest, point.Part)
	rest = append(rest, '\t')
	rest = strconv.AppendQuote(rest, point.Series)
	rest = append(rest, '\t')
	if plain(point.Data) {
		rest = append(append(rest, '='), point.Data...)
	} else {
		rest = base64.StdEncoding.AppendEncode(append(rest, ':'), point.Data)
	}
	return sealLine(p, flag, rest)
}

func sealLine(p []byte, flag byte, rest []byte) []byte {
	p = append(p, flag)
	p = fmt.Appendf(p, "%0*x", sumSize, checksum(flag, rest))
	return append(append(p, rest...), '\n')
}

// plain reports whether data are text of one line.
func plain(data []byte) bool {
	return utf8.Valid(data) && bytes.IndexFunc(data, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// line is a line of a file.
type line struct {
	point  healing.Point // without its data
	text   []byte        // all of it
	rest   []byte        // all but flag and checksum
	data   []byte        // with '=' or ':' before them
	number int
	err    error // what is wrong with it
}

// parseLine reads a line without its line break, and keeps a reference to the text. From a
// damaged line it reads time and part as far as possible.
func parseLine(text []byte) line {
	if len(text) < 1+sumSize {
		return line{text: text, err: errors.New("is cut off")}
	}
	l := line{text: text, rest: text[1+sumSize:]}
	fields := bytes.SplitN(l.rest, []byte{'\t'}, 5)
	if len(fields) == 5 {
		at, err := time.Parse(timeLayout, string(fields[1]))
		part, errPart := strconv.Unquote(string(fields[2]))
		series, errSeries := strconv.Unquote(string(fields[3]))
		l.point, l.data = healing.Point{Time: at, Part: part, Series: series}, fields[4]
		l.err = errors.Join(err, errPart, errSeries)
	} else {
		l.err = fmt.Errorf("has %d fields, want 5", len(fields))
	}
	sum, err := strconv.ParseUint(string(text[1:1+sumSize]), 16, 32)
	if err != nil || uint32(sum) != checksum(text[0], l.rest) {
		l.err = errors.New("has another checksum")
	}
	return l
}

// content returns the data of a line without an error.
func (l line) content() ([]byte, error) {
	switch {
	case bytes.HasPrefix(l.data, []byte{'='}):
		return bytes.Clone(l.data[1:]), nil
	case bytes.HasPrefix(l.data, []byte{':'}):
		return base64.StdEncoding.AppendDecode(nil, l.data[1:])
	}
	return nil, errors.New("has data in no known form")
}

// whole returns the length of the longest prefix of p that is whole Puts.
func whole(p []byte) int {
	for end := len(p); ; {
		n := bytes.LastIndexByte(p[:end], '\n') + 1
		if n == 0 {
			return 0
		}
		start := bytes.LastIndexByte(p[:n-1], '\n') + 1
		if p[start] != flagMore {
			return n
		}
		end = start
	}
}

// folderOf returns the name of the folder of a series. Series may share a folder, because the
// file system folds cases or a name was cut; their lines name the series.
func folderOf(series string) string {
	name := escape(series)
	if len(name) > maxName {
		name = name[:maxName-1-sumSize] + "~" + fmt.Sprintf("%0*x", sumSize, crc32.ChecksumIEEE([]byte(series)))
	}
	return name + folderEnding
}

const (
	maxName      = 100
	folderEnding = ".series"
	fileEnding   = ".tsv"
)

// escape keeps letters, digits and some marks that every file system accepts.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.@=+,", c) >= 0:
			b.WriteByte(c)
		case c == '/':
			b.WriteByte('!')
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }
