package registrytest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// moreChecks are about folders, attachments, deletions, fencing, other handles, and damage.
func moreChecks() []check {
	return []check{
		{
			name:    "Folder/RoundTrip",
			promise: "A draft with a Folder and no artifact stores every file of it as model/PATH, in the order of names, beside the documents; each is read back as it was, and all of it as a folder by OpenArtifact.",
			check: func(k *kit) {
				k.needs(!k.h.Features.NoFolders, "folders")
				d := draft("a")
				d.Folder = fstest.MapFS{
					"MLmodel": {Data: []byte("flavors")}, "data/empty": {}, "data/x/weights-ä v1.bin": {Data: []byte("weights")}, "code/.env": {Data: []byte("e")},
				}
				v, err := k.r.Register(k.ctx(), d, nil)
				k.succeeds("register", err)
				want := []registry.File{
					file("empty", ""), file("model/MLmodel", "flavors"), file("model/code/.env", "e"), file("model/data/empty", ""),
					file("model/data/x/weights-ä v1.bin", "weights"), file("profile.json", `{"of":"a"}`),
				}
				stored := k.get(v.ID)
				if !slices.EqualFunc(v.Files, want, equalFile) || !equal(v, stored) {
					k.broken("registered %+v, stored %+v, want the files %+v", v, stored, want)
				}
				k.content(v.ID, "model/data/x/weights-ä v1.bin", "weights")
				_, err = k.r.Open(k.ctx(), v.ID, registry.ModelFile)
				k.fails("open the file model", err, registry.ErrNotFound)

				a, err := registry.OpenArtifact(k.ctx(), k.r, stored)
				k.succeeds("open the artifact", err)
				folder, err := a.Folder()
				k.succeeds("folder", err)
				if err := fstest.TestFS(folder, slices.Collect(maps.Keys(d.Folder.(fstest.MapFS)))...); err != nil {
					k.broken("as a folder: %v", err)
				}
				k.succeeds("verify", a.Verify())
				k.succeeds("close", a.Close())
			},
		},
		{
			name:    "Folder/Refused",
			promise: "A Folder that is empty, holds what is no regular file or has a path that cannot be kept is refused; one that cannot be read ends Register with the error of the folder. No version is left.",
			check: func(k *kit) {
				k.needs(!k.h.Features.NoFolders, "folders")
				for what, folder := range map[string]fs.FS{
					"empty":     fstest.MapFS{},
					"symlink":   fstest.MapFS{"a": {Data: []byte("b"), Mode: fs.ModeSymlink}, "b": {}},
					"backslash": fstest.MapFS{`a\b`: {}},
					"newline":   fstest.MapFS{"a\nb": {}},
				} {
					d := draft("a")
					d.Folder = folder
					if _, err := k.r.Register(k.ctx(), d, nil); err == nil {
						k.broken("%s: no error", what)
					}
				}
				d := draft("a")
				d.Folder = tornFS{fstest.MapFS{"a": {Data: []byte("first")}, "b": {Data: []byte("second")}}}
				_, err := k.r.Register(k.ctx(), d, nil)
				k.fails("a folder that breaks", err, errBroken)
				k.unchanged(nil, nil)
				k.register("a")
			},
		},
		{
			name:    "History/After",
			promise: "History yields the events with a Seq above after, and none if there are none.",
			check: func(k *kit) {
				k.registers("a", "b", "c")
				for n := 1; n <= 3; n++ {
					k.transition(registry.Transition{Version: k.id(n), To: archived, Time: day})
				}
				all := k.history()
				for after := range uint64(5) {
					var want []registry.Event
					for _, e := range all {
						if e.Seq > after {
							want = append(want, e)
						}
					}
					if got := k.historyAfter(after); !slices.Equal(got, want) {
						k.broken("after %d: %+v, want %+v", after, got, want)
					}
				}
				if got := k.historyAfter(1<<64 - 1); len(got) != 0 {
					k.broken("after the highest number: %+v", got)
				}
			},
		},
		{
			name:    "Versions/Times",
			promise: "Since is when a version got its stage, Promoted is when it last entered production; Predecessor is the version that was in production before and was archived last.",
			check: func(k *kit) {
				k.registers("a", "b", "c", "d")
				at := func(hour int) time.Time { return day.Add(time.Duration(hour) * time.Hour) }
				_, err := registry.Predecessor(k.ctx(), k.r)
				k.fails("predecessor of nothing", err, registry.ErrNotFound)
				k.transition(registry.Transition{Version: k.id(4), To: archived, Time: at(9)}) // never in production
				k.transition(registry.Transition{Version: k.id(1), To: production, Time: at(1)})
				k.transition(registry.Transition{Version: k.id(2), To: production, Expect: k.id(1), Time: at(2)})
				k.transition(registry.Transition{Version: k.id(3), To: production, Expect: k.id(2), Time: at(3)})
				back := func(want int) {
					if v, err := registry.Predecessor(k.ctx(), k.r); err != nil || v.ID != k.id(want) {
						k.broken("predecessor is %q (error %v), want %q", v.ID, err, k.id(want))
					}
				}
				back(2)
				k.transition(registry.Transition{Version: k.id(1), To: production, Expect: k.id(3), Displaced: quarantined, Time: at(4)})
				back(2)
				for n, want := range map[int][2]time.Time{1: {at(4), at(4)}, 2: {at(3), at(2)}, 3: {at(4), at(3)}, 4: {at(9), {}}} {
					if v := k.get(k.id(n)); !v.Since.Equal(want[0]) || !v.Promoted.Equal(want[1]) {
						k.broken("version %d is %s since %v, promoted %v, want %v", n, v.Stage, v.Since, v.Promoted, want)
					}
				}
			},
		},
		{
			name:    "Attach/Adds",
			promise: "Attach adds documents and metrics, which are read back; what is there already stays, and a repetition changes nothing.",
			check: func(k *kit) {
				a := k.attacher()
				k.registers("a", "b")
				add := registry.Attachment{
					Version:   k.id(1),
					Documents: map[string][]byte{"report.html": []byte("<b>"), "profile.json": []byte("other")},
					Metrics:   map[string]float64{"loss": 7, "auc": 0.75},
				}
				v, err := a.Attach(k.ctx(), add)
				k.succeeds("attach", err)
				want := draft("a")
				want.Metrics["auc"] = 0.75
				if !maps.Equal(v.Metrics, want.Metrics) || !equal(v, k.get(v.ID)) {
					k.broken("returned %+v, stored %+v, want the metrics %v", v, k.get(v.ID), want.Metrics)
				}
				k.content(v.ID, "report.html", "<b>")
				k.content(v.ID, "profile.json", string(want.Documents["profile.json"]))
				if names := fileNames(v); !slices.Equal(names, []string{"empty", "model", "profile.json", "report.html"}) {
					k.broken("the files are %q", names)
				}
				versions := k.versions(registry.Query{})
				_, err = a.Attach(k.ctx(), add)
				k.succeeds("attach again", err)
				k.unchanged(versions, nil)
			},
		},
		{
			name:    "Attach/Refuses",
			promise: "Attach to a version that does not exist is ErrNotFound; documents and metrics follow the rules of a draft.",
			check: func(k *kit) {
				a := k.attacher()
				k.register("a")
				versions := k.versions(registry.Query{})
				_, err := a.Attach(k.ctx(), registry.Attachment{Version: "77", Documents: map[string][]byte{"a": nil}})
				k.fails("attach to nothing", err, registry.ErrNotFound)
				for _, name := range []string{registry.ModelFile, "../a", "model/a", ""} {
					if _, err := a.Attach(k.ctx(), registry.Attachment{Version: k.id(1), Documents: map[string][]byte{name: nil}}); err == nil {
						k.broken("document %q: no error", name)
					}
				}
				k.unchanged(versions, nil)
			},
		},
		{
			name:    "Attach/Concurrent",
			promise: "Of attachments to one version at the same time none is lost, and of those with one name one is kept.",
			check: func(k *kit) {
				a := k.attacher()
				k.needs(!k.h.Features.NoSwap, "compare-and-set")
				k.register("a")
				each(func(i int) {
					own := string(rune('a' + i))
					_, err := a.Attach(k.ctx(), registry.Attachment{
						Version: k.id(1), Metrics: map[string]float64{own: float64(i)}, Documents: map[string][]byte{"same": []byte(own), own: []byte(own)},
					})
					if err != nil {
						k.report("writer %d: %v", i, err)
					}
				})
				v := k.get(k.id(1))
				if len(v.Metrics) != 3+writers || len(v.Files) != 4+writers {
					k.broken("stored %+v", v)
				}
				same, err := registry.ReadFile(k.ctx(), k.r, v.ID, "same")
				if err != nil || len(same) != 1 {
					k.broken("the common document holds %q (error %v)", same, err)
				}
			},
		},
		{
			name:    "Delete/Deletes",
			promise: "Delete deletes the files of an archived or quarantined version; what is known of it stays, its files are ErrNotFound, it is never promoted again, and to delete it again is no error.",
			check: func(k *kit) {
				d := k.deleter()
				k.registers("a", "b")
				k.transition(registry.Transition{Version: k.id(1), To: archived, Time: day})
				want := k.get(k.id(1))
				want.Deleted = day.Add(time.Hour)
				for range 2 {
					k.succeeds("delete", d.Delete(k.ctx(), registry.Deletion{Version: k.id(1), Time: day.Add(time.Hour), Actor: "ann", Reason: "old"}))
				}
				if got := k.get(k.id(1)); !equal(got, want) {
					k.broken("stored %+v, want %+v", got, want)
				}
				for _, name := range fileNames(want) {
					_, err := k.r.Open(k.ctx(), want.ID, name)
					k.fails("open "+name, err, registry.ErrNotFound)
				}
				k.content(k.id(2), registry.ModelFile, artifact("b"))
				k.refused(registry.Transition{Version: k.id(1), To: production}, registry.ErrIllegal)
				if a, ok := k.r.(registry.Attacher); ok {
					_, err := a.Attach(k.ctx(), registry.Attachment{Version: k.id(1), Documents: map[string][]byte{"a": nil}})
					k.fails("attach to a deleted version", err, registry.ErrIllegal)
				}
				k.transition(registry.Transition{Version: k.id(2), To: quarantined})
				k.succeeds("delete a quarantined version", d.Delete(k.ctx(), registry.Deletion{Version: k.id(2)}))
			},
		},
		{
			name:    "Delete/Refuses",
			promise: "Delete of a version in staging or production, or of the one that a rollback would go back to, is ErrIllegal; of one that does not exist, ErrNotFound. It leaves no trace.",
			check: func(k *kit) {
				d := k.deleter()
				k.registers("a", "b", "c")
				k.promote(k.id(1), "")
				k.transition(registry.Transition{Version: k.id(2), To: production, Expect: k.id(1), Time: day.Add(time.Hour)})
				refused := func(id string, target error) {
					versions, history := k.versions(registry.Query{}), k.history()
					k.fails("delete "+id, d.Delete(k.ctx(), registry.Deletion{Version: id}), target)
					k.unchanged(versions, history)
				}
				refused(k.id(1), registry.ErrIllegal) // a rollback would go back to it
				refused(k.id(2), registry.ErrIllegal)
				refused(k.id(3), registry.ErrIllegal)
				refused("77", registry.ErrNotFound)
				k.content(k.id(1), registry.ModelFile, artifact("a"))
				k.transition(registry.Transition{Version: k.id(3), To: production, Expect: k.id(2), Time: day.Add(2 * time.Hour)})
				k.succeeds("delete", d.Delete(k.ctx(), registry.Deletion{Version: k.id(1)}))
				refused(k.id(2), registry.ErrIllegal)
			},
		},
		{
			name:    "Fence/Refuses",
			promise: "After Fence, every lower token is ErrFenced in every method that takes one, even if it repeats what was done; Fence itself leaves no trace in versions and history.",
			check: func(k *kit) {
				k.needs(!k.h.Features.NoFencing, "fencing")
				f, ok := k.r.(registry.Fencer)
				k.needs(ok, "Fencer")
				k.registers("a", "b")
				k.succeeds("fence", f.Fence(k.ctx(), 5))
				k.succeeds("fence again", f.Fence(k.ctx(), 5))
				k.succeeds("fence without a token", f.Fence(k.ctx(), 0))
				k.fails("fence with an older token", f.Fence(k.ctx(), 4), registry.ErrFenced)
				versions := k.versions(registry.Query{})

				_, err := k.r.Register(k.ctx(), registry.Draft{Key: "c", Token: 4}, k.untouched())
				k.fails("register", err, registry.ErrFenced)
				_, err = k.r.Register(k.ctx(), registry.Draft{Key: "a", Token: 4}, k.untouched())
				k.fails("register again", err, registry.ErrFenced)
				k.refused(registry.Transition{Version: k.id(1), To: archived, Token: 4}, registry.ErrFenced)
				if a, ok := k.r.(registry.Attacher); ok {
					_, err := a.Attach(k.ctx(), registry.Attachment{Version: k.id(1), Metrics: map[string]float64{"a": 1}, Token: 4})
					k.fails("attach", err, registry.ErrFenced)
				}
				if d, ok := k.r.(registry.Deleter); ok {
					k.fails("delete", d.Delete(k.ctx(), registry.Deletion{Version: k.id(1), Token: 4}), registry.ErrFenced)
				}
				k.unchanged(versions, nil)
				_, err = k.r.Register(k.ctx(), registry.Draft{Key: "d", Token: 5}, strings.NewReader(""))
				k.succeeds("register with the token", err)
				k.transition(registry.Transition{Version: k.id(1), To: archived, Token: 6})
				k.refused(registry.Transition{Version: k.id(2), To: archived, Token: 5}, registry.ErrFenced)
			},
		},
		{
			name:    "Reopen/KeepsAll",
			promise: "A registry that is opened again holds what it held: versions, history, files, keys and tokens.",
			check: func(k *kit) {
				k.needs(k.h.Reopen != nil, "Reopen")
				k.registers("a", "b")
				k.transition(registry.Transition{Version: k.id(1), To: production, Time: day, Key: "first", Token: 7})
				if a, ok := k.r.(registry.Attacher); ok {
					_, err := a.Attach(k.ctx(), registry.Attachment{Version: k.id(2), Metrics: map[string]float64{"auc": 1}})
					k.succeeds("attach", err)
				}
				versions, history := k.versions(registry.Query{}), k.history()
				k.r = k.h.Reopen(k.t, k.r)
				k.unchanged(versions, history)
				k.content(k.id(1), registry.ModelFile, artifact("a"))
				k.content(k.id(2), "profile.json", `{"of":"b"}`)
				again, err := k.r.Register(k.ctx(), draft("a"), k.untouched())
				if err != nil || again.ID != k.id(1) {
					k.broken("the key %q gives version %q, error %v", "a", again.ID, err)
				}
				if e := k.transition(registry.Transition{Version: k.id(1), To: production, Key: "first", Token: 7}); e != history[0] {
					k.broken("the repetition returned %+v, want %+v", e, history[0])
				}
				if !k.h.Features.NoFencing {
					k.refused(registry.Transition{Version: k.id(2), To: archived, Token: 6}, registry.ErrFenced)
				}
			},
		},
		{
			name:    "Second/Sees",
			promise: "What one process did, another sees at once, also if it looked before.",
			check: func(k *kit) {
				other := k.second()
				look := func(want ...registry.Stage) {
					other.stages(want...)
					k.unchanged(other.versions(registry.Query{}), other.history())
				}
				look()
				k.register("a")
				look(staging)
				v, err := registry.Find(k.ctx(), other.r, "a")
				if err != nil || v.ID != k.id(1) {
					k.broken("the other finds version %q, error %v", v.ID, err)
				}
				other.content(k.id(1), registry.ModelFile, artifact("a"))
				other.promote(k.id(1), "")
				look(production)
				other.register("b")
				k.ids = append(k.ids, other.ids...)
				k.promote(k.id(2), k.id(1))
				look(archived, production)
				if f, ok := k.r.(registry.Fencer); ok && !k.h.Features.NoFencing {
					k.succeeds("fence", f.Fence(k.ctx(), 9))
					other.refused(registry.Transition{Version: k.id(1), To: quarantined, Token: 8}, registry.ErrFenced)
				}
				if a, ok := k.r.(registry.Attacher); ok {
					_, err := a.Attach(k.ctx(), registry.Attachment{Version: k.id(1), Metrics: map[string]float64{"auc": 1}})
					k.succeeds("attach", err)
					if other.get(k.id(1)).Metrics["auc"] != 1 {
						k.broken("the other does not see what was attached")
					}
				}
			},
		},
		{
			name:    "Second/Conflicts",
			promise: "A promotion over what another process changed since is a ConflictError, and a key that another process used is taken.",
			check: func(k *kit) {
				other := k.second()
				k.registers("a", "b")
				other.unchanged(k.versions(registry.Query{}), nil) // so that it has looked
				k.promote(k.id(1), "")
				other.refused(registry.Transition{Version: k.id(2), To: production}, registry.ErrConflict)
				again, err := other.r.Register(k.ctx(), draft("b"), other.untouched())
				if err != nil || again.ID != k.id(2) {
					k.broken("the other got version %q, error %v", again.ID, err)
				}
				first := k.transition(registry.Transition{Version: k.id(2), To: archived, Key: "archive"})
				if e := other.transition(registry.Transition{Version: k.id(2), To: archived, Key: "archive"}); e != first {
					k.broken("the repetition returned %+v, want %+v", e, first)
				}
			},
		},
		{
			name:    "Second/OneWinner",
			promise: "Of promotions at the same time by two processes, none is lost and each displaces the one before it.",
			check: func(k *kit) {
				other := k.second()
				k.needs(!k.h.Features.NoSwap, "compare-and-set")
				const rounds = 2
				for i := range writers * rounds {
					k.register(string(rune('a' + i)))
				}
				each(func(i int) {
					by := []*kit{k, other}[i%2]
					for round := range rounds {
						if _, err := by.insist(k.id(i*rounds + round + 1)); err != nil {
							k.report("writer %d: %v", i, err)
						}
					}
				})
				history := k.history()
				if len(history) != writers*rounds {
					k.broken("%d events, want %d", len(history), writers*rounds)
				}
				before := ""
				for _, e := range history {
					if e.Displaced != before {
						k.broken("%+v, want it to displace %q", e, before)
					}
					before = e.Version
				}
			},
		},
		{
			name:    "Damage/IsFound",
			promise: "Content that is not what was stored ends the reading with ErrCorrupt, never with io.EOF, every later Read says the same, and no model is made of it.",
			check: func(k *kit) {
				k.needs(k.h.Damage != nil, "Damage")
				k.registers("a", "b")
				for _, name := range []string{registry.ModelFile, "profile.json"} {
					k.h.Damage(k.t, k.r, k.get(k.id(1)), name)
					_, err := registry.ReadFile(k.ctx(), k.r, k.id(1), name)
					k.fails("read damaged "+name, err, registry.ErrCorrupt)
					k.content(k.id(2), name, map[string]string{registry.ModelFile: artifact("b"), "profile.json": `{"of":"b"}`}[name])
				}
				f, err := k.r.Open(k.ctx(), k.id(1), registry.ModelFile)
				k.succeeds("open", err)
				_, err = io.Copy(io.Discard, f)
				_, again := f.Read(make([]byte, 1))
				k.fails("read on", again, registry.ErrCorrupt)
				k.fails("read", err, registry.ErrCorrupt)
				k.succeeds("close", f.Close())
				_, err = registry.Load(k.ctx(), k.r, k.get(k.id(1)), loadNothing)
				k.fails("load", err, registry.ErrCorrupt)
				_, err = registry.Load(k.ctx(), k.r, k.get(k.id(2)), loadNothing)
				k.succeeds("load the other", err)
			},
		},
	}
}

// tornFS is a folder whose files break after their first byte.
type tornFS struct{ fs.FS }

func (t tornFS) Open(name string) (fs.File, error) {
	f, err := t.FS.Open(name)
	if err != nil || name != "b" {
		return f, err
	}
	return tornFile{f}, nil
}

type tornFile struct{ fs.File }

func (t tornFile) Read(p []byte) (int, error) {
	n, err := t.File.Read(p[:min(1, len(p))])
	return n, errors.Join(err, errBroken)
}

func fileNames(v registry.Version) []string {
	var names []string
	for _, f := range v.Files {
		names = append(names, f.Name)
	}
	return names
}

// second returns another handle on the same data.
func (k *kit) second() *kit {
	k.needs(k.h.Second != nil, "Second")
	return &kit{proof: k.proof, h: k.h, r: k.h.Second(k.t, k.r)}
}

func (k *kit) attacher() registry.Attacher {
	a, ok := k.r.(registry.Attacher)
	k.needs(ok, "Attacher")
	return a
}

func (k *kit) deleter() registry.Deleter {
	d, ok := k.r.(registry.Deleter)
	k.needs(ok, "Deleter")
	return d
}

// loadNothing is a [registry.LoadFunc] that does not look at the artifact.
func loadNothing(context.Context, registry.Version, io.Reader) (struct{}, error) {
	return struct{}{}, nil
}
