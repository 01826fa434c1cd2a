package registry

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/commands"
	"github.com/leanovate/gopter/gen"
)

// model is what a naive reading of the rules says. It is never changed, only replaced.
type model struct {
	stages   []Stage // of each version, oldest first
	accepted bool    // the last command
}

// production returns the index of the version in production, -1 for none.
func (m model) production() int { return slices.Index(m.stages, Production) }

// observed is what a command on a State is observed to do.
type observed struct {
	stages   []Stage
	promoted bool // a version was promoted, by this or an earlier command
	err      error
}

func observe(s *state, err error) observed {
	var stages []Stage
	for _, v := range slices.Backward(s.query(Query{})) {
		stages = append(stages, v.Stage)
	}
	promoted := slices.ContainsFunc(s.since(0), func(e Event) bool { return e.To == Production })
	return observed{stages, promoted, err}
}

type registerCommand struct{}

func (registerCommand) String() string                   { return "Register" }
func (registerCommand) PreCondition(commands.State) bool { return true }

func (registerCommand) Run(sut commands.SystemUnderTest) commands.Result {
	s := sut.(*state)
	key := strconv.Itoa(len(s.query(Query{})))
	v, _, err := s.planVersion(Draft{Key: key}, []File{modelFile()})
	if err == nil {
		err = s.addVersion(v)
	}
	return observe(s, err)
}

func (registerCommand) NextState(state commands.State) commands.State {
	return model{append(slices.Clone(state.(model).stages), Staging), true}
}

func (registerCommand) PostCondition(after commands.State, result commands.Result) *gopter.PropResult {
	return hold(after.(model), result.(observed))
}

// transitionCommand moves any version, or one that does not exist, to any stage.
type transitionCommand struct {
	version   int // index in the model, and ID less 1
	to        Stage
	expect    int // as version; -1 for none
	displaced Stage
}

func (c transitionCommand) String() string {
	return fmt.Sprintf("Transition(%d to %s, expect %d, displaced %s)", c.version+1, c.to, c.expect+1, c.displaced)
}

func (transitionCommand) PreCondition(commands.State) bool { return true }

func (c transitionCommand) Run(sut commands.SystemUnderTest) commands.Result {
	s := sut.(*state)
	t := Transition{Version: strconv.Itoa(c.version + 1), To: c.to, Displaced: c.displaced}
	if c.expect >= 0 {
		t.Expect = strconv.Itoa(c.expect + 1)
	}
	e, _, err := s.planTransition(t)
	if err == nil {
		err = s.addEvent(e)
	}
	return observe(s, err)
}

func (c transitionCommand) NextState(state commands.State) commands.State {
	m := state.(model)
	if !c.legal(m) {
		return model{m.stages, false}
	}
	stages := slices.Clone(m.stages)
	if c.to == Production && c.expect >= 0 {
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
	case Production:
		return c.expect == m.production() && (from == Staging || from == Archived)
	case Archived:
		return from == Staging || from == Quarantined
	case Quarantined:
		return from == Staging || from == Archived
	default:
		return false
	}
}

func (c transitionCommand) PostCondition(after commands.State, result commands.Result) *gopter.PropResult {
	m, got := after.(model), result.(observed)
	if errors.Is(got.err, ErrConflict) && (c.to != Production || c.expect == m.production()) {
		return gopter.NewPropResult(false, "a conflict though the expectation was right")
	}
	return hold(m, got)
}

// hold compares what was observed with the model, and checks what must hold always.
func hold(m model, got observed) *gopter.PropResult {
	if accepted := got.err == nil; accepted != m.accepted {
		return gopter.NewPropResult(false, fmt.Sprintf("accepted is %v (%v), want %v", accepted, got.err, m.accepted))
	}
	if !slices.Equal(got.stages, m.stages) {
		return gopter.NewPropResult(false, fmt.Sprintf("stages are %q, want %q", got.stages, m.stages))
	}
	inProduction := 0
	for _, stage := range got.stages {
		if stage == Production {
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
	NewSystemUnderTestFunc: func(commands.State) commands.SystemUnderTest { return new(state) },
	InitialStateGen:        gen.Const(model{}),
	GenCommandFunc: func(state commands.State) gopter.Gen {
		m := state.(model)
		n := len(m.stages)
		transition := gopter.CombineGens(
			gen.IntRange(0, n),
			gen.OneConstOf(Production, Production, Archived, Quarantined, Staging),
			gen.Weighted([]gen.WeightedGen{
				{Weight: 4, Gen: gen.Const(m.production())},
				{Weight: 1, Gen: gen.IntRange(-1, n)},
			}),
			gen.OneConstOf(Archived, Quarantined),
		).Map(func(values []any) commands.Command {
			return transitionCommand{values[0].(int), values[1].(Stage), values[2].(int), values[3].(Stage)}
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
