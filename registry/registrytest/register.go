package registrytest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

func registerChecks() []check {
	return []check{
		{
			name:    "Register/Describes",
			promise: "Register returns the version, in staging, with what the draft said of it, and Versions yields the same.",
			check: func(k *kit) {
				v := k.register("a")
				d := draft("a")
				want := registry.Version{
					ID: v.ID, Key: "a", Created: day, Stage: registry.Staging, Since: day,
					Files: []registry.File{
						file("empty", ""),
						file(registry.ModelFile, artifact("a")),
						file("profile.json", string(d.Documents["profile.json"])),
					},
					Tags: d.Tags, Metrics: d.Metrics,
				}
				if !equal(v, want) {
					k.broken("registered %+v, want %+v", v, want)
				}
				if got := k.versions(registry.Query{}); len(got) != 1 || !equal(got[0], want) {
					k.broken("stored %+v, want %+v", got, want)
				}
			},
		},
		{
			name:    "Register/Minimal",
			promise: "A draft needs only a Key: the time is then the present, in UTC, and Tags and Metrics are nil.",
			check: func(k *kit) {
				_, err := k.r.Register(k.ctx(), registry.Draft{Key: "a"}, strings.NewReader(""))
				k.succeeds("register", err)
				v := k.versions(registry.Query{})[0]
				if v.Created.IsZero() || v.Created.Location() != time.UTC || v.Tags != nil || v.Metrics != nil {
					k.broken("stored %+v", v)
				}
				if len(v.Files) != 1 || !equalFile(v.Files[0], file(registry.ModelFile, "")) {
					k.broken("files are %+v", v.Files)
				}
				k.content(v.ID, registry.ModelFile, "")
			},
		},
		{
			name:    "Register/NumbersInOrder",
			promise: `IDs are unique, and "1", "2", ... in the order of registration where a registry promises so.`,
			check: func(k *kit) {
				for i, want := range []string{"1", "2", "3"} {
					v := k.register(string(rune('a' + i)))
					if !k.h.Features.OwnIDs && v.ID != want {
						k.broken("ID is %q, want %q", v.ID, want)
					}
					if v.ID == "" || slices.Contains(k.ids[:i], v.ID) {
						k.broken("ID is %q after %q", v.ID, k.ids[:i])
					}
				}
			},
		},
		{
			name:    "Register/Idempotent",
			promise: "If a version with the same key exists, Register returns it as it is, and does not read the artifact.",
			check: func(k *kit) {
				id := k.register("a").ID
				k.promote(id, "")
				want := k.versions(registry.Query{})
				other := registry.Draft{Key: "a", Time: day.Add(time.Hour), Tags: map[string]string{"other": "tag"}}
				v, err := k.r.Register(k.ctx(), other, k.untouched())
				k.succeeds("register again", err)
				if !equal(v, want[0]) {
					k.broken("the second Register returned %+v, want %+v", v, want[0])
				}
				k.unchanged(want, k.history())
			},
		},
		{
			name:    "Register/ArtifactFails",
			promise: "A Register whose artifact could not be read to its end returns the reader's error and leaves no version; its key is free.",
			check: func(k *kit) {
				torn := io.MultiReader(strings.NewReader("first half"), readerFunc(func([]byte) (int, error) { return 0, errBroken }))
				_, err := k.r.Register(k.ctx(), draft("a"), torn)
				k.fails("register", err, errBroken)
				k.unchanged(nil, nil)
				v := k.register("a")
				k.content(v.ID, registry.ModelFile, artifact("a"))
			},
		},
		{
			name:    "Register/CancelledWhileReading",
			promise: "A Register that was cancelled returns the error of ctx and leaves no version; its key is free.",
			check: func(k *kit) {
				ctx, cancel := context.WithCancel(k.ctx())
				defer cancel()
				endless := readerFunc(func(p []byte) (int, error) {
					cancel()
					return len(p), nil
				})
				_, err := k.r.Register(ctx, draft("a"), endless)
				k.fails("register", err, context.Canceled)
				k.unchanged(nil, nil)
				k.register("a")
			},
		},
		{
			name:    "Register/RefusesInvalid",
			promise: "Register refuses a draft that is not valid, a nil artifact, and an artifact beside a Folder; it reads nothing and leaves no version.",
			check: func(k *kit) {
				for what, d := range map[string]registry.Draft{
					"no key":          {},
					"name of model":   {Key: "a", Documents: map[string][]byte{registry.ModelFile: nil}},
					"name of a path":  {Key: "a", Documents: map[string][]byte{"../a": nil}},
					"NaN":             {Key: "a", Metrics: map[string]float64{"f1": math.NaN()}},
					"infinite":        {Key: "a", Metrics: map[string]float64{"f1": math.Inf(-1)}},
					"broken UTF-8":    {Key: "a", Tags: map[string]string{"a": "\xff"}},
					"a far-off year":  {Key: "a", Time: time.Date(10000, 1, 2, 0, 0, 0, 0, time.UTC)},
					"a huge document": {Key: "a", Documents: map[string][]byte{"huge": make([]byte, 16<<20+1)}},
				} {
					if _, err := k.r.Register(k.ctx(), d, k.untouched()); err == nil {
						k.broken("%s: no error", what)
					}
				}
				if _, err := k.r.Register(k.ctx(), draft("a"), nil); err == nil {
					k.broken("nil artifact: no error")
				}
				both := draft("a")
				both.Folder = fstest.MapFS{"weights": {Data: []byte("w")}}
				if _, err := k.r.Register(k.ctx(), both, k.untouched()); err == nil {
					k.broken("an artifact and a Folder: no error")
				}
				k.unchanged(nil, nil)
			},
		},
		{
			name:    "Register/Large",
			promise: "An artifact of any size is stored and read back as it was, with its size and SHA-256.",
			check: func(k *kit) {
				const size = 8<<20 + 1
				content := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{}), size) }
				want := sha256.New()
				_, err := io.Copy(want, content())
				k.succeeds("hash", err)

				v, err := k.r.Register(k.ctx(), registry.Draft{Key: "a"}, content())
				k.succeeds("register", err)
				if f := v.Files[0]; f.Size != size || f.SHA256 != hex.EncodeToString(want.Sum(nil)) {
					k.broken("stored as %+v", f)
				}
				f, err := k.r.Open(k.ctx(), v.ID, registry.ModelFile)
				k.succeeds("open", err)
				got := sha256.New()
				_, err = io.Copy(got, f)
				k.succeeds("read", err)
				k.succeeds("close", f.Close())
				if !slices.Equal(got.Sum(nil), want.Sum(nil)) {
					k.broken("read other content than was stored")
				}
			},
		},
	}
}

func file(name, content string) registry.File {
	sum := sha256.Sum256([]byte(content))
	return registry.File{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}
