package labels_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/labels"
)

// model is the contract of labels.Store, word by word.
type model []labels.Label

func (m model) winner(predictionID string) (winner labels.Label, labelled bool) {
	return m.winnerAsOf(time.Time{}, predictionID)
}

func (m model) winnerAsOf(arrivedBy time.Time, predictionID string) (winner labels.Label, labelled bool) {
	q := labels.Query{PredictionID: predictionID, ArrivedBy: arrivedBy}
	for _, l := range m {
		if q.Matches(l) && (!labelled || !l.Time.Before(winner.Time)) {
			winner, labelled = l, true
		}
	}
	return winner, labelled
}

func (m *model) add(ls ...labels.Label) (fresh []labels.Label) {
	for _, l := range ls {
		if !slices.ContainsFunc(*m, l.Equal) {
			*m = append(*m, l)
			fresh = append(fresh, l)
		}
	}
	return fresh
}

func genLabels() gopter.Gen { return genBatch(25) }

// genBatch draws n labels from few predictions, truths and times, so that they collide.
func genBatch(n int) gopter.Gen {
	label := gopter.CombineGens(gen.IntRange(0, 2), gen.IntRange(0, 3), gen.IntRange(0, 4), gen.IntRange(0, 6)).
		Map(func(v []any) labels.Label {
			l := labels.Label{
				PredictionID: "p-" + strconv.Itoa(v[0].(int)),
				Time:         noon.Add(time.Duration(v[2].(int)) * time.Second),
				Arrived:      noon.Add(time.Duration(v[3].(int)) * time.Hour),
			}
			if truth := v[1].(int); truth < 2 {
				l.Class = strconv.Itoa(truth)
			} else {
				l.Value = float64(truth)
			}
			return l
		})
	return gen.SliceOfN(n, label)
}

func TestIndex_Properties(t *testing.T) {
	t.Parallel()
	equal := func(a, b []labels.Label) bool { return slices.EqualFunc(a, b, labels.Label.Equal) }
	props := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(20250601))

	props.Property("Add and Lookup do as the contract says", prop.ForAll(func(ls []labels.Label) bool {
		var m model
		var x labels.Index
		for _, l := range ls {
			if x.Add(l) != (len(m.add(l)) == 1) {
				return false
			}
			got, labelled := x.Lookup(l.PredictionID)
			want, _ := m.winner(l.PredictionID)
			if !labelled || !got.Equal(want) {
				return false
			}
		}
		return true
	}, genLabels()))

	props.Property("LookupAsOf and LastArrival do as the contract says", prop.ForAll(func(ls []labels.Label, hours int) bool {
		var m model
		var x labels.Index
		by := noon.Add(time.Duration(hours)*time.Hour - time.Nanosecond)
		for _, l := range ls {
			x.Add(l)
			m.add(l)
		}
		for i := range 4 {
			id := "p-" + strconv.Itoa(i)
			got, labelled := x.LookupAsOf(by, id)
			want, wanted := m.winnerAsOf(by, id)
			if labelled != wanted || got != want {
				return false
			}
			var last time.Time
			for _, l := range m {
				if l.PredictionID == id && l.Arrived.After(last) {
					last = l.Arrived
				}
			}
			if !x.LastArrival(id).Equal(last) {
				return false
			}
		}
		return true
	}, genLabels(), gen.IntRange(0, 7)))

	props.Property("Fresh foretells Add and changes nothing", prop.ForAll(func(before, ls []labels.Label) bool {
		var m model
		var x labels.Index
		m.add(before...)
		for _, l := range before {
			x.Add(l)
		}
		first, again := x.Fresh(ls...), x.Fresh(ls...)
		return equal(first, again) && equal(first, m.add(ls...))
	}, genLabels(), genLabels()))

	props.Property("every label is a no-op when it comes again", prop.ForAll(func(ls []labels.Label) bool {
		var x labels.Index
		for _, l := range ls {
			x.Add(l)
		}
		slices.Reverse(ls)
		return len(x.Fresh(ls...)) == 0
	}, genLabels()))

	props.Property("batches that come again at any later point leave the same winners", prop.ForAll(
		func(batches [][]labels.Label, again []int) bool {
			var once, often labels.Index
			for i, batch := range batches {
				for _, l := range batch {
					once.Add(l)
					often.Add(l)
				}
				for _, l := range batches[again[i]%(i+1)] {
					often.Add(l)
				}
				for _, l := range slices.Concat(batches...) {
					a, _ := once.Lookup(l.PredictionID)
					b, _ := often.Lookup(l.PredictionID)
					if a != b {
						return false
					}
				}
			}
			return true
		}, gen.SliceOfN(8, genBatch(4)), gen.SliceOfN(8, gen.IntRange(0, 7))))

	props.TestingRun(t)
}

func TestIndex_Zero(t *testing.T) {
	t.Parallel()
	var x labels.Index
	_, labelled := x.Lookup("p-1")
	require.False(t, labelled)
	require.Zero(t, x.Len())
	require.Empty(t, x.Fresh())
	require.Len(t, x.Fresh(labels.Label{PredictionID: "p-1", Class: "yes", Time: noon}), 1)
	require.Zero(t, x.Len())
}

// A confirmation is a revision, so it outlasts a truth that is dated before it, in
// whatever order they come and however often.
func TestIndex_Confirmation(t *testing.T) {
	t.Parallel()
	known := labels.Label{PredictionID: "p-1", Class: "yes", Time: noon}
	confirmed := labels.Label{PredictionID: "p-1", Class: "yes", Time: noon.Add(30 * time.Minute), Arrived: noon}
	between := labels.Label{PredictionID: "p-1", Class: "no", Time: noon.Add(20 * time.Minute)}

	var x labels.Index
	for _, fresh := range []bool{true, false} {
		require.Equal(t, fresh, x.Add(known))
		require.Equal(t, fresh, x.Add(confirmed))
		require.Equal(t, fresh, x.Add(between))
		winner, _ := x.Lookup("p-1")
		require.Equal(t, confirmed, winner)
	}
}

// A moment may be any, also one whose microseconds do not fit into an int64.
func TestIndex_LookupAsOf_FarMoments(t *testing.T) {
	t.Parallel()
	var x labels.Index
	l := labels.Label{PredictionID: "p-1", Class: "yes", Time: noon, Arrived: noon}
	require.True(t, x.Add(l))
	for seconds, want := range map[int64]bool{1 << 50: true, 1 << 45: true, -1 << 45: false, -1 << 50: false} {
		_, labelled := x.LookupAsOf(time.Unix(seconds, 0), "p-1")
		require.Equal(t, want, labelled, seconds)
		require.Equal(t, want, labels.Query{ArrivedBy: time.Unix(seconds, 0)}.Matches(l))
	}
}
