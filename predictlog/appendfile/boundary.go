package appendfile

import "bytes"

// LineBoundary returns the length of the longest prefix of p that is whole lines: the part up
// to and including the last '\n', 0 without one.
func LineBoundary(p []byte) int { return bytes.LastIndexByte(p, '\n') + 1 }

// CSVBoundary returns the length of the longest prefix of p that is whole records of RFC
// 4180: the part up to and including the last '\n' outside quotes, 0 without one. The first
// byte of p must be the first of a record. Every quote opens or closes, so a doubled quote
// inside a quoted cell changes nothing.
func CSVBoundary(p []byte) int {
	// Counting first and then walking back from the end runs at the speed of
	// bytes.Count, because most records end on the last line.
	quotes := bytes.Count(p, []byte{'"'})
	for {
		end := LineBoundary(p)
		quotes -= bytes.Count(p[end:], []byte{'"'})
		if end == 0 || quotes%2 == 0 {
			return end
		}
		p = p[:end-1]
	}
}
