package predictlog_test

import (
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
