package registrytest

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/selfheal-ml/selfheal/registry"
)

func readChecks() []check {
	return []check{
		{
			name:    "Empty",
			promise: "An empty registry has no versions, no events, and nothing in production.",
			check: func(k *kit) {
				k.unchanged(nil, nil)
				_, err := registry.InProduction(k.ctx(), k.r)
				k.fails("in production", err, registry.ErrNoProduction)
				_, err = registry.Get(k.ctx(), k.r, "77")
				k.fails("get", err, registry.ErrNotFound)
				_, err = registry.Find(k.ctx(), k.r, "a")
				k.fails("find", err, registry.ErrNotFound)
			},
		},
		{
			name:    "Versions/Selects",
			promise: "Versions yields the versions that match every field of the query that is not empty, newest first.",
			check: func(k *kit) {
				for _, key := range []string{"a", "b", "c", "d"} {
					k.register(key)
				}
				k.promote(k.id(2), "")
				k.promote(k.id(3), k.id(2))
				for _, c := range []struct {
					query registry.Query
					want  []int
				}{
					{registry.Query{}, []int{4, 3, 2, 1}},
					{registry.Query{ID: k.id(2)}, []int{2}},
					{registry.Query{ID: "77"}, nil},
					{registry.Query{ID: "0" + k.id(2)}, nil},
					{registry.Query{Key: "d"}, []int{4}},
					{registry.Query{Key: "D"}, nil},
					{registry.Query{Stage: staging}, []int{4, 1}},
					{registry.Query{Stage: production}, []int{3}},
					{registry.Query{Stage: archived}, []int{2}},
					{registry.Query{ID: k.id(3), Key: "c", Stage: production}, []int{3}},
					{registry.Query{ID: k.id(3), Key: "d"}, nil},
					{registry.Query{ID: k.id(3), Stage: archived}, nil},
					{registry.Query{Key: "b", Stage: production}, nil},
				} {
					var got []int
					for _, v := range k.versions(c.query) {
						got = append(got, k.number(v.ID))
					}
					if !slices.Equal(got, c.want) {
						k.broken("%+v yields the versions %d, want %d", c.query, got, c.want)
					}
				}
			},
		},
		{
			name:    "Versions/RangedOver",
			promise: "The consumer of a sequence may stop early, and may range over it again, which asks again.",
			check: func(k *kit) {
				all := k.r.Versions(k.ctx(), registry.Query{})
				k.register("a")
				k.register("b")
				for v, err := range all {
					k.succeeds("versions", err)
					if v.ID != k.id(2) {
						k.broken("the newest is %q", v.ID)
					}
					break
				}
				k.register("c")
				n := 0
				for _, err := range all {
					k.succeeds("versions", err)
					n++
				}
				if n != 3 {
					k.broken("%d versions, want 3", n)
				}
				k.promote(k.id(1), "")
				k.promote(k.id(2), k.id(1))
				for range k.r.History(k.ctx(), 0) {
					break
				}
				history := k.r.History(k.ctx(), 0)
				for range 2 {
					n := 0
					for _, err := range history {
						k.succeeds("history", err)
						n++
					}
					if n != 2 {
						k.broken("%d events, want 2", n)
					}
				}
			},
		},
		{
			name:    "Versions/AreTheReceivers",
			promise: "What the registry returned may be changed by who got it, and so may what it was given, without effect on what is stored.",
			check: func(k *kit) {
				d := draft("a")
				v, err := k.r.Register(k.ctx(), d, strings.NewReader(artifact("a")))
				k.succeeds("register", err)
				clear(d.Tags)
				clear(d.Metrics)
				d.Documents["profile.json"][0] = '#'
				for _, v := range append(k.versions(registry.Query{}), v) {
					clear(v.Files)
					clear(v.Tags)
					clear(v.Metrics)
				}
				want := draft("a")
				got := k.versions(registry.Query{})[0]
				if len(got.Files) != 3 || got.Files[1].Name != registry.ModelFile || len(got.Tags) != len(want.Tags) || len(got.Metrics) != len(want.Metrics) {
					k.broken("stored %+v", got)
				}
				k.content(v.ID, "profile.json", string(want.Documents["profile.json"]))
			},
		},
		{
			name:    "Open/Files",
			promise: "Open returns the artifact and each document; at the end of one, every Read says io.EOF.",
			check: func(k *kit) {
				for _, key := range []string{"a", "b"} {
					v := k.register(key)
					k.content(v.ID, registry.ModelFile, artifact(key))
					for name, content := range draft(key).Documents {
						k.content(v.ID, name, string(content))
					}
				}
				f, err := k.r.Open(k.ctx(), k.id(1), registry.ModelFile)
				k.succeeds("open", err)
				_, err = io.Copy(io.Discard, f)
				k.succeeds("read", err)
				if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					k.broken("Read after the end returns %d, %v", n, err)
				}
				k.succeeds("close", f.Close())
			},
		},
		{
			name:    "Open/NotFound",
			promise: "Open of a version or file that does not exist is ErrNotFound.",
			check: func(k *kit) {
				k.register("a")
				for _, c := range []struct{ id, file string }{
					{"77", registry.ModelFile}, {"", registry.ModelFile}, {k.id(1), "other"}, {k.id(1), ""}, {k.id(1), "../model"},
				} {
					_, err := k.r.Open(k.ctx(), c.id, c.file)
					k.fails("open "+c.id+" "+c.file, err, registry.ErrNotFound)
				}
			},
		},
		{
			name:    "Cancelled",
			promise: "With a ctx that is done, every method returns its error and changes nothing.",
			check: func(k *kit) {
				k.register("a")
				versions := k.versions(registry.Query{})
				ctx, cancel := context.WithCancel(k.ctx())
				cancel()

				_, err := k.r.Register(ctx, draft("b"), strings.NewReader(""))
				k.fails("Register", err, context.Canceled)
				_, err = k.r.Open(ctx, k.id(1), registry.ModelFile)
				k.fails("Open", err, context.Canceled)
				_, err = k.r.Transition(ctx, registry.Transition{Version: k.id(1), To: registry.Production})
				k.fails("Transition", err, context.Canceled)
				_, err = registry.Get(ctx, k.r, k.id(1))
				k.fails("Versions", err, context.Canceled)
				n := 0
				for _, err := range k.r.History(ctx, 0) {
					k.fails("History", err, context.Canceled)
					n++
				}
				if n != 1 {
					k.broken("History yields %d elements, want only the error", n)
				}
				k.unchanged(versions, nil)
			},
		},
	}
}
