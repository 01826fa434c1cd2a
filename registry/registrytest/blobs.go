package registrytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// BlobsHarness makes the blobs under test. The log of the test names promises that could not
// be checked because a field is nil.
type BlobsHarness struct {
	// New returns empty blobs and registers their cleanup with t. Required.
	New func(t *testing.T) registry.Blobs
	// Reopen returns blobs on the same data as b, after b was closed, as after a restart of
	// the process.
	Reopen func(t *testing.T, b registry.Blobs) registry.Blobs
	// Second returns other blobs on the same data as b, as another process would have them. b
	// stays in use.
	Second func(t *testing.T, b registry.Blobs) registry.Blobs
	// InMemory means that the contents are held in memory, by promise.
	InMemory bool
}

// RunBlobs checks every promise of [registry.Blobs], each in a subtest of its own.
func RunBlobs(t *testing.T, h BlobsHarness) { runAll(t, h, blobsPromises()) }

// blobsKit is blobs under test.
type blobsKit struct {
	*proof
	h BlobsHarness
	b registry.Blobs
}

func (k *blobsKit) ctx() context.Context { return k.t.Context() }

func (k *blobsKit) put(name, content string) {
	// The reader has no other method: no store may rely on its size or on seeking.
	k.succeeds("put "+name, k.b.Put(k.ctx(), name, io.MultiReader(strings.NewReader(content))))
}

func (k *blobsKit) holds(b registry.Blobs, name, want string) {
	f, err := b.Get(k.ctx(), name)
	k.succeeds("get "+name, err)
	got, err := io.ReadAll(f)
	k.succeeds("read "+name, err)
	k.succeeds("close "+name, f.Close())
	if string(got) != want {
		k.broken("%s holds %.200q, want %.200q", name, got, want)
	}
}

func (k *blobsKit) absent(b registry.Blobs, name string) {
	f, err := b.Get(k.ctx(), name)
	if err == nil {
		got, err := io.ReadAll(f)
		_ = f.Close()
		k.broken("%s holds %.200q (error %v), want nothing", name, got, err)
	}
	k.fails("get "+name, err, registry.ErrNotFound)
}

// lists ends the attempt unless List yields these names, and besides them only names that can
// be deleted and not be got.
func (k *blobsKit) lists(b registry.Blobs, want map[string]int64) {
	seen := make(map[string]bool)
	for blob, err := range b.List(k.ctx()) {
		k.succeeds("list", err)
		size, ok := want[blob.Name]
		if !ok {
			k.absent(b, blob.Name)
			continue
		}
		if seen[blob.Name] {
			k.broken("listed twice: %+v", blob)
		}
		seen[blob.Name] = true
		if age := time.Since(blob.Time); blob.Size != size || age < -time.Hour || age > time.Hour {
			k.broken("listed %+v, want the size %d and the present as its time", blob, size)
		}
	}
	if len(seen) != len(want) {
		k.broken("listed %v, want %v", seen, want)
	}
}

func blobsPromises() []promise[BlobsHarness] {
	var all []promise[BlobsHarness]
	add := func(name, text string, prove func(k *blobsKit)) {
		all = append(all, promise[BlobsHarness]{name, text, func(p *proof, h BlobsHarness) {
			prove(&blobsKit{proof: p, h: h, b: h.New(p.t)})
		}})
	}
	longest := strings.Repeat("z-9", 33) + "a"
	add("Put/Get", "What was put is got, byte for byte, under its name and no other.",
		func(k *blobsKit) {
			k.absent(k.b, "a")
			contents := map[string]string{"a": "one", "a-1": "", "0": "\x00\xff\r\n", longest: "long"}
			for name, content := range contents {
				k.put(name, content)
			}
			for name, content := range contents {
				k.holds(k.b, name, content)
				k.holds(k.b, name, content) // again, and independently
			}
			for _, name := range []string{"b", "a-", "a-11", "", "A", "../a", "a/b", "a.tmp"} {
				k.absent(k.b, name)
			}
		})
	add("Put/Copies", "What was given to Put may be changed afterwards.",
		func(k *blobsKit) {
			content := []byte("content")
			k.succeeds("put", k.b.Put(k.ctx(), "a", bytes.NewReader(content)))
			clear(content)
			k.holds(k.b, "a", "content")
		})
	add("Put/SourceFails", "A Put whose content could not be read to its end returns its error and leaves nothing under the name.",
		func(k *blobsKit) {
			for _, size := range []int{0, 10, 1 << 16, 20 << 20} {
				name := fmt.Sprintf("torn-%d", size)
				torn := io.MultiReader(io.LimitReader(zeros, int64(size)), readerFunc(func([]byte) (int, error) { return 0, errBroken }))
				k.fails("put", k.b.Put(k.ctx(), name, torn), errBroken)
				k.absent(k.b, name)
			}
			k.lists(k.b, nil)
		})
	add("Put/CancelledWhileReading", "A Put that was cancelled returns the error of ctx and leaves nothing under the name, or the whole content.",
		func(k *blobsKit) {
			ctx, cancel := context.WithCancel(k.ctx())
			defer cancel()
			endless := readerFunc(func(p []byte) (int, error) {
				cancel()
				return len(p), ctx.Err()
			})
			k.fails("put", k.b.Put(ctx, "a", endless), context.Canceled)
			k.absent(k.b, "a")
			k.lists(k.b, nil)
		})
	add("Cancelled", "With a ctx that is done every method returns its error and changes nothing.",
		func(k *blobsKit) {
			ctx, cancel := context.WithCancel(k.ctx())
			cancel()
			list := func() {
				n := 0
				for blob, err := range k.b.List(ctx) {
					k.fails("list", err, context.Canceled)
					if blob != (registry.Blob{}) {
						k.broken("list yields %+v with its error", blob)
					}
					n++
				}
				if n != 1 {
					k.broken("list yields %d elements, want only the error", n)
				}
			}
			list() // also if there is nothing
			k.put("a", "one")
			k.fails("put", k.b.Put(ctx, "b", strings.NewReader("two")), context.Canceled)
			_, err := k.b.Get(ctx, "a")
			k.fails("get", err, context.Canceled)
			k.fails("delete", k.b.Delete(ctx, "a"), context.Canceled)
			list()
			k.holds(k.b, "a", "one")
			k.absent(k.b, "b")
		})
	add("Delete", "Delete removes one content and no other; a name that is not there is no error.",
		func(k *blobsKit) {
			k.put("a", "one")
			k.put("a-1", "two")
			for range 2 {
				k.succeeds("delete", k.b.Delete(k.ctx(), "a"))
				k.absent(k.b, "a")
			}
			k.holds(k.b, "a-1", "two")
			k.lists(k.b, map[string]int64{"a-1": 3})
		})
	add("List", "List yields the name, the size and the time of every content; its consumer may stop early, and may delete what it got.",
		func(k *blobsKit) {
			want := make(map[string]int64)
			for i := range 25 {
				name := fmt.Sprintf("blob-%d", i)
				k.put(name, strings.Repeat("x", i))
				want[name] = int64(i)
			}
			k.lists(k.b, want)
			for range k.b.List(k.ctx()) {
				break
			}
			for blob, err := range k.b.List(k.ctx()) {
				k.succeeds("list", err)
				k.succeeds("delete", k.b.Delete(k.ctx(), blob.Name))
			}
			k.lists(k.b, nil)
		})
	add("Large", "A content of 64 MiB is stored and read back in memory that does not grow with it.",
		func(k *blobsKit) {
			const size = 64 << 20
			var put, got uint64
			for try := range 3 { // other tests of the process use memory too, but not always
				name := fmt.Sprintf("large-%d", try)
				content := io.LimitReader(rand.NewChaCha8([32]byte{}), size)
				before := live()
				k.succeeds("put", k.b.Put(k.ctx(), name, io.MultiReader(content, readerFunc(func([]byte) (int, error) {
					put = live() - min(before, live())
					return 0, io.EOF
				}))))
				before = live()
				f, err := k.b.Get(k.ctx(), name)
				k.succeeds("get", err)
				same, err := equalReaders(f, io.LimitReader(rand.NewChaCha8([32]byte{}), size))
				k.succeeds("read", err)
				got = live() - min(before, live())
				k.succeeds("close", f.Close())
				if !same {
					k.broken("read other content than was stored")
				}
				k.succeeds("delete", k.b.Delete(k.ctx(), name))
				if k.h.InMemory || put < size*3/4 && got < size*3/4 {
					return
				}
			}
			k.broken("%d MB are held in memory after all was put, %d MB after all was got", put>>20, got>>20)
		})
	add("Concurrent", "Contents that are put, got and deleted at the same time do not mix.",
		func(k *blobsKit) {
			each(func(i int) {
				for n := range 5 {
					name, content := fmt.Sprintf("w%d-%d", i, n), strings.Repeat(fmt.Sprintf("%d of %d,", n, i), 10_000)
					if err := k.b.Put(k.ctx(), name, strings.NewReader(content)); err != nil {
						k.report("put: %v", err)
						return
					}
					f, err := k.b.Get(k.ctx(), name)
					if err != nil {
						k.report("get: %v", err)
						return
					}
					got, err := io.ReadAll(f)
					_ = f.Close()
					if err != nil || string(got) != content {
						k.report("%s holds %.40q (error %v)", name, got, err)
					}
					if n%2 == 0 {
						if err := k.b.Delete(k.ctx(), name); err != nil {
							k.report("delete: %v", err)
						}
					}
				}
			})
			n := 0
			for blob, err := range k.b.List(k.ctx()) {
				k.succeeds("list", err)
				k.succeeds("delete", k.b.Delete(k.ctx(), blob.Name))
				n++
			}
			if n != 2*writers {
				k.broken("%d contents are left, want %d", n, 2*writers)
			}
		})
	add("Reopen", "Blobs that are opened again hold what they held.",
		func(k *blobsKit) {
			k.needs(k.h.Reopen != nil, "Reopen")
			k.put("a", "one")
			k.put("b", "two")
			k.succeeds("delete", k.b.Delete(k.ctx(), "b"))
			k.b = k.h.Reopen(k.t, k.b)
			k.holds(k.b, "a", "one")
			k.lists(k.b, map[string]int64{"a": 3})
		})
	add("Second", "What one process put or deleted, another gets or misses at once.",
		func(k *blobsKit) {
			k.needs(k.h.Second != nil, "Second")
			other := k.h.Second(k.t, k.b)
			k.absent(other, "a")
			k.put("a", "one")
			k.holds(other, "a", "one")
			k.lists(other, map[string]int64{"a": 3})
			k.succeeds("delete", other.Delete(k.ctx(), "a"))
			k.absent(k.b, "a")
		})
	return all
}

// zeros never ends.
var zeros = readerFunc(func(p []byte) (int, error) {
	clear(p)
	return len(p), nil
})

// live returns the bytes of live memory of the process.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func equalReaders(a, b io.Reader) (bool, error) {
	bufA, bufB := make([]byte, 1<<16), make([]byte, 1<<16)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		switch {
		case errA == io.EOF || errA == io.ErrUnexpectedEOF:
			return errB == errA, nil
		case errA != nil:
			return false, errA
		case errB != nil:
			return false, errB
		}
	}
}
