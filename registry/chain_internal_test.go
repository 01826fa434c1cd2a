package registry

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzOpenLink opens arbitrary bytes: whatever opens was sealed by its own SHA-256.
func FuzzOpenLink(f *testing.F) {
	for _, w := range []wireLink{
		{Seq: 1, Nonce: "n", Body: []byte(`{"a":"<b> & c"}`)},
		{Seq: 2, Prev: "p", Nonce: "n", Token: 1<<64 - 1, Body: []byte("1")},
		{Seq: 3, Nonce: "n", Repair: &Repair{Kept: 1, Aside: 2, Damage: "läuft\x01"}, Body: []byte("null")},
	} {
		entry, err := sealLink(w)
		require.NoError(f, err)
		f.Add(entry, false)
		f.Add(entry[:len(entry)-1], false)
		f.Add(entry[:len(entry)-sealLength], true)
		f.Add(entry[:len(entry)/2], true)
	}
	f.Add([]byte(`{"seq":1,"unknown":2`), true)
	f.Add([]byte(`{"seq":-1`), true)
	f.Add([]byte(`{} {"seq":1`), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, entry []byte, seal bool) {
		if seal { // without it, hardly any input would get past the checksum
			entry = fmt.Appendf(bytes.Clone(entry), sealFormat, sha256.Sum256(entry))
		}
		given := bytes.Clone(entry)
		link, prev, err := openLink(entry)
		require.Equal(t, given, entry, "it changes nothing")
		if err != nil {
			require.Equal(t, Link{}, link)
			require.Empty(t, prev)
			return
		}
		n := len(entry) - sealLength
		require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(entry[:n])), link.Hash)
	})
}
