package predictlog_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// Whatever the bytes, even with the right checksum, Decode returns an error or a record
// that follows the schema and is kept by another encoding.
func FuzzCodec_Decode(f *testing.F) {
	codec := predictlog.NewCodec(codecSchema(f))
	for _, r := range []predictlog.Record{
		{ID: "a", Time: time.UnixMicro(1), Row: predictlog.Row{{}, {}}},
		{
			ID: "b", Time: time.UnixMicro(-1), Model: "m", Version: "3", Row: predictlog.Row{predictlog.Number(0.1), predictlog.Category("é")},
			Output:     predictlog.Output{Class: "yes", Probabilities: []float64{0, 0.25, 0.75}},
			Violations: []predictlog.Violation{{Column: "income", Rule: "gte=0", Value: "-1"}}, Tags: map[string]string{"a": "b", "c": ""},
		},
	} {
		data := encode(f, codec, r)
		f.Add(data[:len(data)-4])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := codec.Decode(body); err != nil {
			require.True(t, isDecodeError(err), "%v", err)
		}
		data := binary.BigEndian.AppendUint32(body[:len(body):len(body)], crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		r, err := codec.Decode(data)
		if err != nil {
			require.True(t, isDecodeError(err), "%v", err)
			return
		}
		require.NoError(t, codec.Schema().CheckRecord(r))
		again, err := codec.Decode(encode(t, codec, r))
		require.NoError(t, err)
		require.True(t, again.Equal(r))
	})
}

func isDecodeError(err error) bool {
	return errors.Is(err, predictlog.ErrDamagedRecord) || errors.Is(err, predictlog.ErrUnknownSchema)
}
