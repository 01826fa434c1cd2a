package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"
)

// copyFile copies src to dst through a meter and describes it.
func copyFile(ctx context.Context, dst io.Writer, name string, src io.Reader) (File, error) {
	m := newMeter(ctx, src)
	_, err := io.Copy(dst, m)
	f, errContent := m.describe(name, "blob")
	return f, errors.Join(err, errContent)
}

func TestMeter(t *testing.T) {
	t.Parallel()
	var dst bytes.Buffer
	f, err := copyFile(t.Context(), &dst, "model", strings.NewReader("abc"))
	require.NoError(t, err)
	require.Equal(t, "abc", dst.String())
	require.Equal(t, File{
		Name: "model", Size: 3,
		Blob:   "blob",
		SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", // FIPS 180-2, appendix B.1
	}, f)
}

func TestMeter_Fails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := copyFile(t.Context(), io.Discard, "model", iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	_, err = copyFile(cancelled, io.Discard, "model", strings.NewReader("abc"))
	require.ErrorIs(t, err, context.Canceled)
	// A store that does not read to the end did not store the file.
	m := newMeter(t.Context(), strings.NewReader("abc"))
	_, err = m.Read(make([]byte, 3))
	require.NoError(t, err)
	_, err = m.describe("model", "blob")
	require.EqualError(t, err, "was not read to its end")
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const stored = "the stored content"
	f, err := copyFile(t.Context(), io.Discard, "model", strings.NewReader(stored))
	require.NoError(t, err)

	for name, c := range map[string]struct {
		content string
		want    string // part of the error, "" for none
	}{
		"as stored":      {stored, ""},
		"another byte":   {"The stored content", "has the SHA-256 "},
		"a byte less":    {"the stored conten", "has 17 bytes, want 18"},
		"a byte more":    {"the stored contents", "is longer than 18 bytes"},
		"nothing at all": {"", "has 0 bytes, want 18"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, src := range []io.Reader{
				strings.NewReader(c.content),
				iotest.OneByteReader(strings.NewReader(c.content)),
				iotest.DataErrReader(strings.NewReader(c.content)), // io.EOF together with the last bytes
			} {
				r := Verify(f, io.NopCloser(src))
				_, err := io.Copy(io.Discard, r)
				_, again := r.Read(make([]byte, 1))
				if c.want == "" {
					require.NoError(t, err)
					require.Equal(t, io.EOF, again)
					continue
				}
				require.ErrorIs(t, err, ErrCorrupt)
				require.ErrorContains(t, err, c.want)
				require.Equal(t, err, again)
			}
		})
	}
}

// An error in the middle ends the reading, even if the storage would go on.
func TestVerify_RepeatsTheError(t *testing.T) {
	t.Parallel()
	const stored = "the stored content"
	f, err := copyFile(t.Context(), io.Discard, "model", strings.NewReader(stored))
	require.NoError(t, err)
	once := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(stored))) // fails the second Read only
	r := Verify(f, io.NopCloser(once))
	for range 2 {
		_, err = io.ReadAll(r)
		require.Equal(t, iotest.ErrTimeout, err)
	}
}

func TestVerify_Properties(t *testing.T) {
	t.Parallel()
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250101))
	props.Property("accepts what Copy stored and refuses one other bit", prop.ForAll(
		func(content []byte, at uint) bool {
			var dst bytes.Buffer
			f, err := copyFile(context.Background(), &dst, "model", bytes.NewReader(content))
			got, errGot := io.ReadAll(Verify(f, io.NopCloser(&dst)))
			if err != nil || errGot != nil || !bytes.Equal(got, content) {
				return false
			}
			if len(content) == 0 {
				return true
			}
			bit := at % uint(8*len(content))
			got[bit/8] ^= 1 << (bit % 8)
			_, err = io.ReadAll(Verify(f, io.NopCloser(bytes.NewReader(got))))
			return errors.Is(err, ErrCorrupt)
		},
		gen.SliceOf(gen.UInt8()), gen.UInt(),
	))
	props.TestingRun(t)
}
