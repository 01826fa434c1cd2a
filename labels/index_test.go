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
	for _, l := range m {
		if l.PredictionID == predictionID && (!labelled || !l.Time.Before(winner.Time)) {
			winner, labelled = l, true
		}
	}
	return winner, labelled
}

func (m model) noOp(l labels.Label) bool {
	winner, labelled := m.winner(l.PredictionID)
	return labelled && winner.SameTruth(l) || slices.ContainsFunc(m, l.Equal)
}

func (m *model) add(ls ...labels.Label) (fresh []labels.Label) {
	for _, l := range ls {
		if !m.noOp(l) {
			*m = append(*m, l)
			fresh = append(fresh, l)
		}
	}
	return fresh
}

// genLabels draws from few predictions, truths and times, so that labels collide.
func genLabels() gopter.Gen {
	label := gopter.CombineGens(gen.IntRange(0, 2), gen.IntRange(0, 3), gen.IntRange(0, 4)).
		Map(func(v []any) labels.Label {
			l := labels.Label{PredictionID: "p-" + strconv.Itoa(v[0].(int)), Time: noon.Add(time.Duration(v[2].(int)) * time.Second)}
			if truth := v[1].(int); truth < 2 {
				l.Class = strconv.Itoa(truth)
			} else {
				l.Value = float64(truth)
			}
			return l
		})
	return gen.SliceOfN(25, label)
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

	props.Property("every stored revision is a no-op when it comes again", prop.ForAll(func(ls []labels.Label) bool {
		var x labels.Index
		var stored []labels.Label
		for _, l := range ls {
			if x.Add(l) {
				stored = append(stored, l)
			}
		}
		slices.Reverse(stored)
		return len(x.Fresh(stored...)) == 0
	}, genLabels()))

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

// A confirmation is not stored, so it does not outlast a truth that is dated between.
func TestIndex_Confirmation(t *testing.T) {
	t.Parallel()
	known := labels.Label{PredictionID: "p-1", Class: "yes", Time: noon}
	confirmed := labels.Label{PredictionID: "p-1", Class: "yes", Time: noon.Add(30 * time.Minute)}
	between := labels.Label{PredictionID: "p-1", Class: "no", Time: noon.Add(20 * time.Minute)}

	var x labels.Index
	require.True(t, x.Add(known))
	require.False(t, x.Add(confirmed))
	require.True(t, x.Add(between))
	winner, _ := x.Lookup("p-1")
	require.Equal(t, between, winner)

	require.True(t, x.Add(confirmed), "sent again it is a label like any other")
	winner, _ = x.Lookup("p-1")
	require.Equal(t, confirmed, winner)
}
