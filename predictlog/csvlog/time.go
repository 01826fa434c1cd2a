package csvlog

import "time"

// timeParser reads times as appendTime writes them. It keeps the last day, because most rows
// of a file are of one day.
type timeParser struct {
	day   [len(time.DateOnly)]byte
	start int64 // of the day, in microseconds since 1970
}

// timeLength is the length of a time as it is written.
const timeLength = len("2006-01-02T15:04:05.000000Z")

// parse returns the microseconds since 1970. It returns false for any other text, which may
// still be a valid time.
func (t *timeParser) parse(text []byte) (micros int64, ok bool) {
	if len(text) != timeLength || text[4] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != '.' || text[26] != 'Z' {
		return 0, false
	}
	if [len(t.day)]byte(text[:len(t.day)]) != t.day {
		day, err := time.Parse(time.DateOnly, string(text[:len(t.day)]))
		if err != nil || day.Year() < 2 { // a year of 0 is none, and in that of 1 is the zero time
			return 0, false
		}
		t.day, t.start = [len(t.day)]byte(text[:len(t.day)]), day.UnixMicro()
	}
	hour, okHour := digits(text[11:13])
	minute, okMinute := digits(text[14:16])
	second, okSecond := digits(text[17:19])
	fraction, okFraction := digits(text[20:26])
	if !okHour || !okMinute || !okSecond || !okFraction || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return t.start + ((hour*60+minute)*60+second)*1e6 + fraction, true
}

// digits returns the number whose digits are all of text.
func digits(text []byte) (n int64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
