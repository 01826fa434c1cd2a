package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/commands"
	"github.com/leanovate/gopter/gen"

	"github.com/selfheal-ml/selfheal/registry"
)

// model is what a naive reading of the rules says. It is never changed, only replaced.
type model struct {
	stages   []registry.Stage // of each version, oldest first
	accepted bool             // the last command
}

// production returns the index of the version in production, -1 for none.
func (m model) production() int { return slices.Index(m.stages, registry.Production) }

// outcome is what a command on a State is observed to do.
type outcome struct {
	stages   []registry.Stage
	promoted bool // a version was promoted, by this or an earlier command
	err      error
}

func observe(s *registry.State, err error) outcome {
	var stages []registry.Stage
	for _, v := range slices.Backward(s.Versions(registry.Query{})) {
		stages = append(stages, v.Stage)
	}
	promoted := slices.ContainsFunc(s.Events(), func(e registry.Event) bool { return e.To == registry.Production })
	return outcome{stages, promoted, err}
}

type registerCommand struct{}

func (registerCommand) String() string                   { return "Register" }
func (registerCommand) PreCondition(commands.State) bool { return true }

func (registerCommand) Run(sut commands.SystemUnderTest) commands.Result {
	s := sut.(*registry.State)
	key := strconv.Itoa(len(s.Versions(registry.Query{})))
	v, _, err := s.PlanVersion(registry.Draft{Key: key}, []registry.File{modelFile()})
	if err == nil {
		err = s.AddVersion(v)
	}
	return observe(s, err)
}

func (registerCommand) NextState(state commands.State) commands.State {
	return model{append(slices.Clone(state.(model).stages), registry.Staging), true}
}

func (registerCommand) PostCondition(after commands.State, result commands.Result) *gopter.PropResult {
	return hold(after.(model), result.(outcome))
}

// transitionCommand moves any version, or one that does not exist, to any stage.
type transitionCommand struct {
	version   int // index in the model, and ID less 1
	to        registry.Stage
	expect    int // as version; -1 for none
	displaced registry.Stage
}

func (c transitionCommand) String() string {
	return fmt.Sprintf("Transition(%d to %s, expect %d, displaced %s)", c.version+1, c.to, c.expect+1, c.displaced)
}

func (transitionCommand) PreCondition(commands.State) bool { return true }

func (c transitionCommand) Run(sut commands.SystemUnderTest) commands.Result {
	s := sut.(*registry.State)
	t := registry.Transition{Version: strconv.Itoa(c.version + 1), To: c.to, Displaced: c.displaced}
	if c.expect >= 0 {
		t.Expect = strconv.Itoa(c.expect + 1)
	}
	e, _, err := s.PlanTransition(t)
	if err == nil {
		err = s.AddEvent(e)
	}
	return observe(s, err)
}

func (c transitionCommand) NextState(state commands.State) commands.State {
	m := state.(model)
	if !c.legal(m) {
		return model{m.stages, false}
	}
	stages := slices.Clone(m.stages)
	if c.to == registry.Production && c.expect >= 0 {
		stages[c.expect] = c.displaced
	}
	stages[c.version] = c.to
	return model{stages, true}
}

func (c transitionCommand) legal(m model) bool {
	if c.version >= len(m.stages) {
		return false
	}
	from := m.stages[c.version]
	switch c.to {
	case registry.Production:
		return c.expect == m.production() && (from == registry.Staging || from == registry.Archived)
	case registry.Archived:
		return from == registry.Staging || from == registry.Quarantined
	case registry.Quarantined:
		return from == registry.Staging || from == registry.Archived
	default:
		return false
	}
}

func (c transitionCommand) PostCondition(after commands.State, result commands.Result) *gopter.PropResult {
	m, got := after.(model), result.(outcome)
	if errors.Is(got.err, registry.ErrConflict) && (c.to != registry.Production || c.expect == m.production()) {
		return gopter.NewPropResult(false, "a conflict though the expectation was right")
	}
	return hold(m, got)
}

// hold compares what was observed with the model, and checks what must hold always.
func hold(m model, got outcome) *gopter.PropResult {
	if accepted := got.err == nil; accepted != m.accepted {
		return gopter.NewPropResult(false, fmt.Sprintf("accepted is %v (%v), want %v", accepted, got.err, m.accepted))
	}
	if !slices.Equal(got.stages, m.stages) {
		return gopter.NewPropResult(false, fmt.Sprintf("stages are %q, want %q", got.stages, m.stages))
	}
	inProduction := 0
	for _, stage := range got.stages {
		if stage == registry.Production {
			inProduction++
		}
	}
	if inProduction > 1 || got.promoted && inProduction == 0 {
		return gopter.NewPropResult(false, fmt.Sprintf("%d versions in production", inProduction))
	}
	return gopter.NewPropResult(true, "")
}

// lifecycle makes commands that are legal often enough to get far, and wrong in every way.
var lifecycle = &commands.ProtoCommands{
	NewSystemUnderTestFunc: func(commands.State) commands.SystemUnderTest { return new(registry.State) },
	InitialStateGen:        gen.Const(model{}),
	GenCommandFunc: func(state commands.State) gopter.Gen {
		m := state.(model)
		n := len(m.stages)
		transition := gopter.CombineGens(
			gen.IntRange(0, n),
			gen.OneConstOf(registry.Production, registry.Production, registry.Archived, registry.Quarantined, registry.Staging),
			gen.Weighted([]gen.WeightedGen{
				{Weight: 4, Gen: gen.Const(m.production())},
				{Weight: 1, Gen: gen.IntRange(-1, n)},
			}),
			gen.OneConstOf(registry.Archived, registry.Quarantined),
		).Map(func(values []any) commands.Command {
			return transitionCommand{values[0].(int), values[1].(registry.Stage), values[2].(int), values[3].(registry.Stage)}
		})
		return gen.Weighted([]gen.WeightedGen{
			{Weight: 1, Gen: gen.Const(commands.Command(registerCommand{}))},
			{Weight: 3, Gen: transition},
		})
	},
}

func TestState_Lifecycle(t *testing.T) {
	t.Parallel()
	parameters := gopter.DefaultTestParametersWithSeed(20250101)
	props := gopter.NewProperties(parameters)
	props.Property("follows the model", commands.Prop(lifecycle))
	props.TestingRun(t)
}
