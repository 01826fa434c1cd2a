package predictlog_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/commands"
	"github.com/leanovate/gopter/gen"

	"github.com/selfheal-ml/selfheal/predictlog"
)

// storeModel is what a store should hold: the version of the record of each ID. Records
// of the model have nothing else to tell them apart. A storeModel is not changed in place.
type storeModel map[int]int

// modelRecord returns the record of an ID, in the second of that number.
func modelRecord(id, version int) predictlog.Record {
	return predictlog.Record{
		ID:      strconv.Itoa(id),
		Version: strconv.Itoa(version),
		Time:    time.Unix(int64(id), 0),
		Row:     make(predictlog.Row, 4),
	}
}

// appendCommand appends records, each given as ID and version.
type appendCommand [][2]int

// apply returns the model after the command, and whether an ID was taken.
func (c appendCommand) apply(m storeModel) (next storeModel, taken bool) {
	next = maps.Clone(m)
	for _, r := range c {
		if version, ok := next[r[0]]; ok && version != r[1] {
			return m, true
		}
		next[r[0]] = r[1]
	}
	return next, false
}

func (c appendCommand) Run(store commands.SystemUnderTest) commands.Result {
	var records []predictlog.Record
	for _, r := range c {
		records = append(records, modelRecord(r[0], r[1]))
	}
	return store.(predictlog.Store).Append(context.Background(), records...)
}

func (c appendCommand) PreCondition(commands.State) bool { return true }

func (c appendCommand) NextState(state commands.State) commands.State {
	next, _ := c.apply(state.(storeModel))
	return next
}

// PostCondition gets the state after the command, in which just the same IDs are taken.
func (c appendCommand) PostCondition(state commands.State, result commands.Result) *gopter.PropResult {
	_, taken := c.apply(state.(storeModel))
	err, _ := result.(error)
	return gopter.NewPropResult(taken == errors.Is(err, predictlog.ErrDuplicate) && taken == (err != nil), c.String())
}

func (c appendCommand) String() string { return fmt.Sprintf("Append%v", [][2]int(c)) }

// scanCommand scans the seconds from, and before, those given.
type scanCommand [2]int

func (c scanCommand) Run(store commands.SystemUnderTest) commands.Result {
	got := storeModel{}
	q := predictlog.Query{From: time.Unix(int64(c[0]), 0), To: time.Unix(int64(c[1]), 0)}
	for r, err := range store.(predictlog.Store).Scan(context.Background(), q) {
		id, errID := strconv.Atoi(r.ID)
		version, errVersion := strconv.Atoi(r.Version)
		if err := errors.Join(err, errID, errVersion); err != nil {
			return err
		}
		if _, twice := got[id]; twice {
			return fmt.Errorf("record %d came twice", id)
		}
		got[id] = version
	}
	return got
}

func (c scanCommand) PreCondition(commands.State) bool { return true }

func (c scanCommand) NextState(state commands.State) commands.State { return state }

func (c scanCommand) PostCondition(state commands.State, result commands.Result) *gopter.PropResult {
	want := maps.Clone(state.(storeModel))
	maps.DeleteFunc(want, func(id, _ int) bool { return id < c[0] || id >= c[1] })
	got, ok := result.(storeModel)
	return gopter.NewPropResult(ok && maps.Equal(got, want), c.String())
}

func (c scanCommand) String() string { return fmt.Sprintf("Scan[%d, %d)", c[0], c[1]) }

// TestMemoryStore_Model compares a store with a map, over random sequences of commands in
// which IDs often clash.
func TestMemoryStore_Model(t *testing.T) {
	t.Parallel()
	genAppend := gen.SliceOf(gopter.CombineGens(gen.IntRange(0, 20), gen.IntRange(0, 1))).Map(func(pairs [][]any) commands.Command {
		var c appendCommand
		for _, pair := range pairs[:min(len(pairs), 4)] {
			c = append(c, [2]int{pair[0].(int), pair[1].(int)})
		}
		return c
	})
	genScan := gopter.CombineGens(gen.IntRange(0, 20), gen.IntRange(0, 21)).Map(func(bounds []any) commands.Command {
		return scanCommand{bounds[0].(int), bounds[1].(int)}
	})
	schema := applicantSchema(t)
	parameters := gopter.DefaultTestParametersWithSeed(20250101)
	parameters.MaxSize = 40
	props := gopter.NewProperties(parameters)
	props.Property("a store is a map that refuses to change", commands.Prop(&commands.ProtoCommands{
		NewSystemUnderTestFunc: func(commands.State) commands.SystemUnderTest { return predictlog.NewMemoryStore(schema) },
		InitialStateGen:        gen.Const(storeModel{}),
		GenCommandFunc:         func(commands.State) gopter.Gen { return gen.OneGenOf(genAppend, genScan) },
	}))
	props.TestingRun(t)
}
