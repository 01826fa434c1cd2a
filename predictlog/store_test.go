package predictlog_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

func TestQuery_Matches(t *testing.T) {
	t.Parallel()
	r := applicantRecord("a")
	for _, tc := range []struct {
		name  string
		query predictlog.Query
		want  bool
	}{
		{"all", predictlog.Query{}, true},
		{"from is inclusive", predictlog.Query{From: r.Time}, true},
		{"before from", predictlog.Query{From: r.Time.Add(1)}, false},
		{"to is exclusive", predictlog.Query{To: r.Time}, false},
		{"before to", predictlog.Query{To: r.Time.Add(1)}, true},
		{"another zone", predictlog.Query{From: r.Time.In(time.FixedZone("east", 3600))}, true},
		{"model and version", predictlog.Query{Model: "credit", Version: "3"}, true},
		{"other model", predictlog.Query{Model: "fraud", Version: "3"}, false},
		{"other version", predictlog.Query{Model: "credit", Version: "4"}, false},
	} {
		require.Equal(t, tc.want, tc.query.Matches(r), tc.name)
	}
}

func TestDuplicateError(t *testing.T) {
	t.Parallel()
	store := predictlog.NewMemoryStore(applicantSchema(t))
	other := applicantRecord("a")
	other.Version = "4"
	err := store.Append(t.Context(), applicantRecord("a"), other)
	require.EqualError(t, err, `predictlog: record "a": ID taken by a record with other content`)
	require.ErrorIs(t, err, predictlog.ErrDuplicate)
}

func TestQuery_Tag(t *testing.T) {
	t.Parallel()
	r := applicantRecord("a")
	r.Tags = map[string]string{"tenant": "x", "empty": ""}
	for tag, want := range map[predictlog.Tag]bool{
		{}:                           true,
		{Value: "x"}:                 true,
		{Name: "tenant", Value: "x"}: true,
		{Name: "tenant"}:             false,
		{Name: "empty"}:              true,
		{Name: "absent"}:             false,
	} {
		require.Equal(t, want, predictlog.Query{Tag: tag}.Matches(r), tag)
	}
}

// A store that counts microseconds selects what Matches does, whatever the bounds.
func TestQuery_Micros(t *testing.T) {
	t.Parallel()
	from, to := predictlog.Query{}.Micros()
	require.Equal(t, [2]int64{math.MinInt64, math.MaxInt64}, [2]int64{from, to})
	r := applicantRecord("a")
	for _, start := range []time.Time{r.Time, time.UnixMicro(0), time.UnixMicro(-5), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)} {
		for fromNanos := -2500; fromNanos < 2500; fromNanos += 250 {
			for toNanos := fromNanos; toNanos < 2500; toNanos += 250 {
				q := predictlog.Query{From: start.Add(time.Duration(fromNanos)), To: start.Add(time.Duration(toNanos))}
				from, to := q.Micros()
				for micros := -3; micros <= 3; micros++ {
					r.Time = start.Add(time.Duration(micros) * time.Microsecond)
					if q.From.IsZero() || q.To.IsZero() {
						continue
					}
					at := r.Time.UnixMicro()
					require.Equal(t, q.Matches(r), from <= at && at < to, "%v %v", q, r.Time)
				}
			}
		}
	}
	for _, year := range []int{-400_000, 400_000} {
		q := predictlog.Query{From: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
		from, _ := q.Micros()
		require.Equal(t, q.Matches(applicantRecord("a")), from <= applicantRecord("a").Time.UnixMicro(), "no overflow")
	}
}
