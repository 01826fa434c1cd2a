package csvlog_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
	"github.com/selfheal-ml/selfheal/predictlog/csvlog"
)

// Whatever is in a file, Scan yields records that could have been appended, or an error, and
// ScanColumns their columns.
func FuzzStore_Scan(f *testing.F) {
	const row = "a,2026-11-23T12:00:00.000000Z,credit,3,0.25,north,1,0.25,0.75,1500,,\n"
	for _, seed := range []string{
		"", "\n", "\r\n", row, row + row, "\"a\"" + row[1:], row[:20], row + "\"", "a,b\n\"\"\n", "\"a\"\"b\n\"\"\",c\n",
		"a,0001-01-01T00:00:00Z,,,,\"\",,,,,\"[{}]\",\"{\"\"a\"\":\"\"\"\"}\"\n",
	} {
		f.Add([]byte(seed))
	}
	schema, dir := applicants(f), f.TempDir()
	store := open(f, dir, schema, csvlog.Config{})
	path := filepath.Join(dir, "2026-11-23."+schema.Fingerprint()[:8]+".csv")
	const header = "id,time,model,version,income,region,class,p(0),p(1),latency_us,violations,tags\n"
	f.Fuzz(func(t *testing.T, rows []byte) {
		require.NoError(t, os.WriteFile(path, append([]byte(header), rows...), 0o644))
		for r, err := range store.Scan(t.Context(), predictlog.Query{}) {
			if err == nil {
				require.NoError(t, schema.CheckRecord(r))
			}
		}
		requireSameColumns(t, store, predictlog.Query{})
		requireSameColumns(t, store, predictlog.Query{From: noon, To: noon.Add(time.Hour), Version: "3"})
	})
}

// Every record that follows the schema is kept as it is.
func FuzzStore_RoundTrip(f *testing.F) {
	f.Add("a", int64(0), "m", "v", 1.5, true, "north", true, 0.5, int64(1500), "key", "value")
	f.Add("a", int64(1), "", "", 0.0, false, "", true, 1.0, int64(0), "\"", "\r\n")
	f.Add("=1+1", int64(-1), "\r", "\n", math.Copysign(0, -1), true, "a,\"b\"", false, 0.0, int64(1), "{", "\u2028")
	schema := applicants(f)
	f.Fuzz(func(t *testing.T, id string, at int64, model, version string, income float64, hasIncome bool, region string, hasRegion bool, p float64, latency int64, key, value string) {
		r := predictlog.Record{
			ID: id, Time: time.UnixMicro(at), Model: model, Version: version,
			Row:        predictlog.Row{predictlog.Missing(), predictlog.Missing()},
			Output:     predictlog.Output{Class: "1", Probabilities: []float64{1 - p, p}},
			Latency:    time.Duration(latency),
			Violations: []predictlog.Violation{{Column: key, Rule: value, Value: region}},
			Tags:       map[string]string{key: value},
		}
		if hasIncome {
			r.Row[0] = predictlog.Number(income)
		}
		if hasRegion {
			r.Row[1] = predictlog.Category(region)
		}
		store := open(t, t.TempDir(), schema, csvlog.Config{Sync: csvlog.SyncNone})
		err := store.Append(t.Context(), r)
		if schema.CheckRecord(r) != nil {
			require.ErrorIs(t, err, predictlog.ErrInvalidRecord)
			return
		}
		require.NoError(t, err)
		requireEqual(t, []predictlog.Record{r}, scan(t, store, predictlog.Query{}))
		require.NoError(t, store.Append(t.Context(), r))
	})
}
