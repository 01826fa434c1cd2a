package predictlog_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

var uuidv7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestNewID(t *testing.T) {
	t.Parallel()
	before := time.Now()
	seen := map[string]bool{}
	for range 10000 {
		id := predictlog.NewID()
		require.Regexp(t, uuidv7, id)
		require.NoError(t, predictlog.CheckID(id))
		require.False(t, seen[id], "ID %s came twice", id)
		seen[id] = true
	}
	for id := range seen {
		ms := unixMilli(t, id)
		require.GreaterOrEqual(t, ms, before.UnixMilli())
		require.LessOrEqual(t, ms, time.Now().UnixMilli())
	}
}

// unixMilli reads the time of a UUIDv7.
func unixMilli(t *testing.T, id string) int64 {
	t.Helper()
	ms, err := strconv.ParseInt(strings.ReplaceAll(id[:13], "-", ""), 16, 64)
	require.NoError(t, err)
	return ms
}

func TestNewIDAt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		time time.Time
		want string // the digits that hold the time
	}{
		{"example of RFC 9562", time.UnixMilli(0x017f22e279b0), "017f22e2-79b0-7000"},
		{"epoch", time.Unix(0, 0), "00000000-0000-7000"},
		{"half a millisecond", time.UnixMicro(500), "00000000-0000-7800"},
		{"end of a millisecond", time.Unix(0, 999999), "00000000-0000-7fff"},
		{"another zone", time.UnixMilli(0x017f22e279b0).In(time.FixedZone("east", 3600)), "017f22e2-79b0-7000"},
		{"before 1970", time.Unix(-1, 999999999), "00000000-0000-7000"},
		{"year 1", time.Time{}, "00000000-0000-7000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := predictlog.NewIDAt(tc.time)
			require.Regexp(t, uuidv7, id)
			require.Equal(t, tc.want, id[:len(tc.want)])
		})
	}
}

func TestNewIDAt_SortsByTime(t *testing.T) {
	t.Parallel()
	start := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	last := predictlog.NewIDAt(start)
	for i := range 10000 {
		id := predictlog.NewIDAt(start.Add(time.Duration(i+1) * time.Microsecond))
		require.Less(t, last, id)
		last = id
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		predictlog.NewID()
	}
}
