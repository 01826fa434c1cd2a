package healing_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/gate/audit"
	"github.com/selfheal-ml/selfheal/gate/budget"
	"github.com/selfheal-ml/selfheal/healing"
)

// One decision in 60 days may err, with 5 %: the second has to wait, whichever process
// makes it, and both are in one chain.
func TestLoop_Budget(t *testing.T) {
	t.Parallel()
	cfg := healing.Config{
		Policy:  gate.Standard(),
		Budget:  &budget.Budget{Horizon: 60 * day, Decisions: 1},
		Trigger: healing.TriggerConfig{NoSchedule: true, NoDrift: true},
	}
	w := newWorld(t)
	w.pass(t, 40*day, 4000, 0)
	l := w.loop(t, cfg)
	retrain := func(l *healing.Loop) healing.Run {
		_, err := l.Retrain(t.Context(), "ann", "test", w.now)
		require.NoError(t, err)
		require.NoError(t, l.Tick(t.Context(), w.now))
		return w.runs(t, l)[0]
	}
	require.NoError(t, l.Tick(t.Context(), w.now))
	first := w.runs(t, l)[0]
	require.Equal(t, healing.StepConfirmed, first.Step)
	require.Empty(t, first.Budget.Charges, "a first deployment is no comparison")

	w.days(t, l, 8, 800)
	w.spoil = true
	second := retrain(l)
	require.Equal(t, healing.StepRejected, second.Step)
	require.Equal(t, []budget.Charge{{At: second.Decision.At, Alpha: 0.05}}, second.Budget.Charges)

	l = w.loop(t, cfg) // another process
	w.spoil, w.centre = false, 2
	w.days(t, l, 20, 800)
	third := retrain(l)
	require.Equal(t, healing.StepInconclusive, third.Step)
	require.Len(t, third.Decision.Reasons(), 1)
	require.Contains(t, third.Decision.Reasons()[0], "0.05 of 0.05 within 60 days is spent, so nothing is promoted before")
	require.Equal(t, second.Budget, third.Budget)

	w.days(t, l, 40, 800)
	fourth := retrain(l)
	require.Equal(t, healing.StepWatching, fourth.Step, fourth.Reason)

	var decisions []gate.Decision
	for _, run := range slices.Backward(w.runs(t, l)) {
		decisions = append(decisions, *run.Decision)
	}
	require.Len(t, decisions, 4)
	chain, err := audit.Chain{}.Verify(decisions...)
	require.NoError(t, err)
	require.Equal(t, 4, chain.N)
	_, err = audit.Chain{}.Verify(slices.Delete(slices.Clone(decisions), 1, 2)...)
	require.ErrorIs(t, err, audit.ErrChain)

	code, body, _ := get(t, l, "runs/"+second.ID+"/decision")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "error budget")
	_, body, _ = get(t, l, "")
	require.Contains(t, body, `href="runs/`+second.ID+`/decision"`)
}

func TestLoop_BudgetConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want, cfg := range map[string]healing.Config{
		"no criterion that proves the shadow better has an error rate that it could lower": {Budget: &budget.Budget{}},
		"Total is 2, want between 0 and 1":                                                 {Budget: &budget.Budget{Total: 2}, Policy: gate.Standard()},
		"First is empty":                                                                   {Budget: &budget.Budget{}, Policy: gate.Policy{Criteria: gate.Standard().Criteria}},
	} {
		_, err := healing.New(w.parts, cfg)
		require.ErrorContains(t, err, want)
	}
	_, err := healing.New(w.parts, healing.Config{Budget: &budget.Budget{}, Policy: gate.Standard()})
	require.NoError(t, err)
}

// A run without a decision has no page of it.
func TestHandler_NoDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(t, day, 20, 0)
	l := w.loop(t, healing.Config{})
	run, err := l.Retrain(t.Context(), "ann", "test", w.now)
	require.NoError(t, err)
	code, body, _ := get(t, l, "runs/"+run.ID+"/decision")
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, body, "has no decision: its last step is")
	data, err := json.Marshal(run)
	require.NoError(t, err)
	require.NotContains(t, string(data), "budget")
}
