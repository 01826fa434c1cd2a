package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRewrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ statement, postgres, sqlite string }{
		{"SELECT $2, $1, $10 FROM {a} JOIN {b_c}", "SELECT $2, $1, $10 FROM p_a JOIN p_b_c", "SELECT ?2, ?1, ?10 FROM p_a JOIN p_b_c"},
		{"x #int, y #bytes", "x bigint, y bytea", "x INTEGER, y BLOB"},
		{"y #text NOT NULL", `y text COLLATE "C" NOT NULL`, "y TEXT NOT NULL"},
		{"'{}'", "'{}'", "'{}'"},
	} {
		require.Equal(t, c.postgres, postgres.rewrite("p_", c.statement))
		require.Equal(t, c.sqlite, sqlite.rewrite("p_", c.statement))
	}
	for _, d := range []dialect{postgres, sqlite} {
		for _, statements := range migrations {
			for _, s := range statements {
				require.NotContains(t, d.rewrite("p_", s), "#", "every word is known")
				require.NotContains(t, d.rewrite("p_", s), "{")
			}
		}
		require.NotContains(t, d.rewrite("p_", "#now"), "#")
	}
}

func TestDialect_String(t *testing.T) {
	t.Parallel()
	require.Equal(t, "PostgreSQL SQLite unknown", fmt.Sprint(postgres, " ", sqlite, " ", dialect(0)))
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"3.38": true, "3.38.0": true, "3.53.1": true, "4.0.1": true, "3.37.9": false, "2.99.1": false, "": false, "3": false, "x.y": false,
	} {
		require.Equal(t, want, atLeast(version, 3, 38), version)
	}
}

type stateError string

func (e stateError) Error() string    { return "state " + string(e) }
func (e stateError) SQLState() string { return string(e) }

type codeError int

func (e codeError) Error() string { return fmt.Sprint("code ", int(e)) }
func (e codeError) Code() int     { return int(e) }

func TestTransient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err              error
		postgres, sqlite bool
	}{
		{stateError("40001"), true, false},
		{stateError("40P01"), true, false},
		{stateError("23505"), false, false},
		{codeError(5), false, true},
		{codeError(5 | 2<<8), false, true}, // SQLITE_BUSY_SNAPSHOT
		{codeError(6), false, true},
		{codeError(1555), false, false},
		{errors.New("sqlite3: database is locked"), false, true},
		{errors.New("deadlock detected"), false, false},
		{context.DeadlineExceeded, false, false},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err), errors.Join(errors.New("another"), c.err)} {
			require.Equal(t, c.postgres, postgres.transient(err), "%v", err)
			require.Equal(t, c.sqlite, sqlite.transient(err), "%v", err)
		}
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	db := &DB{dialect: sqlite, log: discard()}
	tries := 0
	require.NoError(t, db.retry(t.Context(), func() error {
		if tries++; tries < 3 {
			return codeError(5)
		}
		return nil
	}))
	require.Equal(t, 3, tries)

	tries = 0
	err := db.retry(t.Context(), func() error { tries++; return codeError(1) })
	require.Equal(t, codeError(1), err)
	require.Equal(t, 1, tries, "no other error is tried again")

	ctx, cancel := context.WithCancel(t.Context())
	err = db.retry(ctx, func() error { cancel(); return codeError(5) })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, codeError(5), "both are told")
	tries = 0
	require.ErrorIs(t, db.retry(ctx, func() error { tries++; return nil }), context.Canceled)
	require.Zero(t, tries)
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "registry/credit", "läuft \"'", strings.Repeat("x", 200)} {
		require.NoError(t, checkName("name", good))
	}
	for _, bad := range []string{"", "a\x00", "\xff", strings.Repeat("x", 201)} {
		require.ErrorContains(t, checkName("name", bad), "want 1 to 200 bytes of UTF-8 without NUL")
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 6, 1, 12, 0, 0, 1000, time.UTC)
	for _, c := range []struct {
		t    time.Time
		want int64
	}{
		{at, at.UnixMicro()},
		{at.Add(1), at.UnixMicro() + 1},
		{at.Add(-1), at.UnixMicro()},
		{at.Add(-999), at.UnixMicro()},
		{time.Unix(0, -1), 0},
		{time.Unix(0, -1001), -1},
		{time.Unix(math.MaxInt64/4, 0), maxMicros},
		{time.Unix(math.MinInt64/4, 0), minMicros},
	} {
		require.Equal(t, c.want, ceilMicros(c.t), "%v", c.t)
	}
	least, end := bounds(time.Time{}, time.Time{})
	require.Equal(t, []int64{minMicros, maxMicros}, []int64{least, end})
	require.Less(t, least, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	require.Greater(t, end, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro())
}
